// Talks to the service; what goes wrong becomes a Failure with one sentence for the reader.

const MAY_BE_LARGE = 1_000_000; // bytes; a smaller upload does not break off for its size

// What the service says of these is meant for programs; of other problems its own sentence is shown.
const SENTENCES = {
  "too-many-bytes": "This picture is too large for the service.",
  "too-slow": "Sending took too long; try again on a faster connection.",
};
const UNREADABLE = ["unreadable-image", "too-many-pixels"];

/** kind: `busy` (wait `seconds`, then try again), `key`, `unreadable` or `refused` (for good), `failed` (this time). */
export class Failure extends Error {
  constructor(kind, sentence, seconds = 0) {
    super(sentence);
    this.kind = kind;
    this.seconds = seconds;
  }
}

let most = Infinity; // bytes of an upload, as far as the service has told

let apiKey = null;

export function useKey(key) {
  apiKey = key;
}

function headers() {
  return apiKey === null ? {} : { "X-API-Key": apiKey };
}

/** The judgement of one picture. Throws a Failure, or an AbortError when cancelled. */
export async function predict(file, signal) {
  if (!(await isReadable(file))) throw new Failure("refused", "This file cannot be opened; a folder cannot be judged.");
  if (file.size >= most) throw new Failure("refused", `This file is ${megabytes(file.size)}; the service takes less than ${megabytes(most)}.`);
  const form = new FormData();
  form.append("image", file, file.name);
  form.append("explain", "true");
  let response;
  try {
    response = await fetch("predict", { method: "POST", body: form, headers: headers(), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw await lostConnection(file, signal);
  }
  if (!response.ok) throw await failureOf(response);
  return response.json();
}

/** The model's card. Throws as `predict` does. */
export async function model() {
  let response;
  try {
    response = await fetch("model", { headers: headers() });
  } catch {
    throw new Failure("failed", unreachable());
  }
  if (!response.ok) throw await failureOf(response);
  const card = await response.json();
  most = card.limits?.bytes ?? Infinity;
  return card;
}

async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

// A server that refuses a large body closes the line while the browser still sends: its answer is lost.
async function lostConnection(file, signal) {
  try {
    const response = await fetch("health", { signal });
    if (response.ok && file.size > MAY_BE_LARGE) {
      return new Failure("failed", "This picture is too large for the service, or the connection broke while it was sent.");
    }
  } catch (error) {
    if (error.name === "AbortError") return error;
  }
  return new Failure("failed", unreachable());
}

function unreachable() {
  return navigator.onLine === false ? "This device is offline." : "The service cannot be reached.";
}

async function failureOf(response) {
  const { code, detail } = await problemOf(response);
  if (response.status === 401 || response.status === 403) {
    return new Failure("key", apiKey === null ? "This service asks for an API key." : "The service does not know this key.");
  }
  if (response.status === 503 || response.status === 429) {
    return new Failure("busy", detail ?? "The service is busy.", secondsOf(response.headers.get("Retry-After")));
  }
  const sentence = SENTENCES[code] ?? detail ?? `The service did not judge this picture (status ${response.status}).`;
  if (UNREADABLE.includes(code)) return new Failure("unreadable", sentence);
  return new Failure(response.status >= 500 || response.status === 408 ? "failed" : "refused", sentence);
}

// A proxy in between may answer with a page of its own.
async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { code: response.status === 413 ? "too-many-bytes" : null };
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function secondsOf(retryAfter) {
  const seconds = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Math.min(60, Math.max(1, Number.isFinite(seconds) ? seconds : 2));
}
