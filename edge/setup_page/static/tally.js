// Counting at the door with two big buttons while the device counts, then the verdict.
// The tally itself lives on the device: a phone that is locked or reloaded loses nothing.

import { ApiError, call } from "/static/api.js";
import { button, el, setText, toast } from "/static/dom.js";
import { clock, t } from "/static/i18n.js";
import { verdict } from "/static/verdict.js";

const SURE_MS = 4000;
const NAME_KEY = "lobbycount-tally-by";
const KEYS = { i: "in", o: "out", u: "undo" };

export class Tally {
  constructor(page) {
    this.page = page;
    this.shown = null; // which of the steps is on the screen, and for what
    this.again = false; // the verdict was read, a new one may begin
    this.queue = Promise.resolve(); // presses are sent one after the other, in order
    this.node = el("div", { class: "stack tally" });
    this.onkey = (event) => this.key(event);
    addEventListener("keydown", this.onkey);
  }

  leave() {
    removeEventListener("keydown", this.onkey);
    clearTimeout(this.retry);
  }

  step(tally) {
    if (tally?.running) return "counting";
    if (!tally || this.again) return "begin";
    return tally.verdict ? "ended" : "waiting";
  }

  update() {
    const { state } = this.page;
    if (!state) return;
    const step = this.step(state.tally);
    const key = `${step} ${JSON.stringify(state.lines.map(({ id, name }) => [id, name]))}`;
    if (this.shown !== key) {
      this.shown = key;
      this.node.replaceChildren(el("h1", {}, t("tally_title")), ...this[step](state));
    }
    if (step === "counting") this.showTotals(state.tally);
  }

  begin({ lines }) {
    if (!lines.length) return [el("p", { class: "card empty" }, t("tally_no_lines"))];
    const options = lines.map(({ id, name }) => el("option", { value: id }, name || id));
    this.line = el("select", { id: "tally-line" }, options);
    this.by = el("input", { id: "tally-by", autocomplete: "name", maxlength: 60, required: true, value: localStorage.getItem(NAME_KEY) ?? "" });
    const form = el(
      "form",
      { class: "card form", novalidate: true, onsubmit: (event) => (event.preventDefault(), this.start()) },
      el("p", { class: "lead" }, t("tally_how")),
      el("label", { for: "tally-line" }, t("tally_line")),
      this.line,
      el("label", { for: "tally-by" }, t("tally_by")),
      this.by,
      el("p", { class: "hint" }, t("tally_by_hint")),
      el("button", { class: "button primary wide" }, t("tally_start")),
      el("p", { class: "hint" }, t("tally_rule")),
    );
    return [form];
  }

  async start() {
    const by = this.by.value.trim();
    if (!by) {
      toast(t("tally_by_empty"), "bad");
      this.by.focus();
      return;
    }
    localStorage.setItem(NAME_KEY, by);
    this.again = false;
    if (!(await this.ask("start", { line: this.line.value, by }))) this.again = true;
  }

  counting(state) {
    const line = state.lines.find(({ id }) => id === state.tally.line);
    const big = (way) => {
      const total = el("b", { "data-tally": way }, "0");
      this[way] = total;
      return el("button", { type: "button", class: `count ${way}`, onclick: () => this.mark(way) }, el("span", {}, t(way)), total);
    };
    this.facts = el("p", { class: "facts" });
    this.stopper = button(t("tally_stop"), "second wide", () => this.stop(), null, { id: "tally-stop" });
    const undo = button(t("tally_undo"), "second wide", () => this.undo(), "undo", { id: "tally-undo" });
    return [
      el("p", { class: "lead" }, line?.name || state.tally.line),
      el("div", { class: "pair counts" }, big("in"), big("out")),
      el("div", { class: "row" }, undo, this.stopper),
      this.facts,
      el("p", { class: "hint" }, t("tally_rule")),
      el("p", { class: "hint keys" }, t("tally_keys")),
    ];
  }

  showTotals(tally) {
    setText(this.in, tally.in);
    setText(this.out, tally.out);
    const left = `${Math.floor(tally.next_interval_s / 60)}:${String(tally.next_interval_s % 60).padStart(2, "0")}`;
    const facts = [t("tally_since", clock(tally.began_at)), t("tally_by_whom", tally.by), t("tally_whole", tally.whole_intervals, left)];
    if (this.facts.textContent !== facts.join("")) this.facts.replaceChildren(...facts.map((fact) => el("span", {}, fact)));
  }

  mark(direction) {
    navigator.vibrate?.(25);
    this.queue = this.queue.then(() => this.ask("mark", { direction }, t("tally_not_taken")));
  }

  undo() {
    this.queue = this.queue.then(() => this.ask("undo"));
  }

  async stop() {
    if (this.stopper.dataset.sure) {
      await this.queue;
      await this.judge();
      return;
    }
    this.stopper.dataset.sure = "yes";
    this.stopper.querySelector("span").textContent = t("tally_sure");
    setTimeout(() => {
      delete this.stopper.dataset.sure;
      this.stopper.querySelector("span").textContent = t("tally_stop");
    }, SURE_MS);
  }

  // The last interval may still be on its way to the disk; then it is asked for again.
  async judge() {
    try {
      await call("POST", "/api/tally/stop", {});
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const wait = error.body.retry_after_s;
      if (wait) this.retry = setTimeout(() => this.judge(), 1000 * wait);
      else toast(error.words(), "bad");
    }
    await this.page.poll();
  }

  waiting() {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.judge(), 1000);
    return [el("p", { class: "card lead", role: "status" }, t("tally_waiting"))];
  }

  ended({ tally }) {
    const again = button(t("tally_again"), "second wide", () => {
      this.again = true;
      this.update();
    });
    return [verdict(tally.verdict), again];
  }

  // Send one step; whether it was taken. What went wrong is told in words.
  async ask(step, body = {}, instead = null) {
    try {
      const tally = await call("POST", `/api/tally/${step}`, body);
      if (this.page.state) this.page.state.tally = tally;
      this.update();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(instead && !error.status ? instead : error.words(), "bad");
      return false;
    }
  }

  key(event) {
    const step = KEYS[event.key.toLowerCase()];
    if (!step || !this.shown?.startsWith("counting") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (step === "undo") this.undo();
    else this.mark(step);
  }
}
