// The page as a story: pictures come in, wait their turn, are sent one by one, and each gets its card.

import { Card } from "./card.js";
import * as client from "./client.js";
import { describe } from "./model.js";

const TRIES = 10; // of a busy service, before the reader is asked

const at = (id) => document.getElementById(id);
const jobs = [];
let working = false;
let pasted = 0;
let previews = Promise.resolve();
let keyGiven = null;
let card = null;

function take(files) {
  at("notice").hidden = true;
  const fresh = files.map((file) => enqueue(file));
  at("cards").prepend(...fresh.map((job) => job.card.root));
  at("results").hidden = jobs.length === 0;
  document.body.classList.add("started");
  work();
}

function enqueue(file) {
  const name = file.pasted && file.name === "image.png" ? `Pasted picture ${(pasted += 1)}` : file.name || "picture";
  const job = { file, card: new Card(file, name), state: "waiting", stop: new AbortController() };
  job.card.part(".remove").addEventListener("click", () => remove(job));
  // One after the other: thirty photographs decoded at once would freeze the page.
  previews = previews.then(() => (job.state === "gone" ? null : job.card.preview()));
  job.preview = previews;
  jobs.push(job);
  return job;
}

function remove(job) {
  const next = job.card.root.nextElementSibling ?? job.card.root.previousElementSibling;
  job.state = "gone";
  job.stop.abort();
  jobs.splice(jobs.indexOf(job), 1);
  job.card.root.remove();
  at("results").hidden = jobs.length === 0;
  (next?.querySelector(".remove") ?? at("file")).focus();
  progress();
}

function cancelAll() {
  for (const job of jobs.filter((each) => each.state === "waiting" || each.state === "sent")) {
    cancel(job);
    job.stop.abort();
  }
  at("file").focus();
  announce("Cancelled.");
  progress();
}

function cancel(job) {
  job.state = "cancelled";
  job.card.fails("Cancelled before it was judged.", "Cancelled", () => retry(job));
}

function retry(job) {
  job.stop = new AbortController();
  job.state = "waiting";
  job.card.waits("Waiting for its turn");
  job.card.part(".remove").focus();
  work();
}

async function work() {
  progress();
  if (working) return;
  working = true;
  for (let job; (job = jobs.find((each) => each.state === "waiting")); ) {
    job.state = "sent";
    await judge(job);
    if (job.state === "sent") job.state = "done";
    progress();
  }
  working = false;
}

async function judge(job) {
  const { signal } = job.stop;
  for (let tries = 1; ; tries += 1) {
    job.card.waits("Looking at the picture", true);
    try {
      const began = performance.now();
      const result = await client.predict(job.file, signal);
      const elapsed = performance.now() - began;
      await job.preview;
      if (card === null) await loadModel();
      const said = await job.card.judged(result, card, elapsed, signal);
      if (!signal.aborted) announce(said);
      return;
    } catch (failure) {
      if (signal.aborted) return;
      if (failure.kind === "busy" && tries < TRIES) await pause(failure.seconds, job, signal);
      else if (failure.kind === "key") await askForKey(failure.message, job, signal);
      else {
        await job.preview;
        if (!signal.aborted) giveUp(job, failure);
        return;
      }
      if (signal.aborted) return;
    }
  }
}

function giveUp(job, failure) {
  job.state = "failed";
  if (!(failure instanceof client.Failure)) {
    reportError(failure);
    announce(job.card.fails("This page cannot show what the service answered."));
  } else if (failure.kind === "unreadable") announce(job.card.fails(failure.message, "Cannot be read"));
  else announce(job.card.fails(failure.message, "Not judged", failure.kind === "refused" ? null : () => retry(job)));
}

function pause(seconds, job, signal) {
  const whole = Math.ceil(seconds);
  job.card.waits(`The service is busy; trying again in ${whole} ${whole === 1 ? "second" : "seconds"}`, true);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
  });
}

function askForKey(sentence, job, signal) {
  job.card.waits("Waiting for the API key");
  at("key").querySelector("label").textContent = sentence;
  at("key").hidden = false;
  at("key-field").focus();
  return new Promise((resolve) => {
    keyGiven = resolve;
    signal.addEventListener("abort", () => resolve(hideKey()), { once: true });
  });
}

function hideKey() {
  at("key").hidden = true;
  at("key-field").value = "";
}

async function loadModel() {
  // The verdicts stand without it; the next picture tries again.
  const found = await client.model().catch((failure) => failure);
  at("model-missing").hidden = !(found instanceof Error);
  if (found instanceof Error) return;
  card = found;
  describe(card, at("model"), at("origin"), at("supposed"));
}

function progress() {
  const done = jobs.filter((job) => job.state !== "waiting" && job.state !== "sent").length;
  const open = jobs.length - done;
  const box = at("queue");
  if (open === 0 && box.contains(document.activeElement)) at("file").focus();
  box.hidden = open === 0;
  at("progress").max = Math.max(1, jobs.length);
  at("progress").value = done;
  at("progress-text").textContent = `${done} of ${jobs.length} done`;
}

function announce(text) {
  at("live").textContent = text;
}

function notice(text) {
  at("notice").textContent = text;
  at("notice").hidden = false;
}

at("file").addEventListener("change", (event) => {
  take([...event.target.files]);
  event.target.value = ""; // so that the same file can be chosen again
});

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length === 0) {
    if (!event.target.closest?.("input")) notice("There is no picture in the clipboard.");
    return;
  }
  event.preventDefault();
  take(files.map((file) => Object.assign(file, { pasted: true })));
});

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const files = [...event.dataTransfer.files];
  if (files.length) take(files);
  else notice("Only picture files can be dropped here; save the picture first.");
});

at("key").addEventListener("submit", (event) => {
  event.preventDefault();
  client.useKey(at("key-field").value);
  hideKey();
  jobs.find((each) => each.state === "sent")?.card.part(".remove").focus(); // the form that had it is gone
  keyGiven?.();
});
at("cancel").addEventListener("click", cancelAll);
loadModel();
