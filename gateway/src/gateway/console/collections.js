// The view of all collections.

import { collectionView, path } from "./addresses.js";
import { get, listPath, post } from "./api.js";
import { ask, field } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { FOLDER } from "./icons.js";
import { NAME_HINT, nameInput } from "./pick-collection.js";
import { go } from "./router.js";
import { broken, empty, loading } from "./states.js";
import { draw } from "./thumbhash.js";
import { thumbFor } from "./tile.js";
import { brief } from "./pages.js";

const PAGE = 60;

/** Show the collections, and read on where there are more. */
export function collectionsPage(place) {
  document.title = "Collections · imghost";
  const cards = h("ul", { className: "cards" });
  const foot = h("div", {});
  const covers = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      covers.unobserve(target);
      showCover(target, target.collection);
    }
  }, { rootMargin: "300px" });
  const make = () => h("button", { className: "primary", onclick: makeCollection }, icon(FOLDER), "New collection");
  fill(place, h("div", { className: "head" }, h("h1", { className: "grow" }, "Collections"), make()), cards, foot);

  async function read(target) {
    fill(foot, loading());
    try {
      const { body, next } = await get(target);
      for (const collection of body) {
        const shown = card(collection);
        cards.append(shown);
        covers.observe(shown.querySelector(".cover"));
      }
      cards.hidden = cards.childElementCount === 0;
      const more = next && h("button", { onclick: () => read(next) }, "Show more");
      const isEmpty = cards.childElementCount === 0;
      fill(foot, isEmpty ? empty(FOLDER, "No collections yet", "A collection is a list of your pictures with a public page.") : more && h("div", { className: "loading" }, more));
    } catch (fault) {
      fill(foot, broken(fault, () => read(target)));
    }
  }
  read(listPath({ limit: PAGE }, "collections"));
  return () => covers.disconnect();
}

function card(collection) {
  const cover = h("div", { className: "cover" }, icon(FOLDER));
  cover.collection = collection;
  return h(
    "li",
    {},
    h("a", { href: collectionView(collection.name), className: "collection" }, cover,
      h("strong", {}, collection.title || collection.name),
      collection.title && h("span", { className: "hint" }, collection.name)),
  );
}

/** Show the cover of a collection, or its first picture. */
async function showCover(cover, { name, cover: key }) {
  try {
    const image = key
      ? (await get(path("collections", name, "images", key))).body
      : (await get(listPath({ limit: 1 }, "collections", name, "images"))).body[0];
    if (!image || image.thumbs.length === 0) return;
    const canvas = h("canvas", { "aria-hidden": "true" });
    if (image.placeholder) draw(canvas, image.placeholder);
    fill(cover, canvas, h("img", { alt: "", src: thumbFor(brief(image), 300) }));
  } catch {
    // A card without a picture.
  }
}

async function makeCollection() {
  const input = nameInput();
  input.required = true;
  const name = await ask({
    title: "New collection",
    parts: [field("Name", input, NAME_HINT)],
    confirm: "Make it",
    submit: async (fields) => (await post(path("collections"), fields)).body.name,
  });
  if (name) go(collectionView(name));
}
