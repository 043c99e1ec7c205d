// Title and description of an image, edited in place. Somebody may have changed them meanwhile: then both are shown.

import { imagePath } from "./addresses.js";
import { get, put } from "./api.js";
import { field } from "./dialogs.js";
import { h } from "./dom.js";
import { toast } from "./toasts.js";

/** Return the form; `changed` is called with the image and its tag when they were saved, or somebody else's taken. */
export function textForm(image, etag, changed) {
  const title = h("input", { name: "title", value: image.title, maxLength: 255, placeholder: "Untitled" });
  const description = h("textarea", { name: "description", value: image.description, maxLength: 10000, rows: 3 });
  const fault = h("p", { className: "fault", role: "alert" });
  const save = h("button", { type: "submit", className: "primary", disabled: true }, "Save");
  const clash = h("div", {});
  const form = h(
    "form",
    { className: "texts", oninput: edited, onsubmit: send },
    field("Title", title),
    field("Description", description),
    clash,
    fault,
    h("div", { className: "buttons" }, save),
  );
  function edited() {
    save.disabled = title.value === image.title && description.value === image.description;
  }
  /** Return what was changed here; what was not keeps what others have made of it. */
  function mine() {
    const fields = { title: title.value, description: description.value };
    return Object.fromEntries(Object.entries(fields).filter(([name, value]) => value !== image[name]));
  }
  function send(event) {
    event.preventDefault();
    store(etag);
  }
  async function store(tag) {
    save.disabled = true;
    fault.textContent = "";
    try {
      const answer = await put(imagePath(image.s3_key), mine(), { ifMatch: tag });
      toast("Saved", { ms: 2000 });
      changed(answer.body, answer.etag);
    } catch (refusal) {
      if (refusal.code === "stale") await compare();
      else fault.textContent = refusal.message;
      edited();
    }
  }
  async function compare() {
    try {
      const theirs = await get(imagePath(image.s3_key));
      const differs = Object.keys(mine()).some((name) => theirs.body[name] !== image[name]);
      // The picture was processed meanwhile, or another text was changed: nothing is lost by saving.
      if (!differs) await store(theirs.etag);
      else clash.replaceChildren(conflict(theirs));
    } catch (refusal) {
      fault.textContent = refusal.message;
    }
  }
  function conflict(theirs) {
    const keep = h("button", { className: "primary", onclick: () => store(theirs.etag) }, "Keep mine");
    const take = h("button", { onclick: () => changed(theirs.body, theirs.etag) }, "Take theirs");
    const side = (name, of) =>
      h("div", {}, h("h3", {}, name), h("p", { className: "title" }, of.title || "Untitled"), h("p", {}, of.description));
    queueMicrotask(() => take.focus());
    return h(
      "div",
      { className: "notice conflict", role: "alert" },
      h("strong", {}, "Somebody changed this meanwhile."),
      h("div", { className: "sides" }, side("Theirs", theirs.body), side("Yours", { title: title.value, description: description.value })),
      h("div", { className: "buttons" }, take, keep),
    );
  }
  return form;
}
