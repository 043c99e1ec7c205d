// Which pictures are selected, by their keys. The last one that was chosen is where a range begins.

/** A set of keys; `changed` is called after each change. */
export class Selection {
  constructor(changed) {
    this.keys = new Set();
    this.anchor = null;
    this.changed = changed;
  }

  /** Select the picture `index` of `items`, or no longer; with `range`, all from the one chosen before to it. */
  choose(items, index, { range = false } = {}) {
    if (range && this.anchor !== null && this.anchor < items.length) {
      const [from, to] = [Math.min(this.anchor, index), Math.max(this.anchor, index)];
      for (const item of items.slice(from, to + 1)) this.keys.add(item.key);
    } else if (!this.keys.delete(items[index].key)) {
      this.keys.add(items[index].key);
    }
    this.anchor = index;
    this.changed();
  }

  /** Select all of `items`. */
  all(items) {
    for (const item of items) this.keys.add(item.key);
    this.changed();
  }

  /** Select nothing. */
  clear() {
    this.keys.clear();
    this.anchor = null;
    this.changed();
  }
}
