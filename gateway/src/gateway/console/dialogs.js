// Dialogs. The browser's own element keeps the focus inside, closes on Escape, and gives the focus back.

import { h } from "./dom.js";

/**
 * Show a dialog with a form of `parts`, and return what `submit` returned, or null if the dialog was closed.
 *
 * `cancel` tells whether there is a button beside the one that confirms. `submit` gets the form's fields. If it raises, its words are shown and the dialog stays.
 */
export function ask({ title, parts, confirm, danger = false, cancel = true, submit = () => true }) {
  return new Promise((resolve) => {
    const fault = h("p", { className: "fault", role: "alert" });
    const button = h("button", { type: "submit", className: danger ? "danger" : "primary" }, confirm);
    const form = h(
      "form",
      { onsubmit: send },
      h("h2", { id: "dialog-title" }, title),
      ...parts,
      fault,
      h("div", { className: "buttons" }, ...(cancel ? [h("button", { onclick: () => dialog.close() }, "Cancel")] : []), button),
    );
    const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
    let answer = null;

    async function send(event) {
      event.preventDefault();
      button.disabled = true;
      fault.textContent = "";
      try {
        answer = await submit(Object.fromEntries(new FormData(form)), form);
        dialog.close();
      } catch (refusal) {
        fault.textContent = refusal.message;
      } finally {
        button.disabled = false;
      }
    }
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Ask whether something is to be done that cannot be undone. */
export const sure = (title, text, confirm) =>
  ask({ title, parts: [h("p", {}, text)], confirm, danger: true, submit: () => true });

/** Return a labelled field: `input` with its label above, and `hint` below. */
export function field(label, input, hint = null) {
  const name = input.id || `field-${input.name}`;
  input.id = name;
  if (hint) input.setAttribute("aria-describedby", `${name}-hint`);
  return h(
    "div",
    { className: "field" },
    h("label", { htmlFor: name }, label),
    input,
    hint && h("p", { className: "hint", id: `${name}-hint` }, hint),
  );
}
