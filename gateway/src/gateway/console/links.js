// The ways to link to an image, for people who paste them elsewhere.

import { publicImage } from "./addresses.js";
import { copyButton } from "./clipboard.js";
import { h } from "./dom.js";
import { nameOf } from "./pages.js";

const html = (text) => text.replace(/[&<>"]/g, (each) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[each]);
const markdown = (text) => text.replace(/[\\`*_[\]<>!]/g, "\\$&").replace(/\s+/g, " ");

/** Return pairs of a name and a text. */
function linksOf(image) {
  const name = nameOf(image);
  const whole = (image.display ?? image).url;
  const shown = image.thumbs.at(-1)?.url ?? whole;
  return [
    ["Page", publicImage(image.s3_key)],
    ["Original", image.url],
    ["Display picture", image.display?.url],
    ["Markdown", `![${markdown(name)}](${whole})`],
    ["HTML", `<a href="${html(whole)}"><img src="${html(shown)}" alt="${html(name)}"></a>`],
    ["BBCode", `[url=${whole}][img]${shown}[/img][/url]`],
    ...image.thumbs.map((each) => [`Thumb ${each.size.width} × ${each.size.height}`, each.url]),
  ].filter(([, text]) => text);
}

/** Return the list of links, each with a button that copies it. */
export const linkList = (image) =>
  h(
    "dl",
    { className: "links" },
    linksOf(image).map(([name, text]) =>
      h("div", {}, h("dt", {}, name), h("dd", {}, h("code", { title: text }, text), copyButton(text, name)))),
  );
