"use strict";
// Resizes and turns pictures to the same bytes as PIL, so that the network sees what `ferjax predict` shows it.
// A picture is {width, height, channels, data}: bytes, row by row, the channels of a pixel side by side.

const Resample = (() => {
  const BILINEAR = {support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x))};
  const BICUBIC = {
    support: 2,
    weight: (x) => {
      const a = -0.5;
      x = Math.abs(x);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  };
  const BITS = 22; // of PIL's fixed-point weights
  const LUMA = [19595, 38470, 7471]; // ITU-R 601 in 1/65536

  const picture = (width, height, channels) =>
    ({width, height, channels, data: new Uint8Array(width * height * channels)});

  // For each output position: the first input position and the weights from there on. `length` of the `size`
  // input positions, which may end within one, become `outputs`.
  function taps(size, length, outputs, filter) {
    const scale = Math.fround(length) / outputs; // PIL takes the length as a float of 32 bits
    const stretch = Math.max(scale, 1);
    const reach = filter.support * stretch;
    return Array.from({length: outputs}, (_, output) => {
      const center = (output + 0.5) * scale;
      const first = Math.max(0, Math.trunc(center - reach + 0.5));
      const end = Math.min(size, Math.trunc(center + reach + 0.5));
      const weights = [];
      let total = 0;
      for (let input = first; input < end; input++) {
        const weight = filter.weight((input - center + 0.5) * (1 / stretch));
        weights.push(weight);
        total += weight;
      }
      const fixed = weights.map((weight) => {
        const value = (weight / total) * 2 ** BITS;
        return Math.trunc(value + (value < 0 ? -0.5 : 0.5));
      });
      return {first, weights: Int32Array.from(fixed)};
    });
  }

  // Weighs the positions of one line: `inStep` and `outStep` lead from one to the next.
  function weigh(from, start, inStep, to, target, outStep, positions) {
    for (let index = 0, out = target; index < positions.length; index++, out += outStep) {
      const {first, weights} = positions[index];
      let sum = 1 << (BITS - 1);
      for (let tap = 0, at = start + first * inStep; tap < weights.length; tap++, at += inStep) {
        sum += from[at] * weights[tap];
      }
      sum >>= BITS;
      to[out] = sum < 0 ? 0 : sum > 255 ? 255 : sum;
    }
  }

  // Stretches the first `across` × `down` pixels of a picture, all by default; first along rows, as PIL does.
  function resize(image, width, height, filter = BILINEAR, across = image.width, down = image.height) {
    const {channels} = image;
    let rows = image;
    if (width !== image.width || across !== image.width) {
      rows = picture(width, image.height, channels);
      const positions = taps(image.width, across, width, filter);
      for (let line = 0; line < image.height * channels; line++) {
        const channel = line % channels;
        const y = (line - channel) / channels;
        const [start, target] = [image.width, width].map((size) => y * size * channels + channel);
        weigh(image.data, start, channels, rows.data, target, channels, positions);
      }
    }
    if (height === image.height && down === image.height) return rows;
    const result = picture(width, height, channels);
    const positions = taps(image.height, down, height, filter);
    const row = width * channels;
    for (let column = 0; column < row; column++) {
      weigh(rows.data, column, row, result.data, column, row, positions);
    }
    return result;
  }

  // PIL's `resize` with a reducing gap of 2: large pictures are first averaged over blocks of pixels.
  function shrink(image, width, height) {
    const acrossBlock = Math.max(1, Math.trunc(image.width / width / 2));
    const downBlock = Math.max(1, Math.trunc(image.height / height / 2));
    if (acrossBlock === 1 && downBlock === 1) return resize(image, width, height);
    const blocks = averaged(image, acrossBlock, downBlock);
    return resize(blocks, width, height, BILINEAR, image.width / acrossBlock, image.height / downBlock);
  }

  // Averages blocks of pixels; those at the right and at the bottom may be smaller.
  function averaged(image, across, down) {
    const {width, height, channels, data} = image;
    const result = picture(Math.ceil(width / across), Math.ceil(height / down), channels);
    let out = 0;
    for (let top = 0; top < height; top += down) {
      const bottom = Math.min(top + down, height);
      for (let left = 0; left < width; left += across) {
        const right = Math.min(left + across, width);
        const count = (bottom - top) * (right - left);
        const reciprocal = Math.trunc(2 ** 24 / count);
        for (let c = 0; c < channels; c++) {
          let sum = count >> 1;
          for (let y = top; y < bottom; y++) {
            const end = (y * width + right) * channels;
            for (let at = (y * width + left) * channels + c; at < end; at += channels) sum += data[at];
          }
          result.data[out++] = Math.floor((sum * reciprocal) / 2 ** 24);
        }
      }
    }
    return result;
  }

  // Reads output pixel (u, v) at a·u + b·v + c, d·u + e·v + f, by cubic curves; black beyond the picture.
  function affine(image, width, height, [a, b, c, d, e, f]) {
    const {channels, data} = image;
    const result = picture(width, height, channels);
    const columns = new Int32Array(4);
    const lines = new Float64Array(4);
    for (let v = 0, out = 0; v < height; v++) {
      for (let u = 0; u < width; u++, out += channels) {
        const x = a * (u + 0.5) + b * (v + 0.5) + c;
        const y = d * (u + 0.5) + e * (v + 0.5) + f;
        if (x < 0 || x >= image.width || y < 0 || y >= image.height) continue;
        const left = Math.floor(x - 0.5);
        const top = Math.floor(y - 0.5);
        for (let step = 0; step < 4; step++) columns[step] = clip(left + step - 1, image.width) * channels;
        for (let channel = 0; channel < channels; channel++) {
          for (let step = 0; step < 4; step++) {
            const row = clip(top + step - 1, image.height) * image.width * channels + channel;
            lines[step] = cubic(
              data[row + columns[0]], data[row + columns[1]], data[row + columns[2]], data[row + columns[3]],
              x - 0.5 - left);
          }
          const value = cubic(lines[0], lines[1], lines[2], lines[3], y - 0.5 - top);
          result.data[out + channel] = value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
        }
      }
    }
    return result;
  }

  const clip = (value, size) => (value < 0 ? 0 : value < size ? value : size - 1);

  function cubic(v1, v2, v3, v4, at) {
    const p2 = -v1 + v3;
    const p3 = 2 * (v1 - v2) + v3 - v4;
    const p4 = -v1 + v2 - v3 + v4;
    return v2 + at * (p2 + at * (p3 + at * p4));
  }

  // OpenCV's default: four neighbours of each point, in its fixed-point arithmetic; see ferjax/data/resize.py.
  function opencv(image, size) {
    const {width, height, channels, data} = image;
    if (width === 2 * size && height === 2 * size) return averaged(image, 2, 2);
    const result = picture(size, size, channels);
    const xs = neighbours(width, size, true);
    const ys = neighbours(height, size, false);
    const row = (y, x, channel) => {
      const start = y * width * channels + channel;
      const sum = data[start + x.before * channels] * x.weights[0] + data[start + x.after * channels] * x.weights[1];
      return sum >> 4;
    };
    let out = 0;
    for (const y of ys) {
      for (const x of xs) {
        for (let channel = 0; channel < channels; channel++) {
          const above = (row(y.before, x, channel) * y.weights[0]) >> 16;
          const below = (row(y.after, x, channel) * y.weights[1]) >> 16;
          result.data[out++] = (above + below + 2) >> 2;
        }
      }
    }
    return result;
  }

  function neighbours(length, size, clampWeights) {
    return Array.from({length: size}, (_, index) => {
      const point = Math.fround((index + 0.5) * (length / size) - 0.5);
      const before = Math.floor(point);
      let part = Math.fround(point - before);
      if (clampWeights && (before < 0 || before >= length - 1)) part = 0;
      const weights = [Math.fround(1 - part) * 2048, part * 2048].map(roundHalfEven);
      return {before: clip(before, length), after: clip(before + 1, length), weights};
    });
  }

  // Rounds as Python does.
  function roundHalfEven(value) {
    const below = Math.floor(value);
    const rest = value - below;
    if (rest === 0.5) return below % 2 === 0 ? below : below + 1;
    return rest < 0.5 ? below : below + 1;
  }

  function grey(image) {
    const result = picture(image.width, image.height, 1);
    for (let index = 0, at = 0; index < result.data.length; index++, at += 3) {
      const sum = LUMA[0] * image.data[at] + LUMA[1] * image.data[at + 1] + LUMA[2] * image.data[at + 2];
      result.data[index] = (sum + 32768) >> 16;
    }
    return result;
  }

  return {BILINEAR, BICUBIC, picture, resize, shrink, affine, opencv, roundHalfEven, grey};
})();
