// Addresses: of the API, of public pages, and of the views of this page, which stand behind `#`.

/** Where imghost is served; a proxy may have put it below a path. */
export const ROOT = new URL(".", document.baseURI);

/** Return `text` with every byte percent-encoded that could mean something else; slashes stay. */
function encoded(text) {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%2F", "/");
}

/** Return the path of a resource of the API: `path("images", key)`. */
export function path(...segments) {
  return `${ROOT.pathname}api/${segments.map(encoded).join("/")}`;
}

/** Return the path of an image in the API. */
export const imagePath = (key) => path("images", key);

/** Return the address of the page that everybody can see of the image `key`. */
export const publicImage = (key) => `${ROOT}i/${encoded(key)}`;

/** Return the address of the page that everybody can see of the collection `name`. */
export const publicCollection = (name) => `${ROOT}c/${encoded(name)}`;

/** Return the link to a view of this page, with `parameters` of it; those that are empty are left out. */
export function view(name, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  const query = new URLSearchParams(given).toString();
  return `#/${name}${query ? `?${query}` : ""}`;
}

export const imageView = (key) => view(`image/${encoded(key)}`);
export const collectionView = (name) => view(`collection/${encoded(name)}`);
