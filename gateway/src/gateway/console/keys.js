// The view of API keys. The password is asked for: a key of the console may do nothing with keys.

import { listPath } from "./api.js";
import { path } from "./addresses.js";
import { copyButton } from "./clipboard.js";
import { ask, field, sure } from "./dialogs.js";
import { fill, h, time } from "./dom.js";
import { askPassword } from "./password.js";
import { session } from "./session.js";
import { broken, empty, loading } from "./states.js";
import { complain, toast } from "./toasts.js";
import { WARNING } from "./icons.js";

const SCOPES = [
  ["read", "Show and list pictures, collections and the account"],
  ["write", "Register, change and delete pictures and collections"],
  ["upload", "Upload and register pictures"],
  ["keys", "Everything with API keys"],
];
const LIFETIMES = [["30", "30 days"], ["90", "90 days"], ["365", "A year"], ["", "Never"]];

/** Show the keys, after the password. */
export function keysPage(place) {
  document.title = "API keys · imghost";
  let isLeft = false;
  askPassword(place, "API keys", "Keys open your account for programs. Please enter your password again.", (call) => {
    if (!isLeft) showKeys(place, call);
  });
  return () => {
    isLeft = true;
  };
}

function showKeys(place, call) {
  const list = h("div", { className: "keys" });
  const make = h("button", { className: "primary", onclick: () => makeKey(call, read) }, "New key");
  fill(place, h("div", { className: "narrow" }, h("div", { className: "head" }, h("h1", { className: "grow" }, "API keys"), make), list));

  async function read() {
    fill(list, loading());
    try {
      const keys = [];
      for (let next = listPath({ limit: 1000 }, "api-keys"); next; ) {
        const page = await call("GET", next);
        keys.push(...page.body);
        next = page.next;
      }
      fill(list, keys.length > 0 ? keys.map((key) => card(key, call, read)) : empty(WARNING, "No keys", "Make one for each program."));
    } catch (fault) {
      fill(list, broken(fault, read));
    }
  }
  read();
}

function card(key, call, read) {
  const isOwn = key.id === session().id;
  const isOver = key.expires_at !== null && Date.parse(key.expires_at) < Date.now();
  const describe = async () => {
    const input = h("input", { name: "description", value: key.description, maxLength: 255 });
    const submit = (fields) => call("PUT", path("api-keys", key.id), fields);
    if (await ask({ title: "Describe the key", parts: [field("Description", input)], confirm: "Save", submit })) read();
  };
  const revoke = async () => {
    if (!(await sure("Revoke this key?", "Programs that use it, and keys that were made with it, are refused at once.", "Revoke"))) return;
    try {
      await call("DELETE", path("api-keys", key.id));
      toast("Revoked");
      read();
    } catch (fault) {
      complain(fault);
    }
  };
  const moment = (name, when, never) => h("div", {}, h("dt", {}, name), h("dd", {}, when ? time(when) : never));
  return h(
    "article",
    { className: isOver ? "card key over" : "card key", "aria-label": key.description || key.id },
    h(
      "div",
      { className: "grow" },
      h("h2", {}, key.description || "Without description", isOwn && h("span", { className: "badge" }, "this tab"), isOver && h("span", { className: "badge failed" }, "expired")),
      h("p", { className: "scopes" }, h("code", {}, key.id), key.scopes.map((scope) => h("span", { className: "badge" }, scope))),
      h("dl", { className: "times" }, moment("Made", key.date_created), moment("Last used", key.date_last_used, "never"), moment("Expires", key.expires_at, "never")),
    ),
    h("div", { className: "buttons" },
      h("button", { onclick: describe }, "Describe"),
      !isOwn && h("button", { className: "danger", onclick: revoke }, "Revoke")),
  );
}

async function makeKey(call, read) {
  const scopes = SCOPES.map(([name, meaning]) =>
    h("label", { className: "check" }, h("input", { type: "checkbox", name: "scopes", value: name, checked: name === "read" }), h("span", {}, h("strong", {}, name), ` ${meaning}`)));
  const lifetime = h("select", { name: "days" }, LIFETIMES.map(([days, label]) => h("option", { value: days }, label)));
  const made = await ask({
    title: "New API key",
    parts: [
      field("What is it for?", h("input", { name: "description", maxLength: 255, required: true })),
      h("fieldset", {}, h("legend", {}, "It may"), scopes),
      field("It expires after", lifetime),
    ],
    confirm: "Make the key",
    submit: async ({ description, days }, form) => {
      const chosen = new FormData(form).getAll("scopes");
      if (chosen.length === 0) throw new Error("Choose at least one thing that it may do.");
      const expiry = days ? { expires_at: new Date(Date.now() + Number(days) * 86400000).toISOString() } : {};
      return (await call("POST", path("api-keys"), { description, scopes: chosen, ...expiry })).body;
    },
  });
  if (!made) return;
  read();
  await ask({
    title: "Your new key",
    parts: [
      h("p", {}, "Copy it now: it is shown this once, and never again."),
      h("div", { className: "secret" }, h("code", {}, made.key), copyButton(made.key, "the key")),
    ],
    confirm: "I have it",
    cancel: false,
  });
}
