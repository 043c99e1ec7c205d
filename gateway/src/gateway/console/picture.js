// The large picture of an image: its placeholder at once, then a thumb, then the display picture or the original.

import { h, icon } from "./dom.js";
import { PICTURE, WARNING } from "./icons.js";
import { nameOf } from "./pages.js";
import { draw } from "./thumbhash.js";

const SHOWN_BY_BROWSERS = new Set(["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif", "image/bmp"]);
const LARGEST_BYTES = 40_000_000;

/** Return the element that shows `image`. It has its final size from the start. */
export function picture(image) {
  if (image.thumbs.length === 0) {
    const isFailed = image.status === "failed";
    return h("div", { className: "nothing" }, icon(isFailed ? WARNING : PICTURE), isFailed ? "There is nothing to show." : "Being processed…");
  }
  const { width, height } = image.size;
  const frame = h("div", { className: "frame" });
  frame.style.aspectRatio = `${width} / ${height}`;
  frame.style.setProperty("--ratio", width / height);
  const isSmall = Math.max(width, height) <= 512;
  frame.style.maxWidth = `${isSmall ? width : Math.max(width, 512)}px`;
  const canvas = h("canvas", { "aria-hidden": "true" });
  if (image.placeholder) draw(canvas, image.placeholder);
  const thumb = h("img", { alt: nameOf(image), src: image.thumbs.at(-1).url });
  frame.append(canvas, thumb);
  const isShown = SHOWN_BY_BROWSERS.has(image.content_type) && image.bytes <= LARGEST_BYTES;
  const source = image.display ?? (isShown ? image : null);
  if (source && !(isSmall && (image.display || image.content_type === "image/jpeg"))) {
    const whole = h("img", { alt: "", className: "over" });
    whole.addEventListener("load", () => whole.classList.add("sharp"));
    whole.addEventListener("error", () => whole.remove());
    whole.src = source.url;
    frame.append(whole);
  }
  return frame;
}
