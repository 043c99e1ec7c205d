// What a view shows while it waits, has nothing, or was refused.

import { h, icon } from "./dom.js";
import { REPEAT, WARNING } from "./icons.js";

/** Return a sign that something is being loaded. */
export const loading = (text = "Loading…") => h("p", { className: "loading", role: "status" }, text);

/** Return what is shown where there is nothing. */
export const empty = (drawing, title, text, ...actions) =>
  h("div", { className: "empty" }, icon(drawing), h("h2", {}, title), h("p", {}, text), ...actions);

/** Return what is shown after a refusal, with a button that calls `again`. */
export const broken = (fault, again) =>
  h(
    "div",
    { className: "empty", role: "alert" },
    icon(WARNING),
    h(document.querySelector("main h1") ? "h2" : "h1", {}, fault.status === 404 ? "Not found" : "That did not work"),
    h("p", {}, fault.message),
    fault.requestId && h("p", { className: "hint" }, `Request ${fault.requestId}`),
    again && h("button", { onclick: again }, icon(REPEAT), "Try again"),
  );
