// The verdict of a tally as the device tells it: words, and what each side counted.

import { el, icon } from "/static/dom.js";
import { said, t } from "/static/i18n.js";

const TONES = {
  under_limit: ["good", "check", "verdict_good"],
  over_limit: ["bad", "alert", "verdict_bad"],
  open: ["calm", "clock", "verdict_open"],
};

export function verdict({ lines, notes, scope, file, error }) {
  const cards = error ? [card("open", said(error), null)] : lines.flatMap((line) => [card(line.verdict, said(line), line), table(line.rows)]);
  const hints = [scope ? said(scope) : "", ...notes, file ? t("tally_file", file) : ""];
  return el("div", { class: "stack" }, cards, hints.filter(Boolean).map((hint) => el("p", { class: "hint" }, hint)));
}

function card(verdict, words, line) {
  const [tone, sign, title] = TONES[verdict] ?? TONES.open;
  const kept = line?.calibration ? el("p", { class: "hint" }, t("calibrated", line.calibration)) : null;
  const text = el("div", {}, el("h2", {}, t(title)), el("p", {}, words), kept);
  return el("section", { class: `card state ${tone}` }, el("div", { class: "sign" }, icon(sign)), text);
}

function table(rows) {
  const heads = ["", t("tallied"), t("counted"), t("difference")];
  const body = rows.map(({ direction, tallied, counted }) => {
    const more = counted - tallied;
    const numbers = [tallied, counted, more > 0 ? `+${more}` : String(more).replace("-", "−")];
    return el("tr", {}, el("th", { scope: "row" }, t(direction)), numbers.map((n) => el("td", {}, String(n))));
  });
  const top = el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)));
  return el("table", { class: "card" }, el("thead", {}, top), el("tbody", {}, body));
}
