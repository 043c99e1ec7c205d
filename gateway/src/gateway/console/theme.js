// Light or dark: as the system has it, until a person chooses.

import { h, icon } from "./dom.js";
import { MOON, SUN } from "./icons.js";

const KEPT = "imghost.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

/** Take the theme that was chosen in this browser before. */
export function restore() {
  const kept = localStorage.getItem(KEPT);
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
}

/** Return the button that changes the theme. */
export function themeButton() {
  const button = h("button", { className: "quiet square", onclick: change });
  const show = () => {
    button.replaceChildren(icon(isDark() ? SUN : MOON));
    button.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
    button.title = button.getAttribute("aria-label");
  };
  function change() {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem(KEPT, document.documentElement.dataset.theme);
    show();
  }
  show();
  system.addEventListener("change", show);
  return button;
}
