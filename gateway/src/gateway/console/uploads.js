// Uploads: each file goes to S3, is registered, and is followed until it is ready or failed. Four at a time.

import { adviceFor } from "./advice.js";
import { get, listPath, post, randomId } from "./api.js";
import { path } from "./addresses.js";
import { addTo } from "./bulk.js";
import { tell } from "./changes.js";
import { complain } from "./toasts.js";
import { transfer } from "./transfer.js";
import { follow } from "./watch.js";

const WIDTH = 4;
const ATTEMPTS = 6;
const TYPES = new Set(["avif", "bmp", "gif", "heic", "heif", "jpeg", "png", "tiff", "webp"].map((each) => `image/${each}`));
const LONGEST_NAME_BYTES = 900;
const OVER = new Set(["ready", "failed", "cancelled"]);

/** The name of a file as the end of a key: S3 would replace `${filename}`, and control characters are in no key. */
function keyName(name) {
  let shown = name.replace(/[\x00-\x1f\x7f-\x9f/]/g, "_").replaceAll("${filename}", "filename");
  while (new TextEncoder().encode(shown).length > LONGEST_NAME_BYTES) shown = shown.slice(1);
  return shown === "." || shown === ".." || shown === "" ? "picture" : shown;
}

/** One file on its way. `state` is waiting, sending, registering, pending, ready, failed, cancelled or offline. */
class Upload {
  constructor(file, collection) {
    this.id = randomId();
    this.file = file;
    this.collection = collection;
    this.restart();
  }

  restart() {
    this.state = "waiting";
    this.sent = 0;
    this.words = "";
    this.advice = "";
    this.image = null;
    this.stored = null;
    this.ends = new AbortController();
  }

  get isOver() {
    return OVER.has(this.state);
  }
}

/** All uploads of this page. Fires `change` with the upload that has changed. */
export class Uploads extends EventTarget {
  constructor() {
    super();
    this.all = [];
    this.waiting = [];
    this.active = 0;
    this.online = () => this.#wake();
    window.addEventListener("online", this.online);
  }

  /** Upload `files`, and put them into `collection` if there is one. */
  add(files, collection = null) {
    const added = files.map((file) => new Upload(file, collection));
    this.all.push(...added);
    this.waiting.push(...added);
    for (const upload of added) this.#set(upload, "waiting");
    this.#next();
  }

  /** Begin again what has failed or was cancelled. */
  retry(upload) {
    upload.restart();
    this.waiting.push(upload);
    this.#set(upload, "waiting");
    this.#next();
  }

  /** Give an upload up. What is registered already is an image, and stays. */
  cancel(upload) {
    if (upload.isOver || upload.state === "pending") return;
    this.waiting = this.waiting.filter((each) => each !== upload);
    upload.ends.abort(new Error("Cancelled"));
    this.#set(upload, "cancelled");
  }

  /** Forget what is over. */
  clear() {
    this.all = this.all.filter((upload) => !upload.isOver);
  }

  /** Give up everything: nobody is signed in any more. */
  end() {
    window.removeEventListener("online", this.online);
    for (const upload of this.all) this.cancel(upload);
  }

  /** Whether files would be lost if the page was left now. */
  get isBusy() {
    return this.all.some((upload) => !upload.isOver && upload.state !== "pending");
  }

  #set(upload, state, words = "", advice = "") {
    Object.assign(upload, { state, words, advice });
    this.dispatchEvent(new CustomEvent("change", { detail: upload }));
  }

  #next() {
    while (this.active < WIDTH && this.waiting.length > 0) {
      this.active += 1;
      this.#run(this.waiting.shift());
    }
  }

  async #run(upload) {
    const { signal } = upload.ends;
    let image = null;
    try {
      image = await this.#store(upload, signal);
    } catch (fault) {
      if (!signal.aborted) this.#set(upload, "failed", fault.message);
    } finally {
      this.active -= 1;
      this.#next();
    }
    if (image) await this.#follow(upload, image);
  }

  /** Send a file and register it, trying again while the connection is away; return the image. */
  async #store(upload, signal) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        upload.stored ??= await this.#send(upload, signal);
        this.#set(upload, "registering");
        const { key, idempotencyKey } = upload.stored;
        const { body } = await post(path("images"), { s3_key: key }, { signal, idempotencyKey });
        if (upload.collection) {
          const { fault } = await addTo(upload.collection, [key]);
          if (fault) complain(fault);
        }
        return body;
      } catch (fault) {
        const isLost = fault.kind === "lost" || fault.status === 0;
        if (signal.aborted || !isLost || attempt >= ATTEMPTS) throw fault;
        if (upload.stored === null) upload.sent = 0;
        this.#set(upload, "offline", "The connection was lost; it goes on when it is back.");
        await this.#connection(attempt, signal);
      }
    }
  }

  /** Send a file to S3. Return its key there, and the one under which it is registered once, however often it is tried. */
  async #send(upload, signal) {
    const { file } = upload;
    this.#set(upload, "sending");
    const given = { filename: keyName(file.name), content_type: TYPES.has(file.type) ? file.type : null };
    const form = (await get(listPath(given, "signed-post"), { signal })).body;
    const progress = (sent) => {
      upload.sent = sent;
      this.#set(upload, "sending");
    };
    await transfer(form, file, progress, signal);
    upload.sent = file.size;
    return { key: form.fields.key, idempotencyKey: randomId() };
  }

  /** Wait until the browser says that it is online again, or for a while that grows. */
  #connection(attempt, signal) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, Math.min(2 ** attempt, 30) * 1000);
      this.addEventListener("online", () => {
        clearTimeout(timer);
        resolve();
      }, { once: true });
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }

  #wake() {
    this.dispatchEvent(new Event("online"));
  }

  async #follow(upload, image) {
    upload.image = image;
    this.#set(upload, "pending");
    tell("added", { image, collection: upload.collection });
    const settled = await follow(image, upload.ends.signal);
    if (settled === null) {
      if (!upload.isOver) this.#set(upload, "cancelled", "It was deleted meanwhile.");
      return;
    }
    upload.image = settled;
    tell("changed", settled);
    if (settled.status === "failed") this.#set(upload, "failed", settled.error.detail, adviceFor(settled.error.code));
    else this.#set(upload, "ready");
  }
}
