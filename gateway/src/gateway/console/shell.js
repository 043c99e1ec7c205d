// The frame of all views: header, ways to go, and the button that uploads.

import { ROOT, view } from "./addresses.js";
import { h, icon } from "./dom.js";
import { UPLOAD } from "./icons.js";
import { session } from "./session.js";
import { themeButton } from "./theme.js";

const WAYS = [
  ["", "Pictures"],
  ["collections", "Collections"],
  ["keys", "API keys"],
];
const PART_OF = { image: "", collection: "collections" };

/** Return the frame and the place of the views in it. */
export function shell({ upload, leave }) {
  const links = WAYS.map(([name, label]) => h("a", { href: view(name), dataset: { way: name } }, label));
  const place = h("main", { id: "main", tabIndex: -1 });
  const account = h(
    "details",
    { className: "menu" },
    h("summary", {}, h("span", { className: "avatar", "aria-hidden": "true" }, session().username[0].toUpperCase()),
      h("span", { className: "username" }, session().username)),
    h(
      "div",
      { className: "items" },
      h("a", { href: view("account") }, "Account"),
      h("a", { href: `${ROOT}api/docs` }, "API documentation"),
      h("button", { onclick: leave }, "Sign out"),
    ),
  );
  document.addEventListener("view", ({ detail }) => {
    account.open = false;
    const name = PART_OF[detail] ?? detail;
    for (const link of links) {
      if (link.dataset.way === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  });
  document.addEventListener("click", (event) => {
    if (!account.contains(event.target)) account.open = false;
  });
  const frame = [
    h("a", { href: "#main", className: "skip", onclick: skip }, "Skip to content"),
    h(
      "header",
      { className: "top" },
      h("a", { href: view(""), className: "brand", "aria-label": "imghost" },
        h("img", { src: "console/icon.svg", alt: "", width: 26, height: 26 }), h("span", {}, "imghost")),
      h("nav", { "aria-label": "Main" }, links),
      h("div", { className: "actions" },
        h("button", { className: "primary", onclick: upload, id: "upload" }, icon(UPLOAD), h("span", {}, "Upload")),
        themeButton(), account),
    ),
    place,
  ];
  function skip(event) {
    event.preventDefault();
    place.focus();
  }
  return { frame, place };
}
