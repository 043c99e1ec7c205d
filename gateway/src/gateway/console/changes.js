// What has become of images, told to the views that show them: `changed` with an image of the API, `added` with
// `{image, collection}`, `gone` and `back` with keys.

const told = new EventTarget();

/** Tell all views. */
export const tell = (what, detail) => told.dispatchEvent(new CustomEvent(what, { detail }));

/** Call those of `listeners` (by name) whose change happens, until the function that is returned is called. */
export function listen(listeners) {
  const ends = new AbortController();
  for (const [what, listener] of Object.entries(listeners)) {
    told.addEventListener(what, (event) => listener(event.detail), { signal: ends.signal });
  }
  return () => ends.abort();
}
