// The list of what is drawn, and the settings of the selected item.

import { removePoint } from "/static/canvas_keys.js";
import { button, el, icon, setText, toast } from "/static/dom.js";
import { said, t } from "/static/i18n.js";

export class Panel {
  constructor(page, doctor, changed) {
    this.page = page;
    this.sheet = page.sheet;
    this.doctor = doctor;
    this.changed = changed;
    this.list = el("section", { class: "card items" });
    this.form = el("section", { class: "card form item" });
    this.findings = el("div", { class: "field doctor" });
    this.node = el("div", { class: "stack" }, this.form, this.list);
  }

  show() {
    this.showList();
    this.showForm();
    this.showDoctor();
    this.showCounts();
  }

  showList() {
    const rows = this.sheet.items.map((item) => {
      const counts = item.kind === "line" ? el("span", { class: "counts", "data-of": item.rest.id }) : null;
      const pick = el(
        "button",
        { type: "button", class: `pick ${item.kind}`, "aria-pressed": String(item.key === this.sheet.selected), "data-item": item.rest.id ?? item.key, onclick: () => this.select(item) },
        el("i", {}),
        el("span", { class: "what" }, this.sheet.title(item)),
        counts,
      );
      return el("li", {}, pick);
    });
    const key = JSON.stringify(this.sheet.items.map((item) => [item.key, this.sheet.title(item), item.rest.id, item.key === this.sheet.selected]));
    if (this.list.dataset.key === key) return;
    this.list.dataset.key = key;
    const held = this.list.contains(document.activeElement) ? document.activeElement.dataset.item : null;
    const empty = el("p", { class: "empty" }, t("nothing_drawn"));
    this.list.replaceChildren(el("h2", {}, t("items")), rows.length ? el("ul", {}, rows) : empty);
    if (held) this.list.querySelector(`[data-item="${held}"]`)?.focus();
  }

  select(item) {
    this.sheet.select(item.key === this.sheet.selected ? null : item.key);
    this.changed();
  }

  showCounts() {
    for (const line of this.page.state?.lines ?? []) {
      const place = this.list.querySelector(`[data-of="${CSS.escape(line.id)}"]`);
      if (place) setText(place, `${t("in")} ${line.live.in} · ${t("out")} ${line.live.out}`);
    }
  }

  // Built anew only when another item is shown or what is not typed here has changed.
  showForm() {
    const { item } = this.sheet;
    this.form.hidden = !item;
    const key = item && JSON.stringify([item.key, item.fresh, item.rest.in, item.rest.kind, this.sheet.revision, this.sheet.errors]);
    if (!item || this.form.dataset.key === key) return;
    this.form.dataset.key = key;
    const held = this.form.contains(document.activeElement) ? document.activeElement.id : null;
    this.form.replaceChildren(el("h2", {}, t(`kind_${item.kind}`)), ...this[item.kind](item), this.actions(item));
    if (held) document.getElementById(held)?.focus();
  }

  line(item) {
    const way = el("p", { class: "way" }, t("way", item.rest.in));
    const flip = button(t("flip"), "second", () => this.edit(() => this.sheet.flip(item)), "flip", { id: "flip" });
    const choices = ["public", "staff"].map((value) => [value, t(`audience_${value}`)]);
    return [
      this.text(item, "name", t("name"), t("name_line")),
      el("div", { class: "field" }, el("span", { class: "label" }, t("entry")), way, el("p", { class: "hint" }, t("entry_hint")), flip),
      this.choice(item, "audience", t("audience"), choices),
      this.findings,
      this.id(item),
    ];
  }

  zone(item) {
    const choices = ["plain", "queue", "activity"].map((value) => [value, t(`zone_${value}`)]);
    const windows = item.rest.kind === "activity" ? this.windows(item) : null;
    return [
      this.text(item, "name", t("name"), t("name_zone")),
      this.choice(item, "kind", t("zone_kind"), choices),
      windows,
      this.id(item),
    ].filter(Boolean);
  }

  mask() {
    return [el("p", { class: "hint" }, t("mask_note"))];
  }

