"use strict";
// Follows faces from one picture of the camera to the next.

const Camera = (() => {
  const WIDEST = 640; // pixels of a picture, its longer side
  const GLANCE = 320; // pixels at which a whole picture is searched
  const CLOSE = 160; // pixels at which a face is looked for where it was
  const EVERY = 500; // milliseconds between searches of the whole picture while faces are followed

  // Returns {start, stop}. `show(image, looks)` is called for each picture that was computed, `fail(error)` if
  // pictures no longer come, or one cannot be computed.
  function camera(engine, video, show, fail) {
    const canvas = document.createElement("canvas");
    let stream = null;
    let turn = 0; // of starts and stops: what an earlier one still waits for is not wanted any more

    async function start() {
      const own = ++turn;
      if (!navigator.mediaDevices) {
        throw new Error("Browsers give the camera only to pages from a disk, from this computer or over https.");
      }
      let opened;
      try {
        opened = await navigator.mediaDevices.getUserMedia({video: {width: WIDEST, height: 480}, audio: false});
      } catch (error) {
        throw new Error(`The camera cannot be used: ${error.message}.`);
      }
      if (own !== turn) {
        release(opened);
        return;
      }
      stream = video.srcObject = opened;
      for (const track of opened.getTracks()) {
        track.addEventListener("ended", () => fail(new Error("The camera was switched off.")));
      }
      await video.play();
      if (own === turn) run(opened).catch(fail);
    }

    function stop() {
      turn++;
      release(stream);
      stream = video.srcObject = null;
    }

    const release = (opened) => opened?.getTracks().forEach((track) => track.stop());

    async function run(started) {
      const follow = follower(engine);
      while (stream === started) {
        const scale = Math.min(1, WIDEST / Math.max(video.videoWidth, video.videoHeight));
        const size = [video.videoWidth, video.videoHeight].map((side) => Math.max(1, Math.round(side * scale)));
        const image = Pictures.draw(canvas, video, ...size);
        const looks = await Answers.ofFaces(engine, image, await follow(image, performance.now()));
        if (stream === started) show(canvas, looks);
        await new Promise(requestAnimationFrame); // lets the page react
      }
    }

    return {start, stop};
  }

  // Returns a function from a picture and its time to its faces. Faces of the picture before are looked for
  // where they were; the whole picture is searched only when there are none, and twice a second.
  function follower(engine) {
    let faces = [];
    let searched = -Infinity;
    return async (image, time) => {
      const known = [];
      for (const face of faces) {
        const again = await Faces.lookClosely(engine.faces, image, face, CLOSE);
        if (again && again.score >= SETTINGS.minScore) known.push(again);
      }
      if (!known.length || time - searched >= EVERY) {
        searched = time;
        known.push(...(await Faces.glance(engine.faces, image, GLANCE, SETTINGS.minScore)));
      }
      faces = Faces.distinct(known);
      return faces;
    };
  }

  return {camera, follower};
})();
