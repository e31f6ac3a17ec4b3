// The model's card as facts that a reader can weigh.

import * as words from "./words.js";

function facts(card) {
  const { decision, training, preprocess } = card;
  const sets = training.datasets ?? [];
  const rows = [["Network", `${card.model}, ${card.precision}`]];
  rows.push(["Judges", judges(preprocess)]);
  if (sets.length) rows.push(["Trained on", sets.join(", ") + (training.images ? ` (${words.count(training.images, "picture")} in its own training)` : "")]);
  const [low, high] = decision.band;
  rows.push(["Calls fake", high >= most(decision) ? "never: its validation pictures do not bear it out" : `above ${words.limit(high)}`]);
  if (low < high) rows.push(["Leaves open", `from ${words.limit(low)} to ${words.limit(high)}`]);
  if (decision.fitted_on) {
    rows.push(["Real ones accused", `at most ${words.limit(decision.false_positive_rate)}, on ${words.count(decision.fitted_on.reals, "real validation picture")}`]);
  } else rows.push(["Odds", "never checked on pictures of known origin"]);
  rows.push(["Licence", card.licence]);
  if (card.sha256) rows.push(["SHA-256", card.sha256]);
  return rows;
}

function judges({ face, no_face: without }) {
  if (face === null) return "whole pictures";
  const rest = without === "whole_image" ? "; the middle square of pictures without one" : "";
  return `faces, the most suspicious one first${rest}`;
}

// The highest probability that the calibration can give.
function most(decision) {
  const knots = decision.calibration.knots ?? [];
  return knots.length ? knots.at(-1)[1] : 1;
}

/** Fill the list with the card; the limits say what it was trained on, and whether its numbers are odds at all. */
export function describe(card, list, origin, supposed) {
  list.replaceChildren();
  for (const [name, value] of facts(card)) {
    list.append(...["dt", "dd"].map((tag, at) => Object.assign(document.createElement(tag), { textContent: [name, value][at] })));
  }
  const sets = card.training.datasets ?? [];
  if (sets.length) origin.querySelector("strong").textContent = `It knows what it was trained on: ${sets.join(", ")}.`;
  if (!card.decision.fitted_on) {
    const strong = Object.assign(document.createElement("strong"), { textContent: "Its numbers are no odds." });
    supposed.replaceChildren(strong, " Nobody has checked them on pictures of known origin; they only say which of two pictures is more suspicious.");
  }
}
