// What the device sees and what not, for a visitor who asks; the statement itself is made by the device.

import { el, icon } from "/static/dom.js";
import { language, t } from "/static/i18n.js";

export class Privacy {
  constructor() {
    const list = (kind, names) =>
      el("section", { class: `card promise ${kind}` }, el("h2", {}, t(kind)), el("ul", {}, names.map((name) => el("li", {}, t(name)))));
    const link = (href, sign, name) => el("a", { class: "button second", href, target: "_blank", rel: "noopener" }, icon(sign), el("span", {}, t(name)));
    this.node = el(
      "div",
      { class: "stack" },
      el("h1", {}, t("privacy_title")),
      el("div", { class: "grid two" }, list("sees", ["sees_1", "sees_2", "sees_3"]), list("not", ["not_1", "not_2", "not_3", "not_4"])),
      el("p", { class: "row" }, link(`/privacy?lang=${language()}`, "shield", "statement"), link(`/sign?lang=${language()}`, "eye", "sign")),
    );
  }
}
