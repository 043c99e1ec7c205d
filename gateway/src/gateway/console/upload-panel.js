// The panel that shows uploads, and the ways to begin one: drop, paste, files, folder, camera.

import { imageView } from "./addresses.js";
import { filesOf, sorted } from "./chosen-files.js";
import { ask } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { bytes, counted, duration } from "./format.js";
import { CAMERA, CLOSE, FOLDER, PICTURE, REPEAT, UPLOAD } from "./icons.js";
import { parse } from "./router.js";
import { Speed } from "./speed.js";
import { toast } from "./toasts.js";
import { Uploads } from "./uploads.js";

const WORDS = {
  waiting: "Waiting", sending: "Uploading", registering: "Registering", offline: "Waiting for the connection",
  pending: "Processing", ready: "Ready", failed: "Failed", cancelled: "Cancelled",
};

/** The panel of one session. */
export class UploadPanel {
  constructor() {
    this.uploads = new Uploads();
    this.rows = new Map();
    this.speed = new Speed();
    this.list = h("ul", { tabIndex: 0, "aria-label": "Uploads" });
    this.title = h("h2", {});
    this.note = h("p", { className: "hint" });
    this.bar = h("progress", { max: 1, value: 0, "aria-label": "All uploads" });
    this.said = h("p", { className: "unseen", role: "status" });
    const close = h("button", { className: "quiet square", "aria-label": "Close uploads", onclick: () => this.#close() }, icon(CLOSE));
    const fold = h("button", { className: "quiet", "aria-expanded": "true", onclick: () => this.#fold(fold) }, "Hide");
    this.panel = h("section", { className: "uploads", "aria-label": "Uploads", hidden: true },
      h("header", {}, h("div", { className: "grow" }, this.title, this.note), fold, close), this.bar, this.list);
    this.veil = h("div", { className: "veil", hidden: true }, h("p", {}, icon(UPLOAD), "Drop pictures or folders to upload them"));
    this.element = h("div", {}, this.panel, this.veil, this.said);
    this.uploads.addEventListener("change", ({ detail }) => this.#changed(detail));
    this.#listen();
  }

  /** End everything; nobody is signed in any more. */
  end() {
    this.ends.abort();
    this.uploads.end();
    cancelAnimationFrame(this.due);
  }

  #listen() {
    this.ends = new AbortController();
    const { signal } = this.ends;
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    let depth = 0;
    const show = (by) => {
      depth = by === 0 ? 0 : depth + by;
      this.veil.hidden = depth <= 0;
    };
    document.addEventListener("dragenter", (event) => carriesFiles(event) && show(1), { signal });
    document.addEventListener("dragleave", (event) => carriesFiles(event) && show(-1), { signal });
    document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault(), { signal });
    document.addEventListener("drop", async (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      show(0);
      this.#take(await filesOf(event.dataTransfer));
    }, { signal });
    document.addEventListener("paste", async (event) => {
      if (event.clipboardData.files.length === 0) return;
      event.preventDefault();
      this.#take(await filesOf(event.clipboardData));
    }, { signal });
    window.addEventListener("beforeunload", (event) => this.uploads.isBusy && event.preventDefault(), { signal });
  }

  /** Ask what to upload. */
  choose() {
    const input = (properties, drawing, label) => {
      const field = h("input", { type: "file", className: "unseen", ...properties });
      field.addEventListener("change", () => {
        this.#take(sorted([...field.files]));
        field.closest("dialog").close();
      });
      return h("label", { className: "button source" }, icon(drawing), label, field);
    };
    ask({
      title: "Upload pictures",
      parts: [
        h("p", { className: "hint" }, "Drop pictures or folders anywhere on the page, paste one, or choose:"),
        h("div", { className: "sources" },
          input({ multiple: true, accept: "image/*,.heic,.heif,.avif", id: "files" }, PICTURE, "Files"),
          input({ webkitdirectory: true, multiple: true }, FOLDER, "A folder"),
          input({ accept: "image/*", capture: "environment" }, CAMERA, "Camera")),
        this.#collection() && h("p", { className: "hint" }, `They go into the collection ${this.#collection()}.`),
      ].filter(Boolean),
      confirm: "Close",
      cancel: false,
    });
  }

  /** The collection that is shown, into which uploads go then. */
  #collection() {
    const [name, rest] = parse(location.hash);
    return name === "collection" ? rest : null;
  }

  #take({ files, left }) {
    if (left > 0) toast(`${counted(left, "file")} left out: not a picture by name or type`);
    if (files.length === 0) return;
    this.panel.hidden = false;
    this.uploads.add(files, this.#collection());
  }

  #changed(upload) {
    this.changed ??= new Set();
    this.changed.add(upload);
    this.due ??= requestAnimationFrame(() => this.#show());
  }

  #show() {
    this.due = null;
    for (const upload of this.changed) this.#showRow(upload);
    this.changed.clear();
    const { all } = this.uploads;
    const count = (...states) => all.filter((upload) => states.includes(upload.state)).length;
    const size = all.reduce((sum, upload) => sum + (upload.state === "cancelled" ? 0 : upload.file.size), 0);
    const sent = all.reduce((sum, upload) => sum + (upload.state === "cancelled" ? 0 : upload.isOver ? upload.file.size : upload.sent), 0);
    const over = count("ready", "failed", "cancelled");
    this.bar.value = size > 0 ? sent / size : 1;
    const going = all.length - over;
    this.title.textContent = going > 0 ? `Uploading ${counted(going, "picture")}` : "Uploads finished";
    this.note.textContent = this.uploads.isBusy ? this.#pace(size, sent) : this.#summary(count("ready"), count("failed"), count("pending"));
    if (going === 0 && this.said.textContent !== this.note.textContent) this.said.textContent = this.note.textContent;
  }

  #pace(size, sent) {
    this.speed.note(sent, performance.now());
    const { perSecond } = this.speed;
    const pace = perSecond > 0 && sent < size ? ` · ${bytes(perSecond)}/s · ${duration((size - sent) / perSecond)} left` : "";
    return `${bytes(sent)} of ${bytes(size)}${pace}`;
  }

