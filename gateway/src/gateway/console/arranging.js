// The order of a collection: pictures are dragged, or moved by one place with buttons or with Alt and an arrow.

import { path } from "./addresses.js";
import { put } from "./api.js";
import { complain } from "./toasts.js";

/** Moves pictures of the collection `name`. */
export class Arranging {
  constructor(name) {
    this.name = name;
    this.isOn = false;
    this.dragged = null;
  }

  /** Listen to the grid of `gallery`. */
  attach(gallery) {
    this.gallery = gallery;
    const { element } = gallery.grid;
    element.addEventListener("dragstart", (event) => this.#start(event));
    element.addEventListener("dragover", (event) => this.#over(event));
    element.addEventListener("drop", (event) => this.#drop(event));
    element.addEventListener("dragend", () => this.#end());
    element.addEventListener("keydown", (event) => this.#pressed(event), { capture: true });
  }

  /** Begin or end arranging; return whether it is on. */
  toggle() {
    this.isOn = !this.isOn;
    this.gallery.grid.element.classList.toggle("arranging", this.isOn);
    for (const tile of this.gallery.grid.shown.values()) this.prepare(tile);
    return this.isOn;
  }

  /** Let a tile be dragged, if pictures are being arranged. */
  prepare(tile) {
    tile.draggable = this.isOn;
  }

  /** Move the picture `key` by `by` places. */
  step(key, by) {
    const from = this.gallery.pages.items.findIndex((item) => item.key === key);
    return this.#move(from, from + by);
  }

  async #move(from, to) {
    const { pages, grid } = this.gallery;
    if (from < 0 || to < 0 || to >= pages.items.length || from === to) return;
    const { key } = pages.items[from];
    pages.move(from, to);
    this.gallery.refresh();
    try {
      await put(path("collections", this.name, "images", key), { after: to > 0 ? pages.items[to - 1].key : null });
    } catch (fault) {
      pages.move(to, from);
      this.gallery.refresh();
      complain(fault);
    }
    requestAnimationFrame(() => requestAnimationFrame(() => this.focusAfter === key && grid.focus(pages.items.findIndex((item) => item.key === key))));
  }

  #start(event) {
    const tile = event.target.closest?.(".tile");
    if (!this.isOn || !tile) return;
    this.dragged = Number(tile.dataset.index);
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", this.gallery.pages.items[this.dragged].key);
    tile.classList.add("dragged");
  }

  #over(event) {
    const tile = event.target.closest(".tile");
    if (this.dragged === null || !tile) return;
    event.preventDefault();
    this.#unmark();
    tile.classList.add(this.#isBehind(event, tile) ? "behind" : "before");
  }

  #drop(event) {
    const tile = event.target.closest(".tile");
    if (this.dragged === null || !tile) return;
    event.preventDefault();
    const from = this.dragged;
    const place = Number(tile.dataset.index) + (this.#isBehind(event, tile) ? 1 : 0);
    this.#end();
    this.#move(from, place > from ? place - 1 : place);
  }

  #isBehind(event, tile) {
    const { left, width } = tile.getBoundingClientRect();
    return event.clientX > left + width / 2;
  }

  #unmark() {
    for (const tile of this.gallery.grid.shown.values()) tile.classList.remove("before", "behind");
  }

  #end() {
    this.dragged = null;
    this.#unmark();
    for (const tile of this.gallery.grid.shown.values()) tile.classList.remove("dragged");
  }

  #pressed(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const tile = event.target.closest(".tile");
    if (!this.isOn || !by || !event.altKey || !tile) return;
    event.preventDefault();
    event.stopPropagation();
    this.focusAfter = this.gallery.pages.items[Number(tile.dataset.index)].key;
    this.step(this.focusAfter, by);
  }
}
