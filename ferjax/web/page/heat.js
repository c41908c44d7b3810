"use strict";
// Draws a class-activation map over a face: warm where it speaks for a class, cold where against it.

const Heat = (() => {
  const CUT = 0.995; // share of the pixels below the strongest colour

  // Returns a canvas with the face `seen` under the heat of a class, or null without maps.
  function draw({seen, maps}, label, side) {
    if (!maps) return null;
    const values = enlarged(maps, label, seen.width);
    const strongest = strength(values);
    const pixels = new ImageData(seen.width, seen.width);
    values.forEach((value, index) => {
      const share = strongest ? Math.max(-1, Math.min(value / strongest, 1)) : 0;
      pixels.data.set(colour(share), index * 4);
    });
    const layer = document.createElement("canvas");
    layer.width = layer.height = seen.width;
    layer.getContext("2d").putImageData(pixels, 0, 0);
    const shown = document.createElement("canvas");
    shown.width = shown.height = side;
    const context = shown.getContext("2d");
    context.drawImage(Pictures.canvas(seen), 0, 0, side, side);
    context.drawImage(layer, 0, 0, side, side);
    return shown;
  }

  // Enlarges the map of a class to the size of the image, linearly.
  function enlarged({data, width, height}, label, size) {
    const classes = SETTINGS.labels.length;
    const values = new Float32Array(size * size);
    const at = (y, x) => data[(y * width + x) * classes + label];
    for (let y = 0; y < size; y++) {
      const [top, bottom, down] = between(y, size, height);
      for (let x = 0; x < size; x++) {
        const [left, right, across] = between(x, size, width);
        const above = at(top, left) * (1 - across) + at(top, right) * across;
        const below = at(bottom, left) * (1 - across) + at(bottom, right) * across;
        values[y * size + x] = above * (1 - down) + below * down;
      }
    }
    return values;
  }

  function between(index, size, cells) {
    const point = Math.max(0, Math.min(((index + 0.5) * cells) / size - 0.5, cells - 1));
    const before = Math.floor(point);
    return [before, Math.min(before + 1, cells - 1), point - before];
  }

  // The strength that gets the strongest colour: one hot pixel would leave the rest without any.
  function strength(values) {
    const sorted = Float32Array.from(values, Math.abs).sort();
    const place = CUT * (sorted.length - 1);
    const before = Math.floor(place);
    const after = Math.min(before + 1, sorted.length - 1);
    const cut = sorted[before] + (sorted[after] - sorted[before]) * (place - before);
    return cut || sorted[sorted.length - 1];
  }

  // Red, green, blue and opacity, each 0 to 255, of a share from −1 to 1.
  function colour(share) {
    const stops = share < 0 ? SETTINGS.heatColours.cold : SETTINGS.heatColours.warm;
    const amount = Math.abs(share);
    const next = Math.max(1, stops.findIndex(([at]) => at >= amount));
    const [from, to] = [stops[next - 1], stops[next]];
    const part = (amount - from[0]) / (to[0] - from[0]);
    const mixed = [1, 2, 3, 4].map((channel) => from[channel] + (to[channel] - from[channel]) * part);
    return [...mixed.slice(0, 3), mixed[3] * 255];
  }

  return {draw, enlarged};
})();
