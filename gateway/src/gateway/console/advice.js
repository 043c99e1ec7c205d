// What can be done about an image that failed, by the code of its error.

const ADVICE = {
  "original-missing": "Upload the file again.",
  "original-unreadable": "Ask the operator to look at the bucket, then reprocess the picture.",
  "unsupported-format": "Save it as JPEG, PNG, WebP, GIF, AVIF, TIFF, BMP or HEIC, and upload that.",
  malformed: "The file is damaged or cut off. Export or copy it again, and upload that.",
  "too-large": "Make the picture smaller, and upload that.",
  "decode-too-costly": "Save it anew with usual settings, and upload that.",
  "decoder-crashed": "Save it anew in another program, and upload that.",
  "thumb-key-occupied": "Another object lies where a thumb should go. Upload the file again under a new key.",
  "taken-down": "Nobody else sees the picture. Ask the operator if you think that this is a mistake.",
  "processing-exhausted": "Reprocess the picture; if it fails again, tell the operator.",
};

/** Return a sentence, empty for a code that is not known here. */
export const adviceFor = (code) => ADVICE[code] ?? "";