  #summary(ready, failed, pending) {
    return [ready > 0 && `${ready} ready`, failed > 0 && `${failed} failed`, pending > 0 && `${pending} processing`].filter(Boolean).join(" · ");
  }

  #showRow(upload) {
    if (!this.rows.has(upload.id)) {
      const row = h("li", {});
      this.rows.set(upload.id, row);
      this.list.append(row);
    }
    const row = this.rows.get(upload.id);
    const bar = row.querySelector("progress");
    if (bar && row.dataset.state === "sending" && upload.state === "sending") {
      bar.value = upload.sent / (upload.file.size || 1);
      return;
    }
    row.dataset.state = upload.state;
    const { name, size } = upload.file;
    const isKnown = upload.image !== null;
    fill(
      row,
      h("div", { className: "line" },
        isKnown ? h("a", { href: imageView(upload.image.s3_key), className: "grow" }, name) : h("span", { className: "grow" }, name),
        h("span", { className: `badge ${tone(upload.state)}` }, WORDS[upload.state]),
        this.#rowButton(upload)),
      upload.state === "sending" ? h("progress", { max: 1, value: size > 0 ? upload.sent / size : 0, "aria-label": name }) : null,
      upload.words && h("p", { className: upload.state === "failed" ? "fault" : "hint" }, upload.words),
      upload.advice && h("p", { className: "hint" }, upload.advice),
    );
  }

  #rowButton(upload) {
    const { name } = upload.file;
    const make = (label, drawing, run) =>
      h("button", { className: "quiet square", "aria-label": `${label} ${name}`, title: label, onclick: run }, icon(drawing));
    if (["waiting", "sending", "registering", "offline"].includes(upload.state)) return make("Cancel", CLOSE, () => this.uploads.cancel(upload));
    if (["failed", "cancelled"].includes(upload.state)) return make("Upload again", REPEAT, () => this.uploads.retry(upload));
    return null;
  }

  #fold(button) {
    const isFolded = this.panel.classList.toggle("folded");
    button.textContent = isFolded ? "Show" : "Hide";
    button.setAttribute("aria-expanded", String(!isFolded));
  }

  #close() {
    this.uploads.clear();
    for (const [id, row] of this.rows) {
      if (this.uploads.all.some((upload) => upload.id === id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    this.panel.hidden = this.uploads.all.length === 0;
  }
}

const tone = (state) => (["ready", "failed"].includes(state) ? state : state === "cancelled" ? "" : "pending");
