"use strict";
// Reads pictures as `ferjax predict` does: upright, colours as they are stored, what is transparent white.

const Pictures = (() => {
  const MOST_PIXELS = 64e6;

  async function read(file) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, {
        imageOrientation: "from-image",
        colorSpaceConversion: "none",
        premultiplyAlpha: "none",
      });
    } catch {
      throw new Error("This is no picture that the browser can read, or it is damaged.");
    }
    try {
      if (bitmap.width * bitmap.height > MOST_PIXELS) {
        throw new Error(`The picture has ${bitmap.width}×${bitmap.height} pixels; the limit is 64 million.`);
      }
      return draw(document.createElement("canvas"), bitmap, bitmap.width, bitmap.height);
    } finally {
      bitmap.close();
    }
  }

  // Draws a source onto a canvas that gets this size, and returns its pixels.
  function draw(canvas, source, width, height) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    context.drawImage(source, 0, 0, width, height);
    const {data} = context.getImageData(0, 0, width, height);
    const image = Resample.picture(width, height, 3);
    for (let at = 0, out = 0; at < data.length; at += 4) {
      image.data[out++] = data[at];
      image.data[out++] = data[at + 1];
      image.data[out++] = data[at + 2];
    }
    return image;
  }

  // Returns a canvas that shows a picture of 1 or 3 channels.
  function canvas({width, height, channels, data}) {
    const pixels = new ImageData(width, height);
    for (let index = 0, at = 0; index < width * height; index++) {
      for (let channel = 0; channel < 3; channel++) {
        pixels.data[at++] = data[index * channels + (channels === 3 ? channel : 0)];
      }
      pixels.data[at++] = 255;
    }
    const shown = document.createElement("canvas");
    shown.width = width;
    shown.height = height;
    shown.getContext("2d").putImageData(pixels, 0, 0);
    return shown;
  }

  return {read, draw, canvas};
})();
