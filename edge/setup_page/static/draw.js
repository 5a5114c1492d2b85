// The drawing view: picture and tools to the left, what is drawn and its settings to the right.

import { ApiError, call, still } from "/static/api.js";
import { Canvas } from "/static/canvas.js";
import { button, el, setText } from "/static/dom.js";
import { Doctor } from "/static/doctor.js";
import { t } from "/static/i18n.js";
import { Panel } from "/static/panel.js";
import { Saving } from "/static/saving.js";

const KINDS = ["line", "zone", "mask"];

export class Draw {
  constructor(page) {
    this.page = page;
    this.sheet = page.sheet;
    this.canvas = new Canvas(this.sheet, { onchange: () => this.changed(), onadding: () => this.showTools() });
    this.doctor = new Doctor(() => this.changed());
    this.saving = new Saving(page, { onload: () => this.loaded(), onchange: () => this.changed() });
    this.panel = new Panel(page, this.doctor, () => this.changed());
    this.paper = el("canvas", { class: "paper", width: 320, height: 180 });
    this.note = el("span", { class: "hint" });
    this.tools = el("div", { class: "tools-row" });
    this.stage = el("div", { class: "stage empty" }, this.paper, this.canvas.svg);
    const below = el("div", { class: "below" }, this.note, button(t("refresh"), "small", () => this.look()));
    const left = el("div", { class: "easel" }, this.tools, this.stage, below, el("p", { class: "hint keys" }, t("hint_keys")));
    this.node = el(
      "div",
      { class: "stack draw" },
      el("h1", {}, t("draw_title")),
      el("div", { class: "studio" }, left, el("div", { class: "side" }, this.saving.node, this.panel.node)),
    );
    this.showTools();
    this.open();
  }

  leave() {
    this.doctor.stop();
  }

  update() {
    if (!this.sheet.loaded) this.saving.load();
    this.panel.showCounts();
    this.doctor.ask();
  }

  async open() {
    await Promise.all([this.sheet.loaded ? this.loaded() : this.saving.load(), this.look()]);
  }

  // Nothing is drawn before it is known what there is already.
  loaded() {
    this.showTools();
    this.shapeStage();
    this.changed();
  }

  shapeStage() {
    this.stage.style.aspectRatio = String(this.sheet.aspect);
    this.canvas.draw();
  }

  changed() {
    this.canvas.ghost = this.doctor.suggestionFor(this.sheet.item);
    this.saving.show();
    this.panel.show();
    this.canvas.draw();
    this.undo.disabled = !this.sheet.past.length;
  }

  showTools() {
    const { adding } = this.canvas;
    this.undo = button(t("undo"), "small", () => this.sheet.undo() && this.changed(), "undo");
    this.undo.disabled = !this.sheet.past.length;
    if (!adding) {
      const adds = KINDS.map((kind) => button(t(`add_${kind}`), "second", () => this.add(kind), "plus", { "data-add": kind }));
      for (const add of adds) add.disabled = !this.sheet.loaded;
      this.tools.replaceChildren(...adds, this.undo, el("p", { class: "hint" }, t("hint_pick")));
      return;
    }
    const done = adding.points.length >= 3 ? button(t("finish"), "primary", () => this.canvas.finish(adding.points)) : null;
    const middle = button(t("place_middle"), "second", () => this.canvas.finishInMiddle(), null, { "data-add": "middle" });
    const stop = button(t("cancel"), "small", () => this.canvas.begin(null));
    const how = el("p", { class: "hint strong", role: "status" }, t(adding.kind === "line" ? "hint_line" : "hint_area"));
    this.tools.replaceChildren(...[done, middle, stop, how].filter(Boolean));
  }

  add(kind) {
    this.canvas.begin(kind);
    this.tools.querySelector("[data-add=middle]").focus();
  }

  // Ask the device for one pixelated picture; without one there is the grid.
  async look() {
    try {
      const picture = await still();
      Object.assign(this.paper, { width: picture.width, height: picture.height });
      this.paper.getContext("2d").drawImage(picture, 0, 0);
      this.stage.classList.remove("empty");
      setText(this.note, t("still_note"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.stage.classList.add("empty");
      const why = { 403: t("no_still"), 503: t("no_picture") }[error.status] ?? error.words();
      setText(this.note, `${why} ${t("grid_note")}`);
    }
  }
}
