// One picture of the grid: its placeholder at once, its thumb above it as soon as that is there.

import { imageView } from "./addresses.js";
import { h, icon } from "./dom.js";
import { CHECK, WARNING } from "./icons.js";
import { nameOf } from "./pages.js";
import { draw } from "./thumbhash.js";

const AGAIN_MS = 1500;

/** Return the address of the smallest thumb that is sharp at `pixels` (longer side), or null while there is none. */
export function thumbFor(item, pixels) {
  const wanted = pixels * Math.min(window.devicePixelRatio || 1, 2);
  return (item.thumbs.find(([side]) => side >= wanted * 0.9) ?? item.thumbs.at(-1))?.[1] ?? null;
}

/** Return the tile of `item` for the picture number `index` (from 0) of `total` (-1: nobody knows). */
export function tile(item, index, total, { isSelected, pixels }) {
  const name = nameOf(item);
  const canvas = h("canvas", { width: 1, height: 1, "aria-hidden": "true" });
  if (item.placeholder) draw(canvas, item.placeholder);
  const address = thumbFor(item, pixels);
  const picture = address && h("img", { alt: name, decoding: "async", draggable: false });
  if (picture) {
    picture.addEventListener("load", () => picture.classList.add("sharp"), { once: true });
    // Once more after a moment: a connection may have been lost.
    picture.addEventListener("error", () => setTimeout(() => (picture.src = address), AGAIN_MS), { once: true });
    picture.src = address;
    if (picture.complete) picture.classList.add("sharp");
  }
  const link = h(
    "a",
    { href: imageView(item.key), className: "open", tabIndex: -1, draggable: false, "aria-label": address ? null : name },
    canvas,
    picture,
    !address && h("span", { className: "unknown" }, item.status === "failed" ? icon(WARNING) : null, name),
    item.status !== "ready" && h("span", { className: `badge ${item.status}` }, item.status),
    h("span", { className: "caption", "aria-hidden": "true" }, name),
  );
  const box = h(
    "button",
    { className: "pick", role: "checkbox", tabIndex: -1, "aria-label": `Select ${name}` },
    icon(CHECK),
  );
  const shown = h(
    "div",
    { className: "tile", role: "listitem", "aria-posinset": index + 1, "aria-setsize": total, dataset: { index } },
    link,
    box,
  );
  mark(shown, isSelected);
  return shown;
}

/** Show whether the picture of a tile is selected. */
export function mark(shown, isSelected) {
  shown.classList.toggle("selected", isSelected);
  shown.querySelector(".pick").setAttribute("aria-checked", String(isSelected));
}
