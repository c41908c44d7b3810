"use strict";
// Starts the two networks from the folder's own files. A page that was opened from a disk may not fetch files,
// so each comes as a script: EMBEDDED[name] is the file, compressed by gzip, in base64.

const Load = (() => {
  async function file(name) {
    const text = EMBEDDED[name];
    const compressed = Uint8Array.fromBase64
      ? Uint8Array.fromBase64(text)
      : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    delete EMBEDDED[name]; // frees its memory
    const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  let started = null;

  // Returns the sessions {faces, network}; they are started once.
  const engine = () => (started ??= start());

  async function start() {
    const [binary, loader] = await Promise.all([file("runtime.wasm"), file("runtime.mjs")]);
    ort.env.logLevel = "error";
    ort.env.wasm.numThreads = 1; // more need headers that a folder on a disk cannot send
    ort.env.wasm.wasmBinary = binary.buffer;
    ort.env.wasm.wasmPaths = {mjs: URL.createObjectURL(new Blob([loader], {type: "text/javascript"}))};
    const session = async (name) =>
      ort.InferenceSession.create(await file(name), {executionProviders: ["wasm"]});
    // One after the other: the first starts the runtime.
    const faces = await session("faces.onnx");
    return {faces, network: await session("network.onnx")};
  }

  return {engine};
})();
