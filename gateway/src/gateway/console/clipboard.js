// Copies texts. The clipboard's own interface is missing on pages that came by plain HTTP; there a selection is copied.

import { h, icon } from "./dom.js";
import { CHECK, COPY } from "./icons.js";
import { toast } from "./toasts.js";

/** Copy `text`; return whether it worked. `near` is an element of the same dialog, if there is one. */
export async function copy(text, near = document.body) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { value: text, className: "unseen", readOnly: true });
    (near.closest("dialog") ?? document.body).append(area);
    area.select();
    const worked = document.execCommand("copy");
    area.remove();
    return worked;
  }
}

/** Return a button that copies `text`; `name` says what that is. */
export function copyButton(text, name) {
  const button = h("button", { className: "quiet square", title: `Copy ${name}`, onclick: run }, icon(COPY));
  button.setAttribute("aria-label", `Copy ${name}`);
  async function run() {
    if (!(await copy(text, button))) return;
    button.replaceChildren(icon(CHECK));
    setTimeout(() => button.replaceChildren(icon(COPY)), 1500);
    toast(`Copied ${name}`, { ms: 1500 });
    button.focus();
  }
  return button;
}
