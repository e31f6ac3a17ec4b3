// Numbers and verdicts in plain words. Everything here is text; nothing is ever read as markup.

const VERDICTS = { real: "Looks real", uncertain: "Uncertain", fake: "Looks fake" };

export function percent(share, digits = 0) {
  const value = (100 * share).toFixed(digits);
  if (digits === 0 && share < 1 && share >= 0.995) return "over 99 %";
  if (digits === 0 && share > 0 && share < 0.005) return "under 1 %";
  return `${Number(value)} %`;
}

// A limit is told as exactly as it takes: 99.95 % must not become 100 %.
export function limit(share) {
  return share > 0.99 || share < 0.01 ? percent(share, 3) : percent(share, 1);
}

export function sentence(clause) {
  const text = String(clause).trim();
  return text && text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** What a picture or face is called, and which sign goes with it. */
export function headline(verdict, probability) {
  if (verdict === "real" && probability > 0.5) return "Not called fake";
  return VERDICTS[verdict];
}

export function unjudged(status) {
  return { "no face": "No face found", unreadable: "Cannot be read" }[status];
}

/** The calibrated probability as a count out of a hundred; an unfitted one is called what it is. */
export function odds(probability, decision, noun) {
  if (decision === null) {
    return `The model itself says ${percent(probability)} fake. `
      + "What it knows of its own numbers could not be loaded, so nothing is said of odds.";
  }
  if (!decision.fitted_on) {
    return `The model itself says ${percent(probability)} fake. `
      + `Nobody has checked this number on ${noun}s of known origin, so do not read it as odds.`;
  }
  const count = Math.round(100 * probability);
  let share = count === 1 ? "about 1 is fake" : `about ${count} are fake`;
  if (probability < 0.005) share = "fewer than 1 is fake";
  if (probability >= 0.995) share = "more than 99 are fake";
  return `Of 100 ${noun}s that score like this one, ${share} – where real and fake are equally frequent.`;
}

/** Why the verdict is not what the odds alone suggest; null where there is nothing to explain. */
export function because(verdict, probability, decision, noun) {
  if (!decision) return null;
  const [low, high] = decision.band;
  if (verdict === "uncertain") return `From ${limit(low)} to ${limit(high)} this model leaves the question open.`;
  const rate = decision.false_positive_rate;
  const aim = rate === null ? "" : `, so that at most ${limit(rate)} of real ${noun}s are accused`;
  if (verdict === "real" && probability > 0.5) return `This model calls a ${noun} fake only above ${limit(high)}${aim}.`;
  if (verdict === "fake" && probability <= 0.5) return `This model calls a ${noun} fake above ${limit(high)} already.`;
  return null;
}

export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 10 ? `${Math.round(value)} ms` : `${value.toFixed(1)} ms`;
}

export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
