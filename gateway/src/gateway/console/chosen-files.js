// The files that a person drops, pastes or picks; folders are read to their ends.

const PICTURES = /\.(avif|bmp|gif|heic|heif|jpe?g|png|tiff?|webp)$/i;

/** Whether a file may be a picture, by what the system says of it, or by its name. The content decides later. */
const mayBePicture = (file) => file.type.startsWith("image/") || PICTURES.test(file.name);

/** Return `{files, left}` of what was dropped or pasted: the pictures, and how many other files were left out. */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = entries.length > 0 ? (await Promise.all(entries.map(read))).flat() : [...transfer.files];
  return sorted(found);
}

/** Return `{files, left}` of all files. */
export function sorted(found) {
  const files = found.filter(mayBePicture);
  return { files, left: found.length - files.length };
}

async function read(entry) {
  if (entry.isFile) {
    return new Promise((resolve) => entry.file((file) => resolve([file]), () => resolve([])));
  }
  const reader = entry.createReader();
  const found = [];
  // A folder is given a hundred entries at a time.
  for (let batch = null; batch === null || batch.length > 0; ) {
    batch = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    for (const each of batch) found.push(...(await read(each)));
  }
  return found;
}
