// The view for who is not signed in.

import { field } from "./dialogs.js";
import { h } from "./dom.js";
import { signIn } from "./session.js";
import { themeButton } from "./theme.js";

/** Show the form in `body`; `done` is called when somebody has signed in, `refused` when a later call is refused. */
export function showSignIn(body, { done, refused, notice = "" }) {
  const username = h("input", { name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: false });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const fault = h("p", { className: "fault", role: "alert" }, notice);
  const button = h("button", { type: "submit", className: "primary wide" }, "Sign in");
  const form = h(
    "form",
    { className: "card", onsubmit: send },
    h("img", { src: "console/icon.svg", alt: "", width: 44, height: 44 }),
    h("h1", {}, "Sign in to imghost"),
    field("Username", username),
    field("Password", password),
    fault,
    button,
    h("p", { className: "hint" }, "You stay signed in until you close this tab, for twelve hours at most."),
  );
  async function send(event) {
    event.preventDefault();
    button.disabled = true;
    fault.textContent = "";
    try {
      await signIn(username.value, password.value, refused);
      done();
    } catch (refusal) {
      fault.textContent = refusal.status === 401 ? "Username or password is wrong." : refusal.message;
      password.select();
    } finally {
      button.disabled = false;
    }
  }
  body.replaceChildren(h("main", { className: "sign-in" }, form), h("div", { className: "corner" }, themeButton()));
  username.focus();
}
