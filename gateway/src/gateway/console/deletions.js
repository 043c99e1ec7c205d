// Deletes images with some seconds to undo it: until then nothing is asked of the server.

import { removeImages } from "./bulk.js";
import { tell } from "./changes.js";
import { counted } from "./format.js";
import { complain, toast } from "./toasts.js";

const UNDO_MS = 7000;

const waiting = new Set();

/** Delete the images with `keys` unless somebody undoes it in time. Views are told that they are gone at once. */
export function deleteSoon(keys) {
  const deletion = { keys, carryOut };
  waiting.add(deletion);
  tell("gone", keys);
  const text = `Deleted ${counted(keys.length, "picture")}`;
  const action = { name: "Undo", run: undo };
  const end = toast(text, { action, done: carryOut, ms: UNDO_MS });
  deletion.end = end;

  async function carryOut() {
    if (!waiting.delete(deletion)) return;
    end();
    const { failed, fault } = await removeImages(keys);
    if (failed.length === 0) return;
    tell("back", failed);
    complain(fault);
  }
  function undo() {
    waiting.delete(deletion);
    tell("back", keys);
  }
}

/** Return the keys that are about to be deleted, and so are not shown. */
export const leavingKeys = () => [...waiting].flatMap((each) => each.keys);

/** Carry out now what waits, since nobody can undo it any more. */
export const finishDeletions = () => Promise.all([...waiting].map((each) => each.carryOut()));

window.addEventListener("pagehide", () => {
  for (const { keys } of waiting) {
    // The browser carries this out after the page is gone.
    removeImages(keys, { keepalive: true, attempts: 1 });
  }
  waiting.clear();
});
