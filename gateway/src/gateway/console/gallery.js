// A grid of images with a bar for those that are selected. It follows what becomes of images meanwhile.

import { listen } from "./changes.js";
import { deleteAsked, leavingKeys } from "./deletions.js";
import { fill, h, icon } from "./dom.js";
import { counted } from "./format.js";
import { Grid } from "./grid.js";
import { CLOSE } from "./icons.js";
import { Pages } from "./pages.js";
import { cameFrom } from "./router.js";
import { Selection } from "./selection.js";
import { broken, loading } from "./states.js";
import { complain } from "./toasts.js";

/** The list that was shown last: who comes back from an image finds it as it was, and an image its neighbours. */
let last = null;

/** Return the keys before and after `key` in the list that was shown last; null where there is none. */
export function neighbours(key) {
  const items = last?.pages.items ?? [];
  const index = items.findIndex((item) => item.key === key);
  return index < 0 ? [null, null] : [items[index - 1]?.key ?? null, items[index + 1]?.key ?? null];
}

/** Return the address of the view that shows the list which was shown last. */
export const lastList = () => last?.hash ?? "#/";

/** Forget the lists of who was signed in. */
export function forgetLists() {
  last = null;
}

/**
 * The images at `target`, a path of the API. `actions(selection)` returns the buttons of the bar, `nothing()` what is
 * shown where there are none. `takesNew` is "first" if all new images belong at its top, or the name of the collection
 * whose new images belong at its end.
 */
export class Gallery {
  constructor(target, { actions, nothing, takesNew = null, shown = () => {} }) {
    this.nothing = nothing;
    const back = cameFrom() === "image" && last?.pages.target === target ? last : null;
    this.pages = back?.pages ?? new Pages(target);
    this.pages.hide(leavingKeys());
    this.selection = new Selection(() => this.#select());
    this.actions = actions;
    this.grid = new Grid(this.pages, this.selection, {
      read: () => this.#state(),
      fault: (fault) => fill(this.foot, broken(fault, () => this.#begin())),
      shown,
    });
    this.bar = h("div", { className: "selection", role: "toolbar", "aria-label": "Selected pictures", hidden: true });
    this.foot = h("div", {});
    this.element = h("div", { className: "gallery" }, this.grid.element, this.foot, this.bar);
    last = { pages: this.pages, hash: location.hash, y: back?.y ?? 0 };
    this.own = last;
    this.quiet = listen({
      gone: (keys) => this.#reshape(() => this.pages.hide(keys)),
      back: (keys) => this.#reshape(() => this.pages.restore(keys)),
      changed: (image) => this.#change(image),
      added: ({ image, collection }) => {
        if (takesNew === "first") this.#reshape(() => this.pages.add(image));
        else if (takesNew !== null && takesNew === collection) this.#reshape(() => this.pages.append(image));
      },
    });
    this.escape = (event) => {
      if (event.key === "Escape" && this.selection.keys.size > 0 && !document.querySelector("dialog")) this.selection.clear();
    };
    document.addEventListener("keydown", this.escape);
    this.#begin();
    if (back) requestAnimationFrame(() => window.scrollTo(0, back.y));
  }

  /** Stop following; the view is left. */
  leave() {
    this.own.y = window.scrollY;
    this.quiet();
    this.grid.leave();
    document.removeEventListener("keydown", this.escape);
  }

  /** Return the selected keys in the order of the list. */
  selectedKeys() {
    return this.#selected().map((item) => item.key);
  }

  /** Delete what is selected. */
  async deleteSelected() {
    if (await deleteAsked(this.#selected())) this.selection.clear();
  }

  #selected() {
    return this.pages.items.filter((item) => this.selection.keys.has(item.key));
  }

  /** Have `work` do something with the selected keys, tell how it went, and select those for which it failed. */
  async carryOut(work, done) {
    const keys = this.selectedKeys();
    for (const button of this.bar.querySelectorAll("button")) button.disabled = true;
    const { failed, fault } = await work(keys);
    this.selection.clear();
    if (fault) {
      for (const key of failed) this.selection.keys.add(key);
      this.selection.changed();
      complain(fault);
    } else done(keys);
  }

  /** Lay out anew after the list itself was changed. */
  refresh() {
    this.#reshape(() => {});
  }

  async #begin() {
    if (this.pages.items.length > 0 || !this.pages.hasMore) {
      this.grid.retry();
      this.#state();
      return;
    }
    fill(this.foot, loading());
    try {
      await this.pages.more();
    } catch (fault) {
      fill(this.foot, broken(fault, () => this.#begin()));
      return;
    }
    this.grid.refresh();
    this.#state();
  }

  #state() {
    const isEmpty = this.pages.items.length === 0 && !this.pages.hasMore;
    this.grid.element.hidden = this.pages.items.length === 0;
    fill(this.foot, isEmpty ? this.nothing() : this.pages.hasMore ? loading("Loading more…") : null);
  }

  /** Lay out anew after `change`, once for all changes of a moment. */
  #reshape(change) {
    change();
    this.#state();
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = null;
      this.grid.refresh();
      this.grid.markSelected();
    });
  }

  #change(image) {
    const { index, former } = this.pages.update(image);
    if (index < 0) return;
    if (Math.abs(former.ratio - this.pages.items[index].ratio) > 0.001) this.refresh();
    else this.grid.renew(index);
  }

  #select() {
    const count = this.selection.keys.size;
    this.grid.markSelected();
    this.bar.hidden = count === 0;
    if (count === 0) return;
    fill(
      this.bar,
      h("button", { className: "quiet square", "aria-label": "Select none", onclick: () => this.selection.clear() }, icon(CLOSE)),
      h("span", { className: "count", role: "status" }, `${counted(count, "picture")} selected`),
      this.actions(this),
    );
  }
}
