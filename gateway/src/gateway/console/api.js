// Calls of the API. Credentials are sent by ourselves, never by the browser, so that it never asks for a password.

import { path } from "./addresses.js";

const PATIENT = new Set([429, 503]);
const ATTEMPTS = 4;

/** A refusal: a problem document (RFC 9457), or the words for an answer that never came (`status` 0). */
export class Problem extends Error {
  constructor(status, document) {
    const faults = (document.errors ?? []).map((each) => each.detail).join(" ");
    super(faults || document.detail || document.title || `The server answered ${status}.`);
    this.status = status;
    this.code = document.code ?? "no-answer";
    this.requestId = document.request_id ?? null;
  }
}

let bearer = null;
let onRefused = () => {};

/** Send `key` with all calls that name no credentials of their own; call `refused` when it is no longer accepted. */
export function use(key, refused) {
  bearer = key;
  onRefused = refused;
}

/** Return the header of HTTP Basic for a username and a password in UTF-8. */
export function basic(username, password) {
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${username}:${password}`)))}`;
}

/** Return a random id. `crypto.randomUUID` is missing on pages that came by plain HTTP. */
export function randomId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
}

const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

/**
 * Send a request and return its answer as `{body, etag, next}`. Raise `Problem` if it is refused.
 *
 * Every request may be sent twice: a POST has an idempotency key, GET, PUT and DELETE change nothing the second time.
 * So one that the server has no time for is sent again when it says so, and one without an answer after a moment.
 */
export async function call(method, target, options = {}) {
  const headers = { Authorization: options.authorization ?? `Bearer ${bearer}` };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (options.ifMatch) headers["If-Match"] = options.ifMatch;
  if (method === "POST") headers["Idempotency-Key"] = options.idempotencyKey ?? randomId();
  const request = {
    method,
    headers,
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
    signal: options.signal,
    keepalive: options.keepalive ?? false,
    credentials: "omit",
    cache: "no-store",
  };
  for (let attempt = 1; ; attempt += 1) {
    const last = attempt >= (options.attempts ?? ATTEMPTS);
    let answer;
    try {
      answer = await fetch(target, request);
    } catch (fault) {
      if (options.signal?.aborted) throw fault;
      if (last) throw new Problem(0, { detail: "The server cannot be reached. Check your connection." });
      await pause(attempt, options.signal);
      continue;
    }
    if (PATIENT.has(answer.status) && !last && !options.authorization) {
      await pause(Math.min(Number(answer.headers.get("Retry-After")) || attempt, 30), options.signal);
      continue;
    }
    return read(answer, options);
  }
}

async function read(answer, options) {
  const text = await answer.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    throw new Problem(answer.status, { detail: "The server gave an answer that nobody understands." });
  }
  if (!answer.ok) {
    if (answer.status === 401 && !options.authorization) onRefused();
    throw new Problem(answer.status, body ?? {});
  }
  return {
    body,
    etag: answer.headers.get("ETag"),
    next: /<([^>]+)>;\s*rel="next"/.exec(answer.headers.get("Link") ?? "")?.[1] ?? null,
  };
}

export const get = (target, options) => call("GET", target, options);
export const post = (target, body, options) => call("POST", target, { ...options, body });
export const put = (target, body, options) => call("PUT", target, { ...options, body });
export const remove = (target, options) => call("DELETE", target, options);

/** Return the path of the list `name`, with a query of those `parameters` that are not empty. */
export function listPath(parameters, ...segments) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `${path(...segments)}?${new URLSearchParams(given)}`;
}

/** Return all items of a list, page by page; `most` ends it where nobody looks at more. */
export async function all(target, options = {}, most = 5000) {
  const items = [];
  for (let next = target; next && items.length < most; ) {
    const page = await get(next, options);
    items.push(...page.body);
    next = page.next;
  }
  return items;
}
