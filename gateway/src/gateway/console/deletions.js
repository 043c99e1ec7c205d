// Deletes images with some seconds to undo it: until then nothing is asked of the server.

import { removeImages } from "./bulk.js";
import { tell } from "./changes.js";
import { ask } from "./dialogs.js";
import { h } from "./dom.js";
import { counted } from "./format.js";
import { complain, toast } from "./toasts.js";

const UNDO_MS = 7000;

const waiting = new Set();

/**
 * Delete images, each with its `key`; ask first whether their files are to go too, if any was `uploaded` here. Return
 * whether they are deleted.
 */
export async function deleteAsked(images) {
  const keys = images.map((each) => each.key);
  const uploaded = images.filter((each) => each.uploaded).map((each) => each.key);
  const answer = uploaded.length === 0 ? {} : await askForFiles(keys, uploaded);
  if (answer === null) return false;
  deleteSoon(keys, answer.files ? uploaded : []);
  return true;
}

function askForFiles(keys, uploaded) {
  const some = uploaded.length < keys.length ? `, ${counted(uploaded.length, "file")} of them uploaded here` : "";
  return ask({
    title: `Delete ${counted(keys.length, "picture")}${some}?`,
    parts: [
      h("label", { className: "check" }, h("input", { type: "checkbox", name: "files" }), "Delete the original files too"),
      h("p", { className: "hint" }, "Without it the files stay in the bucket, and can be registered again."),
    ],
    confirm: "Delete",
    danger: true,
    submit: (fields) => fields,
  });
}

/**
 * Delete the images with `keys`, those of `originals` with their files, unless somebody undoes it in time. Views are
 * told that they are gone at once.
 */
function deleteSoon(keys, originals) {
  const deletion = { keys, originals, carryOut };
  waiting.add(deletion);
  tell("gone", keys);
  const text = `Deleted ${counted(keys.length, "picture")}`;
  const action = { name: "Undo", run: undo };
  const end = toast(text, { action, done: carryOut, ms: UNDO_MS });
  deletion.end = end;

  async function carryOut() {
    if (!waiting.delete(deletion)) return;
    end();
    const { failed, fault } = await removeImages(keys, originals);
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
  for (const { keys, originals } of waiting) {
    // The browser carries this out after the page is gone.
    removeImages(keys, originals, { keepalive: true, attempts: 1 });
  }
  waiting.clear();
});
