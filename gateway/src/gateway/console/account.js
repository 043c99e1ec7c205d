// The view of one's own account: what one has and may have, and the password.

import { path } from "./addresses.js";
import { get } from "./api.js";
import { field } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { bytes } from "./format.js";
import { ownAccount, session, withPassword } from "./session.js";
import { broken, loading } from "./states.js";
import { toast } from "./toasts.js";

const COUNTED = [["images", "Pictures"], ["bytes", "Bytes"], ["collections", "Collections"], ["api_keys", "API keys"]];

/** Show the account. */
export function accountView(place) {
  document.title = "Account · imghost";
  const figures = h("div", {});
  fill(place, h("div", { className: "narrow" }, h("h1", {}, session().username), figures, passwordForm()));
  async function read() {
    fill(figures, loading());
    try {
      const [account, stats] = await Promise.all([ownAccount(), get(path("stats"))]);
      fill(figures, h("section", { className: "card" }, h("h2", {}, "What you have"), use(account.body), formats(stats.body)));
    } catch (fault) {
      fill(figures, broken(fault, read));
    }
  }
  read();
}

function use({ use: has, limits }) {
  const row = ([name, label]) => {
    const shown = name === "bytes" ? bytes : (count) => count.toLocaleString();
    if (has[name] === undefined || has[name] === null) return null;
    const limit = limits[name];
    return h("div", {}, h("dt", {}, label), h("dd", {}, limit ? `${shown(has[name])} of ${shown(limit)}` : shown(has[name]),
      limit && h("meter", { value: has[name], max: limit, "aria-label": label })));
  };
  return h("dl", { className: "details" }, COUNTED.map(row));
}

function formats(stats) {
  if (stats.formats.length === 0) return null;
  const row = (each) =>
    h("tr", {}, h("td", {}, each.content_type.replace("image/", "").toUpperCase()), h("td", {}, each.images.toLocaleString()), h("td", {}, bytes(each.bytes)));
  return h("table", {}, h("thead", {}, h("tr", {}, ["Format", "Pictures", "Bytes"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, stats.formats.map(row)));
}

function passwordForm() {
  const input = (name, autocomplete) => h("input", { type: "password", name, autocomplete, required: true, maxLength: 256 });
  const current = input("current_password", "current-password");
  const next = input("password", "new-password");
  next.minLength = 8;
  const revoke = h("input", { type: "checkbox", name: "revoke" });
  const fault = h("p", { className: "fault", role: "alert" });
  const button = h("button", { type: "submit" }, "Change password");
  const form = h(
    "form",
    { className: "card texts", onsubmit: send },
    h("h2", {}, "Password"),
    h("input", { name: "username", value: session().username, autocomplete: "username", hidden: true, readOnly: true }),
    field("Current password", current),
    field("New password", next, "At least 8 characters."),
    h("label", { className: "check" }, revoke, "Revoke all API keys, too. You are signed out everywhere, here as well."),
    fault,
    h("div", { className: "buttons" }, button),
  );
  async function send(event) {
    event.preventDefault();
    button.disabled = true;
    fault.textContent = "";
    const fields = { current_password: current.value, password: next.value, revoke_api_keys: revoke.checked };
    try {
      await withPassword(current.value)("PUT", path("users", session().username), fields);
      form.reset();
      toast("The password is changed");
      if (fields.revoke_api_keys) await get(path("stats")).catch(() => {});
    } catch (refusal) {
      fault.textContent = refusal.status === 401 ? "The current password is wrong." : refusal.message;
    } finally {
      button.disabled = false;
    }
  }
  return form;
}
