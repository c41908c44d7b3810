"use strict";
// Finds faces as `ferjax predict` does (ferjax/deploy/search.py, faces.py and face.py) and cuts them out upright.
// A face is {box: [left, top, right, bottom], score, eyes: [[x, y], [x, y]]}, in pixels of the picture.

const Faces = (() => {
  const STRIDES = [8, 16, 32];
  const VALUES = 10; // of a cell: class and object score, box, two eyes
  const SIDE = 640;
  const SHARED = 160;
  const NEEDED = 40;
  const HARDLY = 1.5;
  const SAME = 0.4;
  const EDGE = 2;
  const ROOM = 0.3;
  const CLOSE = 320;
  const LOOKS = 2;
  const LEVEL = Math.PI / 180;
  const LEVEL_ENOUGH = 4 * LEVEL;
  const STEPS = 4; // of a pixel and of a degree
  const LEAST = 0.2;
  const SAME_CLOSE = 0.3;

  // Computes the cells of a picture whose sides are multiples of 32, and reads the faces above a score.
  async function look(session, image, minScore) {
    const shape = [1, image.height, image.width, 3];
    const maps = await session.run({images: new ort.Tensor("uint8", image.data, shape)});
    const faces = [];
    for (const stride of STRIDES) {
      const {data, dims} = maps[`cells${stride}`];
      for (let cell = 0, at = 0; at < data.length; cell++, at += VALUES) {
        const score = Math.sqrt(sigmoid(data[at]) * sigmoid(data[at + 1]));
        if (score < minScore) continue;
        const x = (cell % dims[2]) * stride;
        const y = Math.floor(cell / dims[2]) * stride;
        const place = (index) => [data[at + index] * stride + x, data[at + index + 1] * stride + y];
        const [middleX, middleY] = place(2);
        const halfWidth = (Math.exp(data[at + 4]) * stride) / 2;
        const halfHeight = (Math.exp(data[at + 5]) * stride) / 2;
        const box = [middleX - halfWidth, middleY - halfHeight, middleX + halfWidth, middleY + halfHeight];
        faces.push({box, score, eyes: [place(6), place(8)]});
      }
    }
    return faces;
  }

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  // Finds the faces of a picture, the largest first; a large picture is searched again in tiles, at most so many.
  async function find(session, image, {tiles, minScore}) {
    const coarse = Math.min(1, SIDE / Math.max(image.width, image.height));
    let faces = await found(session, image, coarse, minScore);
    if (coarse * HARDLY < 1 && tiles > 0) {
      const fine = finest(image, tiles);
      const largest = Math.max(SHARED / fine, NEEDED / coarse);
      const more = await found(session, image, fine, minScore);
      faces = faces.concat(more.filter(({box}) => Math.max(box[2] - box[0], box[3] - box[1]) <= largest));
    }
    const upright = [];
    for (const face of merged(faces)) upright.push(await closer(session, image, face));
    return upright.sort((first, second) => area(second.box) - area(first.box));
  }

  function finest({width, height}, most) {
    const scales = [1];
    for (const side of [height, width]) {
      for (let count = 1; count <= most; count++) {
        const step = (SIDE - SHARED) * count + SHARED;
        if (step < side) scales.push(step / side);
      }
    }
    const tiles = (scale) => starts(scaled(width, scale)).length * starts(scaled(height, scale)).length;
    return Math.max(...scales.filter((scale) => tiles(scale) <= most));
  }

  const scaled = (side, scale) => Math.max(1, Resample.roundHalfEven(side * scale));

  function starts(side) {
    const count = Math.max(1, Math.ceil((side - SHARED) / (SIDE - SHARED)));
    return Array.from({length: count}, (_, index) =>
      count > 1 ? Resample.roundHalfEven((index * (side - SIDE)) / (count - 1)) : 0);
  }

  async function found(session, image, scale, minScore) {
    const width = scaled(image.width, scale);
    const height = scaled(image.height, scale);
    const small = scale < 1 ? Resample.shrink(image, width, height) : image;
    const faces = [];
    for (const top of starts(height)) {
      for (const left of starts(width)) {
        for (const face of await look(session, padded(small, left, top, SIDE, SIDE), minScore)) {
          if (whole(face.box, [left, top], [width, height])) faces.push(moved(face, left, top, scale));
        }
      }
    }
    return faces;
  }

  function moved({box, score, eyes}, left, top, scale) {
    const point = ([x, y]) => [(x + left) / scale, (y + top) / scale];
    return {box: [...point(box.slice(0, 2)), ...point(box.slice(2))], score, eyes: eyes.map(point)};
  }

  // Cuts a rectangle out, filled up with black.
  function padded(image, left, top, width, height) {
    const tile = Resample.picture(width, height, 3);
    const columns = Math.min(width, image.width - left);
    for (let row = 0; row < Math.min(height, image.height - top); row++) {
      const start = ((top + row) * image.width + left) * 3;
      tile.data.set(image.data.subarray(start, start + columns * 3), row * width * 3);
    }
    return tile;
  }

  // Finds large faces fast: in the picture reduced to so many pixels, eyes of tilted heads not found again.
  async function glance(session, image, side, minScore) {
    const scale = Math.min(1, side / Math.max(image.width, image.height));
    const [width, height] = [scaled(image.width, scale), scaled(image.height, scale)];
    const small = scale < 1 ? Resample.shrink(image, width, height) : image;
    const full = (length) => Math.ceil(length / 32) * 32;
    const faces = await look(session, padded(small, 0, 0, full(width), full(height)), minScore);
    return merged(faces.map((face) => moved(face, 0, 0, scale)));
  }

  // Whether a box of a tile is not cut by an edge that is inside the picture.
  function whole(box, place, size) {
    return [0, 1].every((axis) =>
      (place[axis] === 0 || box[axis] > EDGE) &&
      (place[axis] + SIDE >= size[axis] || box[axis + 2] < SIDE - EDGE));
  }

  // Keeps the surest of boxes that overlap.
  const merged = (faces) => distinct([...faces].sort((first, second) => second.score - first.score));

  // Keeps the first of boxes that overlap.
  function distinct(faces) {
    const kept = [];
    for (const face of faces) {
      if (kept.every(({box}) => overlap(face.box, box) < SAME)) kept.push(face);
    }
    return kept;
  }

  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);

  function overlap(first, second) {
    const width = Math.min(first[2], second[2]) - Math.max(first[0], second[0]);
    const height = Math.min(first[3], second[3]) - Math.max(first[1], second[1]);
    const shared = Math.max(width, 0) * Math.max(height, 0);
    return shared ? shared / (area(first) + area(second) - shared) : 0;
  }

  // Finds the eyes again in a close crop, turned upright by the eyes found before.
  async function closer(session, image, face) {
    for (let turn = 0; turn < LOOKS; turn++) {
      const before = tilt(face);
      const again = await lookClosely(session, image, face);
      if (!again) break;
      face = {...face, eyes: again.eyes};
      if (Math.abs(tilt(face) - before) < LEVEL_ENOUGH) break;
    }
    return face;
  }

  // Finds a face again where it was, in a crop of so many pixels; null if it is not there.
  async function lookClosely(session, image, face, close = CLOSE) {
    const {x, y, side, turn} = square(face, ROOM);
    const near = Resample.resize(crop(image, face, ROOM), close, close, Resample.BICUBIC);
    const inner = (close * ROOM) / (1 + 2 * ROOM);
    const expected = [inner, inner, close - inner, close - inner];
    const seen = await look(session, near, LEAST);
    if (!seen.length) return null;
    const best = seen.reduce((first, second) => (second.score > first.score ? second : first));
    if (overlap(best.box, expected) < SAME_CLOSE) return null;
    const point = ([across, down]) => {
      const u = (across * side) / close - side / 2;
      const v = (down * side) / close - side / 2;
      return [x + Math.cos(turn) * u - Math.sin(turn) * v, y + Math.sin(turn) * u + Math.cos(turn) * v];
    };
    const [left, top, right, bottom] = best.box;
    const [middleX, middleY] = point([(left + right) / 2, (top + bottom) / 2]);
    const halfWidth = ((right - left) * side) / close / 2;
    const halfHeight = ((bottom - top) * side) / close / 2;
    const box = [middleX - halfWidth, middleY - halfHeight, middleX + halfWidth, middleY + halfHeight];
    return {box, score: best.score, eyes: best.eyes.map(point)};
  }

  // Cuts out a square around a face, turned so that the eyes are level; beyond the picture its edges are repeated.
  function crop(image, face, margin) {
    const {x, y, side, turn} = square(face, margin);
    if (Math.abs(turn) < LEVEL) {
      const {roundHalfEven} = Resample;
      return window_(image, roundHalfEven(x - side / 2), roundHalfEven(y - side / 2), side);
    }
    const wide = Math.ceil(side * Math.SQRT2) + 2;
    const firstX = Math.floor(x - wide / 2);
    const firstY = Math.floor(y - wide / 2);
    const cos = Math.cos(turn);
    const sin = Math.sin(turn);
    const fromX = x - firstX - ((cos - sin) * side) / 2;
    const fromY = y - firstY - ((sin + cos) * side) / 2;
    return Resample.affine(window_(image, firstX, firstY, wide), side, side, [cos, -sin, fromX, sin, cos, fromY]);
  }

  function square({box: [left, top, right, bottom], eyes}, margin) {
    const longer = Math.max(right - left, bottom - top);
    const side = Math.max(Resample.roundHalfEven(longer * (1 + 2 * margin)), 1);
    const placed = (value) => Resample.roundHalfEven(STEPS * value) / STEPS;
    const turn = (placed((tilt({eyes}) * 180) / Math.PI) * Math.PI) / 180;
    return {x: placed((left + right) / 2), y: placed((top + bottom) / 2), side, turn};
  }

  const tilt = ({eyes: [[x1, y1], [x2, y2]]}) => Math.atan2(y2 - y1, x2 - x1);

  function window_(image, left, top, side) {
    const result = Resample.picture(side, side, 3);
    const clip = (value, size) => Math.max(0, Math.min(value, size - 1));
    let out = 0;
    for (let row = 0; row < side; row++) {
      const start = clip(top + row, image.height) * image.width;
      for (let column = 0; column < side; column++) {
        const at = (start + clip(left + column, image.width)) * 3;
        result.data[out++] = image.data[at];
        result.data[out++] = image.data[at + 1];
        result.data[out++] = image.data[at + 2];
      }
    }
    return result;
  }

  return {find, glance, lookClosely, distinct, crop};
})();
