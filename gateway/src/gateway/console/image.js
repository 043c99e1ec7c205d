// The view of one image: the picture, what is known of it, and what can be done with it.

import { collectionView, imagePath, imageView, path, publicImage } from "./addresses.js";
import { adviceFor } from "./advice.js";
import { all, get, listPath, put, remove } from "./api.js";
import { addTo } from "./bulk.js";
import { listen, tell } from "./changes.js";
import { copyButton } from "./clipboard.js";
import { deleteAsked } from "./deletions.js";
import { fill, h, icon, time } from "./dom.js";
import { bytes } from "./format.js";
import { lastList, neighbours } from "./gallery.js";
import { BACK, FOLDER, LEFT, OUT, REPEAT, RIGHT, TRASH } from "./icons.js";
import { linkList } from "./links.js";
import { nameOf } from "./pages.js";
import { pickCollection } from "./pick-collection.js";
import { picture } from "./picture.js";
import { go } from "./router.js";
import { broken, loading } from "./states.js";
import { textForm } from "./texts.js";
import { complain, toast } from "./toasts.js";
import { follow } from "./watch.js";

/** Show the image `key`. */
export function imagePage(place, key) {
  document.title = "Picture · imghost";
  const ends = new AbortController();
  const [before, after] = neighbours(key);
  const quiet = listen({ back: (keys) => keys.includes(key) && read() });
  document.addEventListener("keydown", pressed, { signal: ends.signal });

  async function read() {
    fill(place, loading());
    try {
      const [{ body, etag }, collections] = await Promise.all([
        get(imagePath(key), { signal: ends.signal }),
        collectionsOf(key, ends.signal),
      ]);
      show(body, etag, collections);
    } catch (fault) {
      if (!ends.signal.aborted) fill(place, broken(fault, read));
    }
  }

  function show(image, etag, collections) {
    document.title = `${nameOf(image)} · imghost`;
    const changed = (document, tag) => {
      tell("changed", document);
      show(document, tag, collections);
    };
    fill(
      place,
      bar(image, { before, after, ends, changed }),
      h(
        "div",
        { className: "image" },
        h("div", { className: "stage" }, picture(image)),
        h(
          "aside",
          { className: "facts", "aria-label": "About this picture" },
          h("h1", { className: "unseen" }, nameOf(image)),
          failure(image),
          textForm(image, etag, changed),
          palette(image),
          facts(image),
          collectionList(image, collections, () => read()),
          h("section", {}, h("h2", {}, "Links"), linkList(image)),
        ),
      ),
    );
    if (image.status === "pending") wait(image);
  }

  /** Show the image anew when it is no longer pending. */
  async function wait(image) {
    const settled = await follow(image, ends.signal);
    if (!settled || ends.signal.aborted) return;
    tell("changed", settled);
    // What somebody is writing is not taken away from under their hands.
    const isWriting = place.querySelector(".texts .primary")?.disabled === false;
    if (isWriting) toast(`The picture is ${settled.status}`);
    else read();
  }

  function pressed(event) {
    if (event.target.closest("input, textarea, select, dialog") || event.altKey || event.ctrlKey || event.metaKey) return;
    const to = { ArrowLeft: before && imageView(before), ArrowRight: after && imageView(after), Escape: lastList() }[event.key];
    if (to) go(to);
  }

  read();
  return () => {
    ends.abort();
    quiet();
  };
}

function bar(image, { before, after, changed }) {
  const reprocess = async () => {
    try {
      const { body, etag } = await put(imagePath(image.s3_key), { reprocess: true });
      changed(body, etag);
      toast("Processing it again");
    } catch (fault) {
      complain(fault);
    }
  };
  const drop = async () => {
    const isDropped = await deleteAsked([{ key: image.s3_key, uploaded: image.uploaded }]);
    if (isDropped) go(after ? imageView(after) : lastList());
  };
  const way = (to, drawing, label) =>
    to && h("a", { className: "button square", href: imageView(to), "aria-label": label, title: label }, icon(drawing));
  return h(
    "div",
    { className: "head" },
    h("a", { className: "button", href: lastList() }, icon(BACK), "Back"),
    way(before, LEFT, "Previous picture"),
    way(after, RIGHT, "Next picture"),
    h("span", { className: "grow" }),
    h("a", { className: "button", href: publicImage(image.s3_key), target: "_blank", rel: "noopener" }, icon(OUT), "Public page"),
    h("button", { onclick: reprocess }, icon(REPEAT), "Reprocess"),
    h("button", { className: "danger", onclick: drop }, icon(TRASH), "Delete"),
  );
}

function failure(image) {
  if (image.status !== "failed") return null;
  const advice = adviceFor(image.error.code);
  return h("div", { className: "notice bad", role: "status" }, h("strong", {}, image.error.detail), advice && h("p", {}, advice));
}

function palette(image) {
  if (image.colors.length === 0) return null;
  const swatch = (colour) => {
    const sample = h("span", { className: "sample" });
    sample.style.background = colour;
    return h("li", {}, sample, h("code", {}, colour), copyButton(colour, colour));
  };
  return h("section", {}, h("h2", {}, "Colours"), h("ul", { className: "palette" }, image.colors.map(swatch)));
}

function facts(image) {
  const rows = [
    ["Status", h("span", { className: `badge ${image.status}` }, image.status)],
    ["Size", image.size && `${image.size.width} × ${image.size.height}`],
    ["Format", image.content_type?.replace("image/", "").toUpperCase()],
    ["Bytes", image.bytes && h("span", { title: `${image.bytes.toLocaleString()} bytes` }, bytes(image.bytes))],
    ["Registered", time(image.date_created)],
    ["Changed", time(image.date_updated)],
    ["Key", h("code", {}, image.s3_key)],
    ["Bucket", h("code", {}, image.s3_bucket)],
    ["SHA-256", image.sha256 && h("code", { className: "cut", title: image.sha256 }, image.sha256)],
  ];
  const shown = rows.filter(([, value]) => value);
  return h(
    "section",
    {},
    h("h2", {}, "Details"),
    h("dl", { className: "details" }, shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
  );
}

/** Return the names of the collections with the image; each is asked, since the API has no such list. */
async function collectionsOf(key, signal) {
  const collections = await all(listPath({ limit: 1000 }, "collections"), { signal }, 60);
  const holds = async ({ name }) => {
    try {
      await get(path("collections", name, "images", key), { signal });
      return name;
    } catch {
      return null;
    }
  };
  return (await Promise.all(collections.slice(0, 60).map(holds))).filter(Boolean);
}

function collectionList(image, names, again) {
  const out = async (name) => {
    try {
      await remove(path("collections", name, "images", image.s3_key));
      again();
    } catch (fault) {
      complain(fault);
    }
  };
  const add = async () => {
    const name = await pickCollection();
    if (!name) return;
    const { fault } = await addTo(name, [image.s3_key]);
    if (fault) complain(fault);
    else again();
  };
  const row = (name) =>
    h("li", {}, h("a", { href: collectionView(name) }, name),
      h("button", { className: "quiet", "aria-label": `Take out of ${name}`, onclick: () => out(name) }, "Take out"));
  return h(
    "section",
    {},
    h("h2", {}, "Collections"),
    names.length > 0 && h("ul", { className: "plain" }, names.map(row)),
    h("button", { onclick: add }, icon(FOLDER), "Add to a collection"),
  );
}
