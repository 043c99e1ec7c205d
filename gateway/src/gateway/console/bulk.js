// Changes of many images: batches of the API, one after the other. Each operation has a result of its own.

import { path } from "./addresses.js";
import { post } from "./api.js";

const AT_ONCE = 100;
const ROUNDS = 4;

const isDone = ({ op, status }) => status < 400 || (op === "delete" && status === 404);

/**
 * Carry out `operations`, each with the key of an image. Return the keys for which it failed, and the first fault; so
 * do all functions here. What the server had no time to begin is sent again.
 */
async function carryOut(operations, options = {}) {
  const failed = [];
  let fault = null;
  let left = operations;
  for (let idle = 0; left.length > 0; ) {
    const [part, rest] = [left.slice(0, AT_ONCE), left.slice(AT_ONCE)];
    let results = [];
    try {
      results = (await post(path("images", "batch"), { operations: part }, options)).body.results;
    } catch (refusal) {
      fault ??= refusal;
      return { failed: [...failed, ...left.map((each) => each.s3_key)], fault };
    }
    const again = [];
    part.forEach((operation, index) => {
      const { status, problem } = results[index];
      if (isDone({ op: operation.op, status })) return;
      if (problem.code === "not-begun" && idle < ROUNDS) again.push(operation);
      else {
        failed.push(operation.s3_key);
        fault ??= new Error(problem.detail);
      }
    });
    idle = again.length === part.length ? idle + 1 : 0;
    left = [...again, ...rest];
  }
  return { failed, fault };
}

const each = (keys, operation, options) => carryOut(keys.map((key) => ({ ...operation, s3_key: key })), options);

/** Delete images, those of `originals` with their files; one that is gone already is what was asked for. */
export const removeImages = (keys, originals, options) => {
  const withFile = new Set(originals);
  return carryOut(
    keys.map((key) => ({ op: "delete", s3_key: key, ...(withFile.has(key) && { original: true }) })),
    options,
  );
};

/** Make thumbs, size and colours of images anew. */
export const reprocess = (keys) => each(keys, { op: "change", reprocess: true });

/** Put images into the collection `name`, in their order. */
export const addTo = (name, keys) => each(keys, { op: "add", collection: name });

/** Take images out of the collection `name`. */
export const takeOut = (name, keys) => each(keys, { op: "remove", collection: name });
