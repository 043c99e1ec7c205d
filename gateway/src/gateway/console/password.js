// Asks for the password again, for what an API key of the console may not do. It is kept for as long as the view is shown,
// in memory only.

import { path } from "./addresses.js";
import { field } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { session, withPassword } from "./session.js";

/** Show in `place` a form that asks for the password; `show` is then called with a function that calls the API by it. */
export function askPassword(place, title, why, show) {
  const password = h("input", { type: "password", name: "password", autocomplete: "current-password", required: true });
  const fault = h("p", { className: "fault", role: "alert" });
  const button = h("button", { type: "submit", className: "primary wide" }, "Continue");
  const form = h(
    "form",
    { className: "card again", onsubmit: send },
    h("h1", {}, title),
    h("p", { className: "hint" }, why),
    h("input", { name: "username", value: session().username, autocomplete: "username", hidden: true, readOnly: true }),
    field("Password", password),
    fault,
    button,
  );
  async function send(event) {
    event.preventDefault();
    button.disabled = true;
    fault.textContent = "";
    const ask = withPassword(password.value);
    try {
      await ask("GET", path("users", session().username));
      show(ask, password.value);
    } catch (refusal) {
      fault.textContent = refusal.status === 401 ? "The password is wrong." : refusal.message;
      password.select();
    } finally {
      button.disabled = false;
    }
  }
  fill(place, form);
  password.focus();
}
