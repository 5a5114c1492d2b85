// Chinese unless the browser or the reader asks for English; the choice stays on this browser.

import { en } from "/static/texts_en.js";
import { zh } from "/static/texts_zh.js";

const TEXTS = { zh, en };
const KEY = "lobbycount-language";
let now = chosen();

function chosen() {
  const kept = localStorage.getItem(KEY);
  if (kept in TEXTS) return kept;
  const known = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  return known.find((tag) => tag in TEXTS) ?? "zh";
}

export function language() {
  return now;
}

export function choose(wanted) {
  now = wanted;
  localStorage.setItem(KEY, wanted);
  markDocument();
}

export function markDocument() {
  document.documentElement.lang = now === "zh" ? "zh-CN" : "en";
  document.title = t("title");
}

// A text is a string, or a function of what stands in it.
export function t(name, ...values) {
  const text = TEXTS[now][name];
  return typeof text === "function" ? text(...values) : text;
}

// What the device says in both languages: {zh, en}, or {zh, text} of a mistake in the config.
export function said(words) {
  return words?.[now] ?? words?.text ?? words?.zh ?? words?.en ?? "";
}

export function clock(iso, seconds = false) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (seconds) options.second = "2-digit";
  return new Date(iso).toLocaleTimeString(now === "zh" ? "zh-CN" : "en-GB", options);
}
