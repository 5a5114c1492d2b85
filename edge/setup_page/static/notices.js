// What stands above every view: no contact with the device, and a config that is not in force, or not all of it.

import { el, icon } from "/static/dom.js";
import { said, t } from "/static/i18n.js";

// Poll answers take a moment; nobody has to hear of a single late one.
const SILENT_MS = 4000;
const SETTING = /^[\w.[\]-]+$/; // what is wrong may also be "the file"

export function notices(place, page) {
  const shown = [];
  const silent = page.silentSince ? Date.now() - page.silentSince : 0;
  if (silent > SILENT_MS) shown.push(["lost", isOver(page.state) ? t("page_closed") : t("lost", Math.round(silent / 1000)), []]);
  const errors = page.state?.config?.errors ?? [];
  if (errors.length) shown.push(["broken", t("broken_title"), errors]);
  const waits = page.state?.config?.waits ?? [];
  if (waits.length && !errors.length) shown.push(["waits", t("waits", waits.join(", ")), []]);
  const key = JSON.stringify([document.documentElement.lang, shown]);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  place.replaceChildren(...shown.map(([kind, title, list]) => notice(kind, title, list)));
}

// The page closes itself after a while; then nothing is wrong with the device.
function isOver(state) {
  return state !== null && new Date(state.closes_at) <= new Date();
}

function notice(kind, title, errors) {
  const rows = errors.map((error) =>
    el(
      "li",
      {},
      error.line ? el("b", {}, t("broken_line", error.line)) : null,
      SETTING.test(error.path) ? el("code", {}, error.path) : null,
      el("span", { class: "why" }, said(error)),
    ),
  );
  const words = [el("strong", {}, title)];
  if (errors.length) words.push(el("ul", { class: "config-errors" }, rows), el("p", {}, t("broken_goes_on")));
  return el("div", { class: `notice ${kind}` }, icon({ lost: "cloud", broken: "alert", waits: "clock" }[kind]), el("div", {}, words));
}
