// The view of all pictures, or of those that are looked for.

import { listPath } from "./api.js";
import { reprocess } from "./bulk.js";
import { fill, h, icon } from "./dom.js";
import { filters } from "./filters.js";
import { counted } from "./format.js";
import { Gallery } from "./gallery.js";
import { FOLDER, PICTURE, REPEAT, TRASH } from "./icons.js";
import { addSelected } from "./pick-collection.js";
import { empty } from "./states.js";
import { toast } from "./toasts.js";

const PAGE = 200;

/** Show the pictures that `parameters`, those of the API, ask for. */
export function libraryPage(place, _rest, parameters) {
  document.title = "Pictures · imghost";
  const asked = Object.fromEntries(Object.entries(parameters).filter(([name]) => name !== "sort"));
  const isFiltered = Object.keys(asked).length > 0;
  const gallery = new Gallery(listPath({ ...parameters, limit: PAGE }, "images"), {
    takesNew: Object.keys(parameters).length === 0 ? "first" : null,
    actions: (of) => [
      button(FOLDER, "Add to collection", () => addSelected(of)),
      button(REPEAT, "Reprocess", () => of.carryOut(reprocess, (keys) => toast(`Processing ${counted(keys.length, "picture")} again`))),
      button(TRASH, "Delete", () => of.deleteSelected()),
    ],
    nothing: () =>
      isFiltered
        ? empty(PICTURE, "Nothing found", "No picture fits all that you ask for.", h("a", { href: "#/", className: "button" }, "Show all pictures"))
        : empty(PICTURE, "No pictures yet", "Drop pictures or folders anywhere on this page, paste one, or press Upload.",
            h("button", { className: "primary", onclick: () => document.querySelector("#upload").click() }, "Upload pictures")),
  });
  const { form, leave } = filters(parameters);
  const used = document.activeElement?.closest(".filters") && document.activeElement.name;
  fill(place, h("h1", { className: "unseen" }, "Pictures"), form, gallery.element);
  if (used) form.elements[used]?.focus();
  return () => {
    leave();
    gallery.leave();
  };
}

/** Return a button of the bar for selected pictures. */
export function button(drawing, label, run) {
  return h("button", { onclick: run, title: label, "aria-label": label }, icon(drawing), h("span", {}, label));
}
