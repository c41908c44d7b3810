"use strict";
// What the network says about faces: calibrated probabilities, the set of classes, "unsure", "unlike", and heat.

const Answers = (() => {
  const MOST_FACES = 12; // of one picture; the largest

  // Answers for a picture: its faces and what the network says about each. `whole`: the picture is one face.
  async function picture(engine, image, whole) {
    const {tiles, minScore} = SETTINGS;
    const faces = whole ? [null] : await Faces.find(engine.faces, image, {tiles, minScore});
    const shown = faces.slice(0, MOST_FACES);
    return {looks: await ofFaces(engine, image, shown), leftOut: faces.length - shown.length};
  }

  // Returns for each face {face, seen, probabilities, unlike, maps, affect}.
  async function ofFaces(engine, image, faces) {
    if (!faces.length) return [];
    const size = SETTINGS.inputSize;
    const crops = faces.map((face) => prepared(face ? Faces.crop(image, face, SETTINGS.margin) : image));
    const bytes = new Uint8Array(faces.length * size * size * 3);
    crops.forEach((crop, index) => fill(bytes, index, crop));
    const input = new ort.Tensor("uint8", bytes, [faces.length, size, size, 3]);
    const {probabilities, affect, distance, maps} = await engine.network.run({images: input});
    return faces.map((face, index) => ({
      face,
      seen: centre(crops[index]),
      probabilities: row(probabilities, index),
      unlike: distance ? row(distance, index)[0] > SETTINGS.unlikeAbove : false,
      maps: maps ? {data: row(maps, index), height: maps.dims[1], width: maps.dims[2]} : null,
      affect: affect ? {valence: row(affect, index)[0], arousal: row(affect, index)[1]} : null,
    }));
  }

  // Resizes a face by the filter of the network's training, without colours if it was trained without.
  function prepared(crop) {
    const size = SETTINGS.inputSize;
    const face = SETTINGS.grey ? Resample.grey(crop) : crop;
    if (face.width === size && face.height === size) return face;
    return SETTINGS.resize === "opencv" ? Resample.opencv(face, size) : Resample.resize(face, size, size);
  }

  function fill(bytes, index, {width, height, channels, data}) {
    const start = index * width * height * 3;
    if (channels === 3) bytes.set(data, start);
    else for (let out = 0; out < data.length * 3; out++) bytes[start + out] = data[Math.trunc(out / 3)];
  }

  // Cuts out what the network takes of its input.
  function centre(image) {
    const size = SETTINGS.imageSize;
    const first = Resample.roundHalfEven((image.width - size) / 2);
    const result = Resample.picture(size, size, image.channels);
    for (let y = 0; y < size; y++) {
      const start = ((first + y) * image.width + first) * image.channels;
      const line = image.data.subarray(start, start + size * image.channels);
      result.data.set(line, y * size * image.channels);
    }
    return result;
  }

  function row(tensor, index) {
    const length = tensor.data.length / tensor.dims[0];
    return tensor.data.slice(index * length, (index + 1) * length);
  }

  // Class numbers, the most likely first.
  function ordered(probabilities) {
    return [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  }

  const isUnsure = (probabilities) => Math.max(...probabilities) < SETTINGS.unsureBelow;

  // Classes that hold the actual one with the stated chance; null if that was not measured. The threshold
  // belongs to probabilities before calibration, which is undone.
  function set(probabilities) {
    if (!SETTINGS.sets) return null;
    const raw = Array.from(probabilities, (value) => Math.max(value, Number.MIN_VALUE) ** SETTINGS.temperature);
    const total = raw.reduce((sum, value) => sum + value, 0);
    return ordered(probabilities).filter((index) => raw[index] / total >= SETTINGS.sets.smallest);
  }

  return {picture, ofFaces, ordered, isUnsure, set};
})();
