// The PIN, and in words why it was not taken and how long to wait.

import { call } from "/static/api.js";
import { el, icon, setText } from "/static/dom.js";
import { language, t } from "/static/i18n.js";

export class Login {
  constructor(page, enter) {
    this.enter = enter;
    this.waitUntil = Date.now() + 1000 * (page.session.retry_after_s ?? 0);
    this.pin = el("input", {
      id: "pin",
      class: "pin",
      inputmode: "numeric",
      autocomplete: "one-time-code",
      pattern: "[0-9]*",
      maxlength: 12,
      required: true,
      "aria-describedby": "pin-how pin-error",
    });
    this.error = el("p", { id: "pin-error", class: "error", role: "alert" });
    this.go = el("button", { class: "button primary wide" }, t("login_enter"));
    const form = el(
      "form",
      { class: "card login", novalidate: true, onsubmit: (event) => this.submit(event) },
      el("div", { class: "sign" }, icon("shield")),
      el("h1", {}, t("login_title")),
      page.farewell ? el("p", { class: "farewell" }, t(page.farewell)) : null,
      el("label", { for: "pin" }, t("login_pin")),
      this.pin,
      this.error,
      this.go,
      el("p", { id: "pin-how", class: "hint" }, t("login_how")),
    );
    page.farewell = null;
    const privacy = el("a", { class: "outside", href: `/privacy?lang=${language()}` }, icon("eye"), t("login_privacy"));
    this.node = el("div", { class: "narrow" }, form, privacy);
    this.timer = setInterval(() => this.count(), 500);
    this.count();
  }

  entered() {
    this.pin.focus();
  }

  leave() {
    clearInterval(this.timer);
  }

  // While one has to wait, the message counts down and the button stays off.
  count() {
    const left = Math.ceil((this.waitUntil - Date.now()) / 1000);
    this.go.disabled = left > 0;
    if (left > 0) setText(this.error, t("login_wait", left));
    else if (this.waiting) setText(this.error, "");
    this.waiting = left > 0;
  }

  async submit(event) {
    event.preventDefault();
    const pin = this.pin.value.replace(/\s/g, "");
    if (this.go.disabled) return;
    if (!pin) {
      setText(this.error, t("login_empty"));
      return;
    }
    this.go.disabled = true;
    try {
      await call("POST", "/api/login", { pin });
      await this.enter();
    } catch (error) {
      this.refused(error);
    }
  }

  refused(error) {
    this.go.disabled = false;
    setText(this.error, error.words());
    this.pin.select();
    this.pin.focus();
    if (error.status !== 429) return;
    this.waitUntil = Date.now() + 1000 * (error.body.retry_after_s ?? 1);
    this.count();
  }
}
