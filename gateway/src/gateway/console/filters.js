// The fields above the pictures: what the API can look for, kept in the address of the view.

import { path, view } from "./addresses.js";
import { all, get, listPath } from "./api.js";
import { listen } from "./changes.js";
import { h } from "./dom.js";
import { counted } from "./format.js";
import { go } from "./router.js";

const STATUSES = [["", "Any status"], ["ready", "Ready"], ["pending", "Pending"], ["failed", "Failed"]];
const SORTS = [["", "Newest first"], ["oldest", "Oldest first"]];

/** Return the form, whose fields have the values of `parameters`, and what is to be called when the view is left. */
export function filters(parameters) {
  const words = h("input", {
    type: "search", name: "q", value: parameters.q ?? "", maxLength: 200, placeholder: "Search title, description, key",
    "aria-label": "Search",
  });
  const status = select("status", "Status", STATUSES, parameters.status);
  const format = select("content_type", "Format", [["", "Any format"]], parameters.content_type);
  const collection = select("collection", "Collection", [["", "Any collection"]], parameters.collection);
  const sort = select("sort", "Order", SORTS, parameters.sort);
  const after = day("created_after", "From", parameters.created_after);
  const before = day("created_before", "To", parameters.created_before, -1);
  const count = h("span", { className: "hint count" });
  const more = Object.keys(parameters).some((name) => name !== "q");
  const form = h(
    "form",
    { className: "filters", role: "search", onsubmit: send, onchange: send },
    words,
    h(
      "details",
      { open: more },
      h("summary", { className: "button" }, "Filter"),
      h("div", { className: "fields" }, status, format, collection, after.label, before.label, sort),
    ),
    Object.keys(parameters).length > 0 && h("a", { href: "#/" }, "Clear"),
    count,
  );
  function send(event) {
    event.preventDefault();
    go(view("", {
      q: words.value.trim(), status: status.value, content_type: format.value, collection: collection.value,
      created_after: after.moment(), created_before: before.moment(), sort: sort.value,
    }));
  }
  const show = (by) => {
    count.value = (count.value ?? 0) + by;
    if (Object.keys(parameters).length === 0) count.textContent = counted(count.value, "picture");
  };
  const leave = listen({
    added: () => show(1),
    gone: (keys) => show(-keys.length),
    back: (keys) => show(keys.length),
  });
  complete(format, collection, show, parameters);
  return { form, leave };
}

/** Fill in what the server knows; the view does not wait for it, and does without it. */
async function complete(format, collection, show, parameters) {
  const add = (to, name, value, label) => {
    if (![...to.options].some((option) => option.value === value)) to.append(h("option", { value }, label));
    if (parameters[name]) to.value = parameters[name];
  };
  try {
    const [stats, collections] = await Promise.all([get(path("stats")), all(listPath({ limit: 1000 }, "collections"))]);
    for (const each of stats.body.formats) add(format, "content_type", each.content_type, each.content_type.replace("image/", "").toUpperCase());
    for (const each of collections) add(collection, "collection", each.name, each.title || each.name);
    const { pending, ready, failed } = stats.body.images;
    show(pending + ready + failed);
  } catch {
    // The list itself says what is wrong.
  }
}

function select(name, label, options, value = "") {
  const made = h("select", { name, "aria-label": label }, options.map(([key, text]) => h("option", { value: key }, text)));
  if (value && !options.some(([key]) => key === value)) made.append(h("option", { value }, value));
  made.value = value;
  return made;
}

/** Return a field for a day of the person's own calendar, and the moment that the API is asked with. */
function day(name, label, moment, shift = 0) {
  const input = h("input", { type: "date", name });
  if (moment && !Number.isNaN(Date.parse(moment))) {
    const date = new Date(Date.parse(moment) + shift * 1000);
    input.value = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((each) => String(each).padStart(2, "0")).join("-");
  }
  return {
    label: h("label", { className: "day" }, label, input),
    moment: () => {
      if (!input.value) return "";
      const [year, month, date] = input.value.split("-").map(Number);
      // Until the end of the last day: the beginning of the next.
      return new Date(year, month - 1, date + (shift ? 1 : 0)).toISOString();
    },
  };
}
