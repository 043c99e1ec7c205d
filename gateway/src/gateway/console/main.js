// Starts the console: who is signed in sees the views, who is not the form to sign in.

import { accountView } from "./account.js";
import { collectionPage } from "./collection.js";
import { collectionsPage } from "./collections.js";
import { finishDeletions } from "./deletions.js";
import { sure } from "./dialogs.js";
import { forgetLists } from "./gallery.js";
import { imagePage } from "./image.js";
import { keysPage } from "./keys.js";
import { libraryPage } from "./library.js";
import { start, stop } from "./router.js";
import { session, resume, signOut } from "./session.js";
import { shell } from "./shell.js";
import { showSignIn } from "./sign-in.js";
import { restore } from "./theme.js";
import { complain } from "./toasts.js";
import { UploadPanel } from "./upload-panel.js";
import { stopWatching } from "./watch.js";

const VIEWS = [
  ["", libraryPage],
  ["image", imagePage],
  ["collections", collectionsPage],
  ["collection", collectionPage],
  ["keys", keysPage],
  ["account", accountView],
];
const root = document.querySelector("#console");
let panel = null;

function open() {
  panel = new UploadPanel();
  const { frame, place } = shell({ upload: () => panel.choose(), leave });
  root.replaceChildren(...frame, panel.element);
  start(VIEWS, place);
}

function close(notice) {
  stop();
  panel?.end();
  panel = null;
  stopWatching();
  forgetLists();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  showSignIn(root, { done: open, refused, notice });
}

const refused = () => close("You are signed out: your session has ended.");

async function leave() {
  const isBusy = panel.uploads.isBusy;
  if (isBusy && !(await sure("Sign out now?", "Some pictures are not uploaded yet.", "Sign out"))) return;
  await finishDeletions();
  try {
    await signOut();
  } catch (fault) {
    complain(fault);
  }
  close("");
}

restore();
resume(refused);
if (session()) open();
else close("");
