// Short messages at the edge of the page, which go by themselves.

import { h, icon } from "./dom.js";
import { CLOSE } from "./icons.js";

const SHOWN_MS = 5000;

const place = h("div", { className: "toasts", role: "status", "aria-live": "polite" });
document.body.append(place);

/**
 * Show `text`, with a button that calls `action.run` if there is one. `done` is called once, when the message is gone
 * without its button having been used. Return a function that ends it at once.
 */
export function toast(text, { action = null, done = () => {}, ms = SHOWN_MS, bad = false } = {}) {
  let ended = false;
  const end = (used) => {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    shown.remove();
    if (!used) done();
  };
  const run = () => {
    end(true);
    action.run();
  };
  const shown = h(
    "div",
    { className: bad ? "toast bad" : "toast" },
    h("span", {}, text),
    action && h("button", { onclick: run }, action.name),
    h("button", { className: "square", "aria-label": "Close", onclick: () => end(false) }, icon(CLOSE)),
  );
  let timer = setTimeout(() => end(false), ms);
  place.append(shown);
  return () => end(false);
}

/** Show what went wrong. */
export const complain = (fault) => toast(fault.message, { bad: true, ms: 9000 });
