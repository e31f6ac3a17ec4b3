// One picture's card: first that it waits, then what is said of it.

import { Stage } from "./stage.js";
import * as words from "./words.js";

const STAGES = {
  decode: "Reading the picture",
  find: "Looking for faces",
  cut: "Cutting them out",
  network: "Judging",
  map: "Drawing the map",
};

let number = 0;

export class Card {
  constructor(file, name) {
    const copy = document.getElementById("card").content.cloneNode(true);
    this.root = copy.firstElementChild;
    this.name = name;
    this.part(".name").textContent = name;
    this.part(".remove").setAttribute("aria-label", `Remove ${name}`);
    this.part(".picture").setAttribute("aria-label", name);
    this.part(".opacity").addEventListener("input", () => this.fade());
    this.stage = new Stage(this.part(".stage"), (index) => this.pick(index));
    this.preview = () => this.stage.show(file);
    number += 1;
    this.group = `faces-${number}`;
    this.fade();
    this.waits("Waiting for its turn");
  }

  part(selector) {
    return this.root.querySelector(selector);
  }

  fade() {
    const slider = this.part(".opacity");
    this.stage.opacity = slider.value / 100;
    slider.setAttribute("aria-valuetext", `${slider.value} %`);
  }

  /** Not judged yet; `moving` while the service has it. */
  waits(text, moving = false) {
    this.root.dataset.state = "waiting";
    this.root.classList.remove("bare");
    this.part(".pending").hidden = false;
    this.part(".state").textContent = text;
    this.part(".busy").hidden = !moving;
    this.part(".verdict").hidden = true;
    this.part(".odds").hidden = true;
    this.part(".again").hidden = true;
  }

  /** It came to nothing: one sentence, and a way to try again where that may help. */
  fails(sentence, title = "Not judged", onAgain = null) {
    this.title("failed", "none", title);
    this.root.classList.toggle("bare", !this.stage.shown);
    this.say(sentence);
    const again = this.part(".again");
    again.hidden = onAgain === null;
    again.onclick = onAgain;
    return `${this.name}: ${sentence}`;
  }

  title(state, sign, text) {
    this.root.dataset.state = state;
    this.part(".pending").hidden = true;
    this.part(".sign use").setAttribute("href", `#sign-${sign}`);
    this.part(".verdict span").textContent = text;
    this.part(".verdict").hidden = false;
  }

  say(text) {
    this.part(".odds").textContent = text;
    this.part(".odds").hidden = false;
  }

  /** What the service says; `card` is the model's, or null. Returns it in one line, to be read out, unless stopped. */
  async judged(result, card, elapsed, signal) {
    if (result.status === "unreadable") return this.fails(words.sentence(`The picture ${result.reasons[0]}`), words.unjudged(result.status));
    this.result = result;
    this.model = card;
    this.noun = result.findings.some((finding) => finding.box !== null) ? "face" : "picture";
    const text = result.status === "scored" ? words.headline(result.verdict, result.probability) : words.unjudged(result.status);
    await this.stage.mark(result);
    if (signal.aborted) return "";
    if (result.status === "scored") {
      this.title(result.verdict, result.verdict, text);
      this.listFaces();
      this.pick(0);
    } else {
      this.title("no-face", "none", text);
      this.say("This model judges faces and found none here, so it says nothing of the picture.");
    }
    this.details(elapsed);
    this.part(".picture").setAttribute("aria-label", `${this.name}: ${text}`);
    return `${this.name}: ${text}. ${this.part(".odds").textContent}`;
  }

  listFaces() {
    const { findings } = this.result;
    const list = this.part(".faces");
    list.hidden = findings.length < 2;
    if (list.hidden) return;
    list.querySelector("legend").textContent = `${findings.length} faces; the most suspicious one decides`;
    findings.forEach((finding, index) => {
      const label = document.createElement("label");
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: this.group, value: index });
      radio.addEventListener("change", () => this.pick(index));
      const [name, verdict, share] = [`Face ${index + 1}`, words.headline(finding.verdict, finding.probability), `${words.percent(finding.probability)} fake`];
      label.dataset.verdict = finding.verdict;
      label.append(radio, ...[name, verdict.toLowerCase(), share].map((text) => Object.assign(document.createElement("span"), { textContent: text })));
      list.append(label);
    });
  }

  /** Turn to one of the findings. */
  pick(index) {
    const finding = this.result.findings[index];
    const radio = this.root.querySelectorAll(".faces input")[index];
    if (radio) radio.checked = true;
    this.stage.select(index);
    const decision = this.model?.decision ?? null;
    this.say(words.odds(finding.probability, decision, this.noun));
    this.scale(finding, decision);
    const why = words.because(finding.verdict, finding.probability, decision, this.noun);
    // What the service remarks is of the finding that decides.
    this.notes([...(why === null ? [] : [why]), ...(index === 0 ? this.result.reasons.map(words.sentence) : [])]);
    this.remarks(index);
  }

  scale(finding, decision) {
    const scale = this.part(".scale");
    scale.hidden = decision === null; // where its zones lie is not known
    const [low, high] = decision?.band ?? [0.5, 0.5];
    this.part(".zone-real").style.flexGrow = low;
    this.part(".zone-uncertain").style.flexGrow = high - low;
    this.part(".zone-fake").style.flexGrow = 1 - high;
    this.part(".scale b").style.left = `${100 * finding.probability}%`;
  }

  notes(texts) {
    const list = this.part(".notes");
    list.replaceChildren(...texts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    list.hidden = texts.length === 0;
  }

  remarks(index) {
    const texts = [];
    const blank = this.stage.isBlank(index);
    if (this.stage.differs) texts.push("This browser shows the picture turned another way, so nothing is drawn on it.");
    else {
      if (!this.stage.hasMap(index)) texts.push("This model has no map to show.");
      else if (blank) texts.push("Nothing here raised the score: the map is empty.");
      if (this.result.findings[index].box === null && this.result.width !== this.result.height) texts.push("The model saw only what is inside the dashed line.");
    }
    this.part(".controls").hidden = blank || !this.stage.hasMap(index);
    this.part(".remark").textContent = texts.join(" ");
    this.part(".remark").hidden = texts.length === 0;
  }

  details(elapsed) {
    const { width, height, milliseconds, uncalibrated } = this.result;
    const rows = Object.entries(milliseconds).map(([stage, value]) => [STAGES[stage] ?? stage, words.milliseconds(value)]);
    rows.push(["From sending to answer", words.milliseconds(elapsed)]);
    rows.push(["Size of the picture", `${width} × ${height} pixels`]);
    if (uncalibrated !== null) rows.push(["Before calibration", `${words.percent(uncalibrated, 1)} fake`]);
    const list = this.part(".more dl");
    for (const row of rows) {
      list.append(...["dt", "dd"].map((tag, at) => Object.assign(document.createElement(tag), { textContent: row[at] })));
    }
    this.part(".more").hidden = false;
  }
}
