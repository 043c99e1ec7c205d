// ThumbHash: what a picture looks like from far away, in some 25 bytes. Decoded as the reference implementation does,
// https://github.com/evanw/thumbhash (js/thumbhash.js), Copyright (c) 2023 Evan Wallace, MIT License: thumbhash.txt.

const { PI, cos, max, min, round } = Math;

/** Return `{width, height, rgba}` of a ThumbHash in base64, at most 32 pixels wide and high. */
export function decode(base64) {
  const hash = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
  const header24 = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const header16 = hash[3] | (hash[4] << 8);
  const lDc = (header24 & 63) / 63;
  const pDc = ((header24 >> 6) & 63) / 31.5 - 1;
  const qDc = ((header24 >> 12) & 63) / 31.5 - 1;
  const lScale = ((header24 >> 18) & 31) / 31;
  const hasAlpha = header24 >> 23;
  const pScale = ((header16 >> 3) & 63) / 63;
  const qScale = ((header16 >> 9) & 63) / 63;
  const isLandscape = header16 >> 15;
  const lx = max(3, isLandscape ? (hasAlpha ? 5 : 7) : header16 & 7);
  const ly = max(3, isLandscape ? header16 & 7 : hasAlpha ? 5 : 7);
  const aDc = hasAlpha ? (hash[5] & 15) / 15 : 1;
  const aScale = (hash[5] >> 4) / 15;

  let start = hasAlpha ? 6 : 5;
  let index = 0;
  const channel = (nx, ny, scale) => {
    const found = [];
    for (let cy = 0; cy < ny; cy += 1) {
      for (let cx = cy ? 0 : 1; cx * ny < nx * (ny - cy); cx += 1) {
        const nibble = (hash[start + (index >> 1)] >> ((index & 1) << 2)) & 15;
        found.push((nibble / 7.5 - 1) * scale);
        index += 1;
      }
    }
    return found;
  };
  const lAc = channel(lx, ly, lScale);
  const pAc = channel(3, 3, pScale * 1.25);
  const qAc = channel(3, 3, qScale * 1.25);
  const aAc = hasAlpha ? channel(5, 5, aScale) : [];

  const ratio = lx / ly;
  const width = round(ratio > 1 ? 32 : 32 * ratio);
  const height = round(ratio > 1 ? 32 / ratio : 32);
  const rgba = new Uint8ClampedArray(width * height * 4);
  const waves = (count, length) =>
    Array.from({ length }, (_, at) => Array.from({ length: count }, (__, wave) => cos((PI / length) * (at + 0.5) * wave)));
  const columns = waves(max(lx, hasAlpha ? 5 : 3), width);
  const lines = waves(max(ly, hasAlpha ? 5 : 3), height);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 4) {
      let l = lDc;
      let p = pDc;
      let q = qDc;
      let a = aDc;
      const fx = columns[x];
      const fy = lines[y];
      for (let cy = 0, j = 0; cy < ly; cy += 1) {
        for (let cx = cy ? 0 : 1; cx * ly < lx * (ly - cy); cx += 1, j += 1) l += lAc[j] * fx[cx] * fy[cy] * 2;
      }
      for (let cy = 0, j = 0; cy < 3; cy += 1) {
        for (let cx = cy ? 0 : 1; cx < 3 - cy; cx += 1, j += 1) {
          p += pAc[j] * fx[cx] * fy[cy] * 2;
          q += qAc[j] * fx[cx] * fy[cy] * 2;
        }
      }
      for (let cy = 0, j = 0; hasAlpha && cy < 5; cy += 1) {
        for (let cx = cy ? 0 : 1; cx < 5 - cy; cx += 1, j += 1) a += aAc[j] * fx[cx] * fy[cy] * 2;
      }
      const b = l - (2 / 3) * p;
      const r = (3 * l - b + q) / 2;
      rgba[at] = max(0, 255 * min(1, r));
      rgba[at + 1] = max(0, 255 * min(1, r - q));
      rgba[at + 2] = max(0, 255 * min(1, b));
      rgba[at + 3] = max(0, 255 * min(1, a));
    }
  }
  return { width, height, rgba };
}

/** Draw a ThumbHash on `canvas`, which gets its size. Whatever is no ThumbHash leaves it empty. */
export function draw(canvas, base64) {
  try {
    const { width, height, rgba } = decode(base64);
    canvas.width = width;
    canvas.height = height;
    canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
  } catch {
    canvas.width = 1;
    canvas.height = 1;
  }
}
