// Sends one file to S3 by a signed form, and tells how far it is. `fetch` tells nothing of that, so XMLHttpRequest.

/** Why a file was not taken: `kind` is `refused` (S3 said so), `lost` (no connection) or `blocked` (the browser did). */
class TransferFault extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

const CORS_ADVICE =
  "The browser may not upload to the bucket: it needs a CORS rule for this page. Operators: see “CORS” in docs/operations.md.";
const PATIENCE_MS = 10000;
const POLICY_ADVICE = "This page may not connect to the bucket. Operators: name its origin in GATEWAY_PICTURE_ORIGINS.";

/** Send `file` with `form` ({url, fields}); `progress` is told the bytes that are sent. Abort by `signal`. */
export function transfer(form, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
    body.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", form.url);
    request.upload.addEventListener("progress", (event) => progress(Math.min(event.loaded, file.size)));
    request.addEventListener("load", () => {
      if (request.status < 400) resolve();
      else reject(new TransferFault("refused", refusal(request)));
    });
    request.addEventListener("error", async () => reject(await silence(form.url)));
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

/** Return what S3 has said, in its own words where there are some. */
function refusal(request) {
  const said = /<Message>([^<]+)<\/Message>/.exec(request.responseText)?.[1];
  if (request.responseText.includes("EntityTooLarge")) return "The file is larger than uploads may be.";
  return said ? `The bucket refused it: ${said}` : `The bucket refused it (${request.status}).`;
}

/**
 * Find out why nobody answered. The browser tells no page, but a request whose answer the page may not see gets through
 * to a server that is there: then it was CORS.
 */
async function silence(url) {
  let isForbidden = false;
  const note = (event) => {
    isForbidden ||= event.effectiveDirective === "connect-src";
  };
  document.addEventListener("securitypolicyviolation", note);
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    await fetch(url, { method: "HEAD", mode: "no-cors", credentials: "omit", cache: "no-store", signal });
    return new TransferFault("blocked", CORS_ADVICE);
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return isForbidden ? new TransferFault("blocked", POLICY_ADVICE) : new TransferFault("lost", "The connection was lost.");
  } finally {
    document.removeEventListener("securitypolicyviolation", note);
  }
}
