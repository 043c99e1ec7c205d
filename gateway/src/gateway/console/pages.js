// A list of images that is read page by page, as far as somebody looks. Of each image only what the grid shows is kept,
// so that a hundred thousand fit into memory.

import { get } from "./api.js";
import { leavingKeys } from "./deletions.js";

const NARROW = 0.4;
const WIDE = 3.5;

/** What the grid keeps of an image. */
export function brief(image) {
  const { width = 4, height = 3 } = image.size ?? {};
  return {
    key: image.s3_key,
    title: image.title,
    status: image.status,
    uploaded: image.uploaded,
    ratio: Math.min(Math.max(width / height, NARROW), WIDE),
    placeholder: image.placeholder,
    thumbs: image.thumbs.map((each) => [Math.max(each.size.width, each.size.height), each.url]),
  };
}

/** Return the name that people know an image by: its title, else the end of its key. */
export const nameOf = (image) => image.title || (image.key ?? image.s3_key).split("/").at(-1);

/** The images of the list at `target`, a path of the API. */
export class Pages {
  constructor(target) {
    this.items = [];
    this.target = target;
    this.next = target;
    this.reading = null;
    this.hidden = new Map();
  }

  /** Whether there may be more than what was read. */
  get hasMore() {
    return this.next !== null;
  }

  /** Read one more page that has items, if there is one. Calls at the same time read one page together. */
  more() {
    this.reading ??= this.#read().finally(() => {
      this.reading = null;
    });
    return this.reading;
  }

  async #read() {
    const before = this.items.length;
    while (this.next !== null && this.items.length === before) {
      const page = await get(this.next);
      for (const image of page.body) this.items.push(brief(image));
      this.next = page.next;
      this.hide(leavingKeys());
    }
  }

  /** Leave out the images with `keys`, and remember where they were. Return whether there were any. */
  hide(keys) {
    if (keys.length === 0) return false;
    const gone = new Set(keys);
    const kept = [];
    this.items.forEach((item, index) => {
      if (gone.has(item.key)) this.hidden.set(item.key, { item, index });
      else kept.push(item);
    });
    const changed = kept.length < this.items.length;
    if (changed) this.items = kept;
    return changed;
  }

  /** Put those of `keys` that were hidden back to where they were. */
  restore(keys) {
    const back = keys.filter((key) => this.hidden.has(key)).map((key) => this.hidden.get(key));
    for (const { item, index } of back.sort((one, other) => one.index - other.index)) {
      this.items.splice(index, 0, item);
      this.hidden.delete(item.key);
    }
  }

  /** Put what is known of an image now in place of what was. Return its index and former item; -1 if it is not here. */
  update(image) {
    const index = this.items.findIndex((item) => item.key === image.s3_key);
    const former = this.items[index];
    if (index >= 0) this.items[index] = brief(image);
    return { index, former };
  }

  /** Put a new image before all others, unless it is here. */
  add(image) {
    if (this.update(image).index < 0) this.items.unshift(brief(image));
  }

  /** Put a new image behind all others, unless these are not all read. */
  append(image) {
    if (!this.hasMore && this.update(image).index < 0) this.items.push(brief(image));
  }

  /** Put the image at `from` to the place `to` of the list without it. */
  move(from, to) {
    const [item] = this.items.splice(from, 1);
    this.items.splice(to, 0, item);
  }
}
