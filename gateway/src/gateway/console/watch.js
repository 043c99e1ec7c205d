// Waits until images are no longer pending. However many are waited for, the server is asked once a second at most.

import { imagePath } from "./addresses.js";
import { get, listPath } from "./api.js";

const FEW = 4;
const FIRST_PAUSE_MS = 600;
const LONGEST_PAUSE_MS = 4000;

const waiting = new Map();
let timer = null;
let pauseMs = FIRST_PAUSE_MS;

/** Return `image` as it is when it is ready or failed; null if it was deleted, or `signal` aborted before. */
export function follow(image, signal) {
  return new Promise((resolve) => {
    const waiter = { created: image.date_created, resolve };
    const others = waiting.get(image.s3_key) ?? [];
    waiting.set(image.s3_key, [...others, waiter]);
    signal?.addEventListener("abort", () => settle(image.s3_key, null, waiter));
    pauseMs = FIRST_PAUSE_MS;
    timer ??= setTimeout(look, pauseMs);
  });
}

/** Wait for nothing any more. */
export function stopWatching() {
  for (const key of [...waiting.keys()]) settle(key, null);
}

function settle(key, image, only = null) {
  const waiters = waiting.get(key) ?? [];
  const stays = only ? waiters.filter((each) => each !== only) : [];
  if (stays.length > 0) waiting.set(key, stays);
  else waiting.delete(key);
  for (const each of only ? [only] : waiters) each.resolve(image);
}

async function look() {
  try {
    if (waiting.size <= FEW) await Promise.all([...waiting.keys()].map(one));
    else await list();
  } catch {
    // Nobody answers just now; it is asked again.
  }
  pauseMs = Math.min(pauseMs * 1.25, LONGEST_PAUSE_MS);
  timer = waiting.size > 0 ? setTimeout(look, pauseMs) : null;
}

async function one(key) {
  try {
    const { body } = await get(imagePath(key), { attempts: 1 });
    if (body.status !== "pending") settle(key, body);
  } catch (fault) {
    if (fault.status === 404) settle(key, null);
  }
}

/** Read all that were registered since the oldest that is waited for. */
async function list() {
  const oldest = [...waiting.values()].flat().map((each) => Date.parse(each.created)).sort((one, other) => one - other)[0];
  const since = new Date(oldest - 1).toISOString();
  const seen = new Set();
  for (let next = listPath({ created_after: since, limit: 1000 }, "images"); next; ) {
    const page = await get(next, { attempts: 1 });
    for (const image of page.body) {
      seen.add(image.s3_key);
      if (waiting.has(image.s3_key) && image.status !== "pending") settle(image.s3_key, image);
    }
    next = page.next;
  }
  const missing = [...waiting.keys()].filter((key) => !seen.has(key));
  await Promise.all(missing.slice(0, FEW).map(one));
}
