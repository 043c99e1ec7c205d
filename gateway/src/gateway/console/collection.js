// The view of one collection: its pictures in its order, and what can be done with it.

import { collectionView, path, publicCollection, view } from "./addresses.js";
import { get, listPath, put, remove } from "./api.js";
import { Arranging } from "./arranging.js";
import { takeOut } from "./bulk.js";
import { ask, field, sure } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { counted } from "./format.js";
import { Gallery } from "./gallery.js";
import { BACK, CLOSE, LEFT, OUT, PICTURE, RIGHT, TRASH } from "./icons.js";
import { button } from "./library.js";
import { NAME_HINT, nameInput } from "./pick-collection.js";
import { go } from "./router.js";
import { broken, empty, loading } from "./states.js";
import { complain, toast } from "./toasts.js";

const PAGE = 200;

/** Show the collection `name`. */
export function collectionPage(place, name) {
  document.title = `${name} · imghost`;
  const ends = new AbortController();
  let gallery = null;

  async function read() {
    fill(place, loading());
    try {
      const { body } = await get(listPath({ limit: 1 }, "collections", name), { signal: ends.signal });
      show(body);
    } catch (fault) {
      if (!ends.signal.aborted) fill(place, broken(fault, read));
    }
  }

  function show(collection) {
    document.title = `${collection.title || name} · imghost`;
    gallery?.leave();
    const arranging = new Arranging(name);
    gallery = new Gallery(listPath({ limit: PAGE }, "collections", name, "images"), {
      takesNew: name,
      actions: (of) => actions(of, name, arranging),
      nothing: () => empty(PICTURE, "Nothing in here yet", "Drop pictures here to upload them into this collection, or select some of yours and add them.",
        h("a", { href: "#/", className: "button" }, "Choose pictures")),
      shown: (tile) => arranging.prepare(tile),
    });
    arranging.attach(gallery);
    const toggle = h("button", { "aria-pressed": "false", onclick: arrange }, "Arrange");
    function arrange() {
      toggle.setAttribute("aria-pressed", String(arranging.toggle()));
    }
    fill(
      place,
      h(
        "div",
        { className: "head" },
        h("a", { className: "button square", href: view("collections"), "aria-label": "All collections" }, icon(BACK)),
        h("div", { className: "grow" }, h("h1", {}, collection.title || name), collection.description && h("p", { className: "hint" }, collection.description)),
        h("a", { className: "button", href: publicCollection(name), target: "_blank", rel: "noopener" }, icon(OUT), "Public page"),
        toggle,
        h("button", { onclick: () => edit(collection, show) }, "Edit"),
        h("button", { className: "danger", onclick: () => drop(name) }, icon(TRASH), "Delete"),
      ),
      gallery.element,
    );
  }

  read();
  return () => {
    ends.abort();
    gallery?.leave();
  };
}

function actions(gallery, name, arranging) {
  const keys = gallery.selectedKeys();
  const cover = async () => {
    try {
      await put(path("collections", name), { cover: keys[0] });
      gallery.selection.clear();
      toast("It is the cover now");
    } catch (fault) {
      complain(fault);
    }
  };
  const out = async () => {
    await gallery.carryOut(
      (chosen) => takeOut(name, chosen),
      (chosen) => {
        gallery.pages.hide(chosen);
        gallery.refresh();
        toast(`Took ${counted(chosen.length, "picture")} out of ${name}`);
      },
    );
  };
  return [
    ...(keys.length === 1
      ? [
          button(LEFT, "Move earlier", () => arranging.step(keys[0], -1)),
          button(RIGHT, "Move later", () => arranging.step(keys[0], 1)),
          button(PICTURE, "Use as cover", cover),
        ]
      : []),
    button(CLOSE, "Take out", out),
    button(TRASH, "Delete", () => gallery.deleteSelected()),
  ];
}

async function edit(collection, show) {
  const name = nameInput(collection.name);
  name.required = true;
  const title = h("input", { name: "title", value: collection.title, maxLength: 255 });
  const description = h("textarea", { name: "description", value: collection.description, maxLength: 10000, rows: 3 });
  const changed = await ask({
    title: "Edit collection",
    parts: [
      field("Title", title),
      field("Description", description),
      field("Name", name, `${NAME_HINT} Links to the old name end when you change it.`),
    ],
    confirm: "Save",
    submit: async (fields) => (await put(path("collections", collection.name), fields)).body,
  });
  if (!changed) return;
  if (changed.name !== collection.name) go(collectionView(changed.name));
  else show(changed);
}

async function drop(name) {
  if (!(await sure(`Delete ${name}?`, "Its public page ends. The pictures stay.", "Delete"))) return;
  try {
    await remove(path("collections", name));
    toast(`Deleted ${name}`);
    go(view("collections"));
  } catch (fault) {
    complain(fault);
  }
}