  text(item, field, words, example) {
    const input = el("input", { id: `item-${field}`, maxlength: 120, placeholder: example, value: item.rest[field] ?? "", autocomplete: "off" });
    input.addEventListener("input", () => {
      item.rest[field] = input.value;
      this.changed();
    });
    input.addEventListener("focus", () => this.sheet.keep());
    return el("div", { class: "field" }, el("label", { for: input.id }, words), input);
  }

  choice(item, field, words, choices) {
    const now = item.rest[field] ?? choices[0][0];
    const options = choices.map(([value, name]) => el("option", { value, selected: value === now }, name));
    const select = el("select", { id: `item-${field}` }, options);
    select.addEventListener("change", () => this.edit(() => this.pick(item, field, select.value)));
    return el("div", { class: "field" }, el("label", { for: select.id }, words), select);
  }

  pick(item, field, value) {
    item.rest[field] = value;
    if (field === "kind" && value !== "activity") delete item.rest.windows;
  }

  windows(item) {
    const input = el("input", { id: "item-windows", placeholder: t("windows_hint"), value: (item.rest.windows ?? []).join(", "), autocomplete: "off" });
    input.addEventListener("change", () => this.edit(() => (item.rest.windows = input.value.split(/[,，、;；\s]+/).filter(Boolean))));
    return el("div", { class: "field" }, el("label", { for: input.id }, t("windows")), input, el("p", { class: "hint" }, t("windows_hint")));
  }

  // The id is in the records, so it is fixed once it is saved.
  id(item) {
    if (!item.fresh) {
      return el("details", { class: "field" }, el("summary", {}, `${t("id")}：${item.rest.id}`), el("p", { class: "hint" }, t("id_fixed")));
    }
    const wrong = this.sheet.errors.some(({ path }) => path.endsWith(".id") && this.sheet.itemAt(path) === item);
    return el("details", { class: "field", open: wrong }, el("summary", {}, `${t("id")}：${item.rest.id}`), this.text(item, "id", t("id"), ""), el("p", { class: "hint" }, t("id_new")));
  }

  // Apart from the form: its news must not disturb somebody who is typing.
  showDoctor() {
    const { item } = this.sheet;
    if (item?.kind !== "line") return;
    const about = this.doctor.about(item);
    const edited = this.sheet.isEdited(item);
    const key = JSON.stringify([document.documentElement.lang, item.key, item.points, item.rest.in, about]);
    if (this.findings.dataset.key === key) return;
    this.findings.dataset.key = key;
    const findings = about?.findings ?? [];
    const rows = findings.map((finding) => el("li", { class: finding.severity }, icon(finding.severity === "ok" ? "check" : "alert"), el("span", {}, said(finding))));
    const better = this.doctor.suggestionFor(item);
    const use = better && button(t("use_suggestion"), "second", () => this.adopt(better), null, { id: "use-suggestion" });
    const parts = [
      el("span", { class: "label" }, t("doctor")),
      about && edited ? el("p", { class: "hint" }, t("doctor_dirty")) : null,
      rows.length ? el("ul", {}, rows) : el("p", { class: "hint" }, t("doctor_wait")),
      ...[better, about?.no_suggestion].map((words) => words && el("p", { class: "hint" }, said(words))),
      use,
    ];
    this.findings.replaceChildren(...parts.filter(Boolean));
  }

  adopt(suggestion) {
    this.edit(() => {
      const { item } = this.sheet;
      item.points = suggestion.points.map(([x, y]) => [x, y]);
      item.rest.in = suggestion.in;
    });
    toast(t("suggested"));
  }

  actions(item) {
    const key = item.key;
    const add = button(t("add_point"), "small", () => this.edit(() => this.sheet.insertAfter(item, this.sheet.point)), "plus", { id: "add-point" });
    const drop = button(t("remove_point"), "small", () => this.edit(() => removePoint(this.sheet)), null, { id: "remove-point" });
    const remove = button(t("remove"), "danger", () => this.removeItem(item), "trash", { id: "remove-item" });
    return el("div", { class: "row actions", "data-key": key }, add, drop, remove);
  }

  removeItem(item) {
    toast(t("removed", this.sheet.title(item)), "warn");
    this.sheet.remove(item);
    this.changed();
  }

  edit(change) {
    this.sheet.keep();
    change();
    this.changed();
  }
}
