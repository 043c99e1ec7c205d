// Who is signed in. A password is exchanged for an API key that expires, and kept nowhere; the key is kept for this tab,
// until it is closed, and revoked at sign-out.

import { basic, call, get, post, remove, use } from "./api.js";
import { path } from "./addresses.js";

const KEPT = "imghost.session";
const HOURS = 12;
const SCOPES = ["read", "write", "upload"];

let current = null;

/** Return `{username, id, expires}` of who is signed in, or null. */
export const session = () => current;

/** Take up the session that this tab has had before it was loaded again; `refused` is called when its key is. */
export function resume(refused) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    if (kept && Date.parse(kept.expires) > Date.now()) begin(kept, refused);
  } catch {
    forget();
  }
}

function begin(kept, refused) {
  current = kept;
  use(kept.key, () => {
    forget();
    refused();
  });
}

/** Sign in. Raise `Problem` if the password is wrong. */
export async function signIn(username, password, refused) {
  const expires = new Date(Date.now() + HOURS * 3600 * 1000).toISOString();
  const fields = { description: `Console in ${browser()}`, scopes: SCOPES, expires_at: expires };
  const { body } = await post(path("api-keys"), fields, { authorization: basic(username, password), attempts: 2 });
  const kept = { username, id: body.id, key: body.key, expires };
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
  begin(kept, refused);
}

/** Sign out: the key is revoked by itself, and forgotten here even if nobody answers. */
export async function signOut() {
  const { id } = current;
  try {
    await remove(path("api-keys", id), { attempts: 2 });
  } finally {
    forget();
  }
}

/** Return what imghost knows of who is signed in: what they have, and may have. */
export const ownAccount = () => get(path("users", current.username));

/** Forget the session, without a word to the server. */
function forget() {
  current = null;
  use(null, () => {});
  sessionStorage.removeItem(KEPT);
}

/** Call the API with the password of who is signed in: for keys and for the password itself. */
export const withPassword = (password) => (method, target, body, options) =>
  call(method, target, { ...options, body, authorization: basic(current.username, password), attempts: 2 });

function browser() {
  const found = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(navigator.userAgent)?.[1] ?? "a browser";
  return { Edg: "Edge", OPR: "Opera" }[found] ?? found;
}
