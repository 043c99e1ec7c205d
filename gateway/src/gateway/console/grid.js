// The grid: only the rows around what is seen are elements of the page, however many pictures there are.

import { h } from "./dom.js";
import { counted } from "./format.js";
import { extend, GAP, rowAt, rowOf, totalHeight } from "./justified.js";
import { mark, tile } from "./tile.js";

const BEYOND_PX = 700;
const READ_AHEAD_PX = 3000;

/**
 * A justified grid of the images of `pages`. `selection` says which are selected, `on.fault` is called when a page cannot
 * be read, `on.read` after each page.
 */
export class Grid {
  constructor(pages, selection, on) {
    this.pages = pages;
    this.selection = selection;
    this.on = on;
    this.rows = [];
    this.ratios = [];
    this.shown = new Map();
    this.width = 0;
    this.active = 0;
    this.element = h("div", { className: "grid", role: "list", tabIndex: 0, "aria-label": "Pictures" });
    this.element.addEventListener("click", (event) => this.#clicked(event));
    this.element.addEventListener("keydown", (event) => this.#pressed(event));
    this.element.addEventListener("focusin", (event) => this.#focused(event));
    this.draw = this.draw.bind(this);
    this.resized = new ResizeObserver(() => this.#measure());
    this.resized.observe(this.element);
    window.addEventListener("scroll", this.draw, { passive: true });
    window.addEventListener("resize", this.draw, { passive: true });
  }

  /** Stop listening; the view is left. */
  leave() {
    this.resized.disconnect();
    window.removeEventListener("scroll", this.draw);
    window.removeEventListener("resize", this.draw);
  }

  /** Lay out anew, since items of the list have changed, come or gone anywhere. */
  refresh() {
    for (const node of this.shown.values()) node.remove();
    this.shown.clear();
    this.rows = [];
    this.ratios = [];
    this.#extend();
  }

  /** Show again the tile of the picture `index`, which has changed but keeps its place. */
  renew(index) {
    const node = this.shown.get(index);
    if (!node) return;
    node.remove();
    this.shown.delete(index);
    this.draw();
  }

  /** Show what is selected. */
  markSelected() {
    this.element.classList.toggle("selecting", this.selection.keys.size > 0);
    for (const [index, node] of this.shown) {
      const item = this.pages.items[index];
      if (item) mark(node, this.selection.keys.has(item.key));
    }
  }

  /** Show the rows around what is seen, and read on where the end is near. Called at each step of scrolling. */
  draw() {
    if (this.width === 0) return;
    const top = -this.element.getBoundingClientRect().top;
    const bottom = top + window.innerHeight;
    const last = rowAt(this.rows, bottom + BEYOND_PX);
    const needed = new Set();
    for (let at = rowAt(this.rows, top - BEYOND_PX); at <= Math.min(last, this.rows.length - 1); at += 1) {
      this.#drawRow(this.rows[at], needed);
    }
    const focused = document.activeElement?.closest?.(".tile");
    for (const [index, node] of this.shown) {
      if (!needed.has(index) && node !== focused) {
        node.remove();
        this.shown.delete(index);
      }
    }
    if (this.pages.hasMore && !this.failed && totalHeight(this.rows) < bottom + READ_AHEAD_PX) this.#readOn();
  }

  #drawRow(row, needed) {
    const { items } = this.pages;
    let left = 0;
    for (let index = row.first; index < row.first + row.count; index += 1) {
      needed.add(index);
      const isEnd = row.full && index === row.first + row.count - 1;
      const width = isEnd ? this.width - left : Math.round(items[index].ratio * row.height);
      if (!this.shown.has(index)) {
        const options = {
          isSelected: this.selection.keys.has(items[index].key),
          pixels: Math.max(width, row.height),
        };
        const node = tile(items[index], index, this.pages.hasMore ? -1 : items.length, options);
        Object.assign(node.style, { width: `${width}px`, height: `${row.height}px` });
        node.style.transform = `translate(${left}px, ${row.top}px)`;
        this.shown.set(index, node);
        this.#insert(node, index);
        this.on.shown?.(node, index);
      }
      left += width + GAP;
    }
  }

  /** Put a tile where it belongs, so that readers of screens come to the pictures in their order. */
  #insert(node, index) {
    for (let next = index + 1; next < index + 40; next += 1) {
      const after = this.shown.get(next);
      if (after) {
        after.before(node);
        return;
      }
    }
    this.element.append(node);
  }

  async #readOn() {
    try {
      await this.pages.more();
    } catch (fault) {
      this.failed = true;
      this.on.fault(fault);
      return;
    }
    this.#extend();
    this.on.read();
  }

  /** Go on reading after a fault. */
  retry() {
    this.failed = false;
    this.draw();
  }

  #measure() {
    const width = Math.floor(this.element.clientWidth);
    if (width === this.width || width === 0) return;
    const seen = this.rows[rowAt(this.rows, -this.element.getBoundingClientRect().top)]?.first ?? 0;
    const scrolled = this.width > 0 && window.scrollY > 0;
    this.width = width;
    this.refresh();
    if (scrolled) this.#scrollTo(seen);
  }

