// Rows of pictures that fill the width, each row of one height, each picture whole. Nothing here knows the page.

/** The gap between pictures, in pixels. */
export const GAP = 6;

/** Return which height rows should have at a width, in pixels. */
const heightAt = (width) => (width < 600 ? 130 : width < 1100 ? 180 : 220);

/**
 * Continue `rows`, which fill `width`, by what is beyond them in `ratios` (width by height of each picture).
 *
 * A row is `{first, count, top, height, full}`. The last one may have too few pictures to fill the width, and is made
 * again as soon as there are more. So nothing that was shown before moves when a page is added.
 */
export function extend(rows, ratios, width) {
  const wanted = heightAt(width);
  if (rows.length > 0 && !rows.at(-1).full) rows.pop();
  const before = rows.at(-1);
  let first = before ? before.first + before.count : 0;
  let top = before ? before.top + before.height + GAP : 0;
  let sum = 0;
  for (let at = first; at < ratios.length; at += 1) {
    sum += ratios[at];
    const count = at - first + 1;
    const height = (width - GAP * (count - 1)) / sum;
    if (height > wanted * 1.15 && at < ratios.length - 1) continue;
    const full = height <= wanted * 1.15;
    const row = { first, count, top, height: Math.round(full ? height : Math.min(height, wanted)), full };
    rows.push(row);
    first = at + 1;
    top += row.height + GAP;
    sum = 0;
  }
  return rows;
}

/** Return how high all rows are together. */
export const totalHeight = (rows) => (rows.length > 0 ? rows.at(-1).top + rows.at(-1).height : 0);

/** Return the index of the first row that ends below `y`. */
export function rowAt(rows, y) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].top + rows[middle].height < y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Return the index of the row with the picture `index`. */
export function rowOf(rows, index) {
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (rows[middle].first <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}
