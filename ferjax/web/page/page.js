"use strict";
// The page: takes pictures, shows faces and what the network says about them.

(() => {
  const MARKED = 1280; // pixels of a whole picture on the page, its longer side
  const FACE = 256; // pixels of a face on the page
  const MOST_LIKELY = "most likely";
  const NONE = "none";
  const element = (id) => document.getElementById(id);
  const percent = (share) => `${Math.round(100 * share)}%`;
  let engine = null;
  let camera = null;
  let latest = null; // {source, looks, leftOut}: what is shown
  let asked = 0; // pictures so far: the answer to an earlier one is dropped

  function make(tag, {text, ...properties} = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    if (text !== undefined) made.textContent = text;
    made.append(...children);
    return made;
  }

  const say = (text) => { element("status").textContent = text; };

  async function start() {
    element("network").textContent = `${SETTINGS.model}, ${SETTINGS.origin}: ${SETTINGS.labels.join(", ")}`;
    element("version").textContent = SETTINGS.ferjax;
    element("runtime").textContent = SETTINGS.runtime;
    element("heat-choice").hidden = !SETTINGS.heat;
    for (const name of [MOST_LIKELY, ...SETTINGS.labels, NONE]) element("heat").append(make("option", {text: name}));
    try {
      engine = await Load.engine();
    } catch (error) {
      say(`The network cannot be started: ${error.message}. A browser of 2023 or later is needed.`);
      return;
    }
    element("file").disabled = element("camera").disabled = false;
    say("Drop a picture, or use the camera.");
    performance.mark("ready");
  }

  async function showFile(file) {
    leaveCamera();
    const number = ++asked;
    say("Computing …");
    await new Promise((done) => setTimeout(done, 30)); // shows the text before the page is busy
    try {
      const image = await Pictures.read(file);
      const whole = element("whole").checked;
      const answer = await Answers.picture(engine, image, whole);
      if (number !== asked) return;
      latest = {source: whole ? null : Pictures.canvas(image), ...answer};
      show();
      performance.mark("answered");
    } catch (error) {
      if (number === asked) clear(error.message);
    }
  }

  function clear(text) {
    latest = null;
    element("picture").replaceChildren();
    element("looks").replaceChildren();
    say(text);
  }

  function show() {
    const {source, looks, leftOut} = latest;
    element("picture").replaceChildren(...(source ? [marked(source, looks)] : []));
    element("looks").replaceChildren(...looks.map(card));
    const count = looks.length === 1 ? "1 face" : `${looks.length} faces`;
    if (!looks.length) {
      say(camera ? "No face in sight." : "No face was found. If the picture is one face, already cut out, tick the box.");
    } else {
      say(leftOut ? `${count}; ${leftOut} smaller ones are left out.` : `${count}.`);
    }
  }

  // Draws the picture with the faces' boxes and most likely classes.
  function marked(source, looks) {
    const scale = Math.min(1, MARKED / Math.max(source.width, source.height));
    const canvas = make("canvas", {
      width: Math.max(1, Math.round(source.width * scale)),
      height: Math.max(1, Math.round(source.height * scale)),
    });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "the picture with its faces marked");
    const context = canvas.getContext("2d");
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    const unit = Math.max(canvas.width, canvas.height) / 400;
    context.lineWidth = 1.5 * unit;
    context.font = `600 ${10 * unit}px system-ui, sans-serif`;
    looks.forEach(({face, probabilities, unlike}, index) => {
      const [left, top, right, bottom] = face.box.map((value) => value * scale);
      const [first] = Answers.ordered(probabilities);
      const doubt = unlike ? " (unlike)" : Answers.isUnsure(probabilities) ? "?" : "";
      const text = `${index + 1} ${SETTINGS.labels[first]}${doubt} ${percent(probabilities[first])}`;
      const high = 14 * unit;
      const above = top >= high ? top - high : Math.min(bottom, canvas.height - high);
      context.strokeStyle = context.fillStyle = unlike ? "#6b7280" : "#2b59c3";
      context.strokeRect(left, top, right - left, bottom - top);
      context.fillRect(left - context.lineWidth / 2, above, context.measureText(text).width + 8 * unit, high);
      context.fillStyle = "white";
      context.fillText(text, left + 3 * unit, above + 10.5 * unit);
    });
    return canvas;
  }

  function card(look, index) {
    const {probabilities} = look;
    const order = Answers.ordered(probabilities);
    const names = order.map((label) => SETTINGS.labels[label]);
    const notes = [];
    if (look.unlike) notes.push("Unlike the faces that the network was trained on: do not rely on this answer.");
    if (Answers.isUnsure(probabilities)) notes.push(`Unsure: ${names[0]} is only the most likely.`);
    const set = Answers.set(probabilities);
    if (set) {
      const members = set.map((label) => SETTINGS.labels[label]).join(", ") || "no class";
      notes.push(`Set that holds the actual class ${percent(SETTINGS.sets.coverage)} of the time: ${members}.`);
    }
    if (look.affect) {
      const {valence, arousal} = look.affect;
      notes.push(`Valence ${signed(valence)}, arousal ${signed(arousal)}.`);
    }
    const bars = order.map((label) => bar(SETTINGS.labels[label], probabilities[label]));
    return make("article", {className: "panel look"},
      make("h3", {text: `Face ${index + 1}: ${names[0]}`}),
      make("div", {className: "seen"}, ...figures(look, order[0])),
      make("table", {}, make("caption", {text: "Calibrated probabilities"}), make("tbody", {}, ...bars)),
      ...notes.map((text) => make("p", {text})));
  }

  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

  function bar(name, share) {
    const filled = make("span", {className: "bar"});
    filled.style.width = `${100 * share}%`;
    return make("tr", {},
      make("th", {text: name, scope: "row"}),
      make("td", {}, make("span", {className: "track"}, filled)),
      make("td", {text: percent(share)}));
  }

  function figures(look, first) {
    const seen = make("canvas", {width: FACE, height: FACE});
    seen.getContext("2d").drawImage(Pictures.canvas(look.seen), 0, 0, FACE, FACE);
    const shown = [figure(seen, "what the network sees")];
    const chosen = element("heat").value;
    const label = chosen === MOST_LIKELY ? first : SETTINGS.labels.indexOf(chosen);
    const heat = chosen === NONE ? null : Heat.draw(look, label, FACE);
    if (heat) shown.push(figure(heat, `what speaks for ${SETTINGS.labels[label]} (warm) and against it (blue)`));
    return shown;
  }

  function figure(canvas, caption) {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", caption);
    return make("figure", {}, canvas, make("figcaption", {text: caption}));
  }

  function useCamera() {
    if (camera) {
      leaveCamera();
      say("The camera is off.");
      return;
    }
    asked++;
    clear("Starting the camera …");
    const fail = (error) => {
      if (camera !== started) return; // it was stopped, so nobody waits for it
      leaveCamera();
      clear(error.message);
    };
    const started = (camera = Camera.camera(engine, element("video"), (source, looks) => {
      latest = {source, looks, leftOut: 0};
      show();
    }, fail));
    element("camera").setAttribute("aria-pressed", "true");
    element("camera").textContent = "Stop the camera";
    element("status").setAttribute("aria-live", "off"); // twenty times a second is no news
    started.start().catch(fail);
  }

  function leaveCamera() {
    camera?.stop();
    camera = null;
    element("camera").setAttribute("aria-pressed", "false");
    element("camera").textContent = "Use the camera";
    element("status").removeAttribute("aria-live");
  }

  element("file").addEventListener("change", ({target}) => {
    if (target.files.length) showFile(target.files[0]);
  });
  element("whole").addEventListener("change", () => {
    if (element("file").files.length && !camera) showFile(element("file").files[0]);
  });
  element("heat").addEventListener("change", () => latest && show());
  element("camera").addEventListener("click", useCamera);
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!engine || !event.dataTransfer.files.length) return;
    element("file").files = event.dataTransfer.files;
    showFile(event.dataTransfer.files[0]);
  });
  start();
})();