  #extend() {
    if (this.width === 0) return;
    for (let at = this.ratios.length; at < this.pages.items.length; at += 1) this.ratios.push(this.pages.items[at].ratio);
    const lastRow = this.rows.at(-1);
    if (lastRow && !lastRow.full) {
      // The row is made again: its pictures may be of another height now.
      for (let index = lastRow.first; index < lastRow.first + lastRow.count; index += 1) {
        this.shown.get(index)?.remove();
        this.shown.delete(index);
      }
    }
    extend(this.rows, this.ratios, this.width);
    this.element.style.height = `${totalHeight(this.rows)}px`;
    this.element.setAttribute("aria-label", counted(this.pages.items.length, "picture"));
    this.draw();
  }

  #scrollTo(index) {
    const row = this.rows[rowOf(this.rows, index)];
    if (!row) return;
    const top = this.element.getBoundingClientRect().top + window.scrollY + row.top;
    const margin = 130;
    if (top - margin < window.scrollY) window.scrollTo(0, top - margin);
    else if (top + row.height + margin > window.scrollY + window.innerHeight) {
      window.scrollTo(0, top + row.height + margin - window.innerHeight);
    }
  }

  #clicked(event) {
    const node = event.target.closest(".tile");
    if (!node) return;
    const index = Number(node.dataset.index);
    const picks = event.target.closest(".pick") || event.shiftKey || event.ctrlKey || event.metaKey;
    if (!picks && this.selection.keys.size === 0) return;
    event.preventDefault();
    this.selection.choose(this.pages.items, index, { range: event.shiftKey });
  }

  #focused(event) {
    const node = event.target.closest(".tile");
    if (node) this.active = Number(node.dataset.index);
    else if (event.target === this.element) this.focus(Math.min(this.active, this.pages.items.length - 1));
  }

  /** Give the focus to the picture `index`. */
  focus(index) {
    if (index < 0 || index >= this.pages.items.length) return;
    this.active = index;
    this.#scrollTo(index);
    this.draw();
    this.element.tabIndex = -1;
    this.shown.get(index)?.querySelector(".open").focus({ preventScroll: true });
    this.element.addEventListener("focusout", () => (this.element.tabIndex = 0), { once: true });
  }

  #pressed(event) {
    const inRow = this.rows[rowOf(this.rows, this.active)];
    if (!inRow) return;
    const below = this.rows[rowOf(this.rows, this.active) + 1];
    const above = this.rows[rowOf(this.rows, this.active) - 1];
    const offset = this.active - inRow.first;
    const to = {
      ArrowLeft: () => this.active - 1,
      ArrowRight: () => this.active + 1,
      ArrowDown: () => (below ? below.first + Math.min(offset, below.count - 1) : this.active),
      ArrowUp: () => (above ? above.first + Math.min(offset, above.count - 1) : this.active),
      Home: () => 0,
      End: () => this.pages.items.length - 1,
    }[event.key];
    if (to) this.focus(to());
    else if (event.key === " " || event.key === "x") {
      this.selection.choose(this.pages.items, this.active, { range: event.shiftKey });
    } else if (event.key === "a" && (event.ctrlKey || event.metaKey)) this.selection.all(this.pages.items);
    else return;
    event.preventDefault();
  }
}
