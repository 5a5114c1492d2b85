// From the sheet to the config file and back: unsaved changes, errors by item, and conflicts.

import { ApiError, call } from "/static/api.js";
import { button, el, hush, icon, toast } from "/static/dom.js";
import { said, t } from "/static/i18n.js";

export class Saving {
  constructor(page, { onload, onchange }) {
    this.page = page;
    this.sheet = page.sheet;
    this.onload = onload;
    this.onchange = onchange;
    this.busy = false;
    this.loading = false;
    this.conflict = false;
    this.failed = "";
    this.node = el("section", { class: "saving", "aria-live": "polite" });
  }

  async load() {
    if (this.loading) return;
    this.loading = true;
    try {
      this.sheet.load(await call("GET", "/api/drawings"));
      this.failed = "";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.failed = error.words();
    }
    this.loading = false;
    this.onload();
  }

  show() {
    const { dirty, errors } = this.sheet;
    const key = JSON.stringify([dirty, errors, this.busy, this.conflict, this.failed]);
    if (this.node.dataset.key === key) return;
    this.node.dataset.key = key;
    if (dirty && !this.dirty) hush(); // "saved" is no longer so
    this.dirty = dirty;
    this.node.className = `card saving${dirty ? " dirty" : ""}${this.failed ? " failed" : ""}`;
    const parts = [this.status(dirty), this.conflict ? this.settle() : null, errors.length ? this.wrong(errors) : null];
    this.node.replaceChildren(...parts.filter(Boolean));
  }

  status(dirty) {
    const words = this.failed || t(this.busy ? "saving" : dirty ? "unsaved" : "all_saved");
    const marker = el("strong", { class: "marker" }, icon(dirty ? "pen" : "check"), el("span", {}, words));
    const save = button(t("save"), "primary", () => this.save(), null, { id: "save" });
    const discard = button(t("discard"), "small", () => this.discard(), null, { id: "discard" });
    save.disabled = !dirty || this.busy;
    discard.disabled = this.busy;
    return el("div", { class: "row" }, marker, dirty ? discard : null, save);
  }

  settle() {
    const mine = button(t("keep_mine"), "second", () => this.overwrite(), null, { id: "keep-mine" });
    const theirs = button(t("take_theirs"), "second", () => this.discard(), null, { id: "take-theirs" });
    return el("div", { class: "problem warn", role: "alert" }, el("strong", {}, t("conflict")), el("div", { class: "row" }, mine, theirs));
  }

  wrong(errors) {
    const rows = errors.map((error) => {
      const item = this.sheet.itemAt(error.path);
      const words = el("span", {}, said(error));
      if (!item) return el("li", {}, error.path ? el("code", {}, error.path) : null, words);
      const pick = button(this.sheet.title(item), "link", () => {
        this.sheet.select(item.key);
        this.onchange();
      });
      return el("li", {}, pick, words);
    });
    return el("div", { class: "problem bad", role: "alert" }, el("strong", {}, t("errors_title")), el("ul", {}, rows));
  }

  async discard() {
    this.conflict = false;
    await this.load();
  }

  // The other one's edit is read only for its hash: what is on this sheet replaces it.
  async overwrite() {
    try {
      const { hash } = await call("GET", "/api/drawings");
      this.sheet.hash = hash;
      this.conflict = false;
    } catch (error) {
      toast(error.words(), "bad");
      return;
    }
    await this.save();
  }

  async save() {
    this.busy = true;
    this.onchange();
    try {
      const body = this.sheet.body();
      const { hash } = await call("PUT", "/api/drawings", { hash: this.sheet.hash, ...body });
      this.sheet.hash = hash;
      this.sheet.saved(body);
      this.conflict = false;
      toast(t("saved"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.refused(error);
    }
    this.busy = false;
    this.onchange();
  }

  refused(error) {
    toast([409, 422].includes(error.status) ? t("not_saved") : error.words(), "bad");
    if (error.status === 409) this.conflict = true;
    else if (error.status === 422) {
      this.sheet.errors = error.body.errors ?? [];
      const first = this.sheet.itemAt(this.sheet.errors[0]?.path);
      if (first) this.sheet.select(first.key);
    }
  }
}
