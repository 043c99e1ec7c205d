// Which view is shown: the part of the address behind `#`, so that no server and no log sees which picture it is.

let routes = [];
let leave = null;
let shown = null;
let place = null;
let before = "";

/** Return the first word of the view that was shown before this one. */
export const cameFrom = () => before;

window.addEventListener("hashchange", () => show());

/**
 * Show in `where` the views of `table`: pairs of the first word of a view and the function that shows it. The function
 * gets the place, what follows the word, and the parameters; it returns what is to be called when the view is left.
 */
export function start(table, where) {
  routes = table;
  place = where;
  show();
}

/** Return `[name, rest, parameters]` of the address: `#/image/a/b?x=1` is `["image", "a/b", {x: "1"}]`. */
export function parse(hash) {
  const [raw, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, rest = ""] = raw.split(/\/(.*)/s);
  let decoded = rest;
  try {
    decoded = decodeURIComponent(rest);
  } catch {
    // An address that somebody has cut off; it is looked for as it is, and not found.
  }
  return [name, decoded, Object.fromEntries(new URLSearchParams(query))];
}

/** Show the view of the address, again if it is shown. */
export function show() {
  if (place === null) return;
  const [name, rest, parameters] = parse(location.hash);
  const route = routes.find(([word]) => word === name) ?? routes[0];
  leave?.();
  const moved = shown !== null && shown !== `${name}/${rest}`;
  before = shown === null ? "" : shown.split("/")[0];
  shown = `${name}/${rest}`;
  leave = route[1](place, rest, parameters) ?? null;
  if (moved) {
    window.scrollTo(0, 0);
    place.focus({ preventScroll: true });
  }
  document.dispatchEvent(new CustomEvent("view", { detail: route[0] }));
}

/** Leave the view that is shown, since nobody is signed in any more. */
export function stop() {
  leave?.();
  leave = null;
  shown = null;
  place = null;
}

/** Go to a view. */
export function go(hash) {
  if (location.hash === hash) show();
  else location.hash = hash;
}
