// The dialog that chooses a collection for images, or makes one.

import { path } from "./addresses.js";
import { all, listPath, post } from "./api.js";
import { addTo } from "./bulk.js";
import { ask, field } from "./dialogs.js";
import { h } from "./dom.js";
import { counted } from "./format.js";
import { complain, toast } from "./toasts.js";

/** The field for the name of a new collection. */
export const nameInput = (value = "") =>
  h("input", { name: "name", value, maxLength: 100, pattern: "[A-Za-z0-9_\\-]+", autocomplete: "off", spellcheck: false });

export const NAME_HINT = "Letters, digits, _ and -. It is part of the public address.";

/** Ask for a collection. Return its name, or null. */
export async function pickCollection() {
  let collections;
  try {
    collections = await all(listPath({ limit: 1000 }, "collections"));
  } catch (fault) {
    complain(fault);
    return null;
  }
  const options = collections.map((each) => h("option", { value: each.name }, each.title ? `${each.title} (${each.name})` : each.name));
  const select = h("select", { name: "chosen" }, h("option", { value: "" }, "A new one"), options);
  if (collections.length > 0) select.value = collections[0].name;
  const made = field("Name of the new collection", nameInput(), NAME_HINT);
  const show = () => {
    made.hidden = select.value !== "";
    made.querySelector("input").required = !made.hidden;
  };
  select.addEventListener("change", show);
  show();
  return ask({
    title: "Add to a collection",
    parts: [collections.length > 0 && field("Collection", select), made].filter(Boolean),
    confirm: "Add",
    submit: async ({ chosen, name }) => chosen || (await post(path("collections"), { name })).body.name,
  });
}

/** Ask for a collection and have `gallery` put what is selected into it. */
export async function addSelected(gallery) {
  const name = await pickCollection();
  if (!name) return;
  await gallery.carryOut(
    (keys) => addTo(name, keys),
    (keys) => toast(`Added ${counted(keys.length, "picture")} to ${name}`),
  );
}
