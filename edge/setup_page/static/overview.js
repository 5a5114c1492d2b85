// How the device is, in words; today's figures; what to do where something is wrong.

import { call } from "/static/api.js";
import { button, el, icon, setText, toast } from "/static/dom.js";
import { clock, said, t } from "/static/i18n.js";

const TONES = {
  ok: ["good", "check"],
  closed: ["calm", "pause"],
  starting: ["calm", "clock"],
  no_network: ["warn", "cloud"],
  clock: ["warn", "clock"],
  overload: ["warn", "alert"],
  config: ["warn", "alert"],
};
const RISE_MS = 1600;

export class Overview {
  constructor(page) {
    this.page = page;
    this.state = el("section", { class: "card state", "aria-live": "polite" });
    this.problems = el("section", { class: "problems" });
    this.lines = el("section", { class: "lines" });
    this.zones = el("section", { class: "zones" });
    this.foot = el("footer", { class: "foot" });
    this.figures = {};
    this.node = el("div", { class: "stack" }, this.state, this.problems, this.lines, this.zones, this.foot);
  }

  update() {
    const { state } = this.page;
    if (!state) return;
    this.showState(state);
    this.showProblems(state);
    this.showLines(state);
    this.showZones(state);
    this.showFoot(state);
  }

  showState({ state, fps, queue }) {
    const rate = fps ? t("fps", fps.toFixed(1).replace(/\.0$/, "")) : null; // none before the first figures
    const facts = [rate, t("queue", queue)].filter(Boolean);
    if (!differs(this.state, [state, facts])) return;
    const [tone, sign] = TONES[state.code] ?? ["bad", "alert"];
    const [title, advice] = parted(said(state));
    this.state.className = `card state ${tone}`;
    this.state.replaceChildren(
      el("div", { class: "sign" }, icon(sign)),
      el(
        "div",
        {},
        el("h1", {}, title),
        advice ? el("p", { class: "advice" }, advice) : null,
        this.confirmation(state),
        el("p", { class: "facts" }, facts.map((fact) => el("span", {}, fact))),
      ),
    );
  }

  // What is wrong beside the state itself; the config has its notice above.
  showProblems({ state, problems }) {
    const others = problems.filter(({ code }) => ![state.code, "config"].includes(code));
    if (!differs(this.problems, others)) return;
    const rows = others.map((problem) => this.problem(problem));
    this.problems.replaceChildren(...(rows.length ? [el("h2", {}, t("problems")), ...rows] : []));
  }

  problem(words) {
    const [tone] = TONES[words.code] ?? ["bad"];
    const [title, advice] = parted(said(words));
    return el("div", { class: `problem ${tone}` }, el("strong", {}, title), advice ? el("p", {}, advice) : null, this.confirmation(words));
  }

  confirmation({ code }) {
    return code === "moved" ? button(t("confirm_view"), "second", () => this.confirm()) : null;
  }

  async confirm() {
    try {
      await call("POST", "/api/view/confirm");
      toast(t("confirmed"));
      await this.page.poll();
    } catch (error) {
      toast(error.words(), "bad");
    }
  }

  showLines({ lines }) {
    if (differs(this.lines, lines.map(({ id, name, audience }) => [id, name, audience]))) {
      this.figures = {};
      const cards = lines.map((line) => this.lineCard(line));
      const none = el("p", { class: "card empty" }, t("no_lines"));
      const grid = cards.length ? el("div", { class: "grid" }, cards) : none;
      this.lines.replaceChildren(el("h2", {}, t("today")), grid);
    }
    for (const line of lines) this.count(line);
  }

  lineCard({ id, name, audience }) {
    const figure = (key) => (this.figures[`${id}.${key}`] = el("b", { class: "figure", "data-line": id, "data-figure": key }));
    const big = (way) => el("div", { class: `big ${way}` }, el("span", {}, t(way)), figure(`today.${way}`));
    const small = (way) => el("span", {}, t(way), figure(`live.${way}`));
    const tag = audience === "staff" ? el("span", { class: "tag" }, t("staff_line")) : null;
    return el(
      "article",
      { class: "card line" },
      el("h3", {}, name || id, tag),
      el("div", { class: "pair" }, big("in"), big("out")),
      el(
        "p",
        { class: "live", title: t("live_hint") },
        el("span", { class: "what" }, t("live")),
        ["in", "out", "uturn"].map(small),
      ),
    );
  }

  count({ id, today, live }) {
    for (const [when, counts] of Object.entries({ today, live })) {
      for (const way of ["in", "out", "uturn"]) {
        const node = this.figures[`${id}.${when}.${way}`];
        if (!node) continue;
        const [before, now] = [node.textContent, String(counts?.[way] ?? "–")];
        if (before === now) continue;
        node.textContent = now;
        node.classList.toggle("long", now.length > 4);
        if (before) rise(node);
      }
    }
  }

  showZones({ zones }) {
    if (!differs(this.zones, zones)) return;
    const cards = zones.map(({ id, name, now }) =>
      el("article", { class: "card zone" }, el("span", {}, name || id), el("b", {}, now === null ? "–" : t("people", now))),
    );
    this.zones.replaceChildren(...(cards.length ? [el("h2", {}, t("zones_now")), el("div", { class: "grid" }, cards)] : []));
  }

  showFoot({ closes_at: closes }) {
    const age = t("age", Math.max(0, Math.round((Date.now() - this.page.heardAt) / 1000)));
    const over = closes && new Date(closes) <= new Date();
    const until = over ? t("closed_soon") : closes ? t("closes_at", clock(closes)) : "";
    if (!this.foot.firstChild) this.foot.append(el("span", { class: "age" }), el("span", { class: "closes" }));
    setText(this.foot.firstChild, age);
    setText(this.foot.lastChild, until);
  }
}

// The device says what is wrong and what to do in one sentence: its two parts.
function parted(sentence) {
  const [, title, advice] = /^(.*?)(?:：|: |，|; )(.*)$/s.exec(sentence) ?? [null, sentence, ""];
  return [title, advice && advice[0].toUpperCase() + advice.slice(1)];
}

// Whether what a place shows has changed since it was last asked.
function differs(place, what) {
  const key = JSON.stringify(what);
  if (place.dataset.key === key) return false;
  place.dataset.key = key;
  return true;
}

function rise(node) {
  node.classList.add("risen");
  setTimeout(() => node.classList.remove("risen"), RISE_MS);
}
