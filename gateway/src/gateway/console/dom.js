// Makes elements. Texts become text nodes, never HTML: titles, names and keys are what anybody has chosen.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Return an element. `properties` are set as properties where the element has them (`onclick`, `className`, `value`),
 * else as attributes (`aria-label`, `role`); those that are null or false are left out. `children` are nodes and texts.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  if (tag === "button") element.type = "button"; // by itself it would send the form around it
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element && !name.includes("-") && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Return an icon of 24 × 24 that is drawn by the path `d`. Readers of screens are told nothing of it. */
export function icon(d) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", d);
  svg.append(path);
  return svg;
}

/** Replace what is in `element` by `children`. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Return a text that shows when `moment`, a text of RFC 3339, was; the whole of it is shown to who points at it. */
export function time(moment) {
  const date = new Date(moment);
  const shown = date.toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
  return h("time", { dateTime: moment, title: date.toLocaleString() }, shown);
}
