// The page: who is logged in, which view is shown, and what the device last said of itself.

import { ApiError, call, onLoggedOut, session } from "/static/api.js";
import { button, el, hush, icon, toast } from "/static/dom.js";
import { Draw } from "/static/draw.js";
import { choose, language, markDocument, t } from "/static/i18n.js";
import { Login } from "/static/login.js";
import { notices } from "/static/notices.js";
import { Overview } from "/static/overview.js";
import { Privacy } from "/static/privacy.js";
import { Sheet } from "/static/sheet.js";
import { Tally } from "/static/tally.js";

const POLL_MS = 1500;
const TICK_MS = 1000;
const VIEWS = {
  overview: [Overview, "home"],
  draw: [Draw, "pen"],
  tally: [Tally, "hand"],
  privacy: [Privacy, "shield"],
};

// What every view is given. `state` is what /api/state said at `heardAt`.
const page = {
  session: null,
  state: null,
  heardAt: 0,
  silentSince: null,
  sheet: new Sheet(),
  poll,
};
let view = null;
let banner = null;
let polling = false;

function wanted() {
  const name = location.hash.slice(1);
  return name in VIEWS ? name : "overview";
}

function show() {
  view?.leave?.();
  hush();
  markDocument();
  const inside = page.session.logged_in;
  const name = inside ? wanted() : "login";
  view = inside ? new VIEWS[name][0](page) : new Login(page, enter);
  banner = el("div", { class: "notices", role: "alert" });
  const main = el("main", { id: "content", tabindex: "-1" }, banner, view.node);
  const frame = [head(inside, name), main, inside ? nav(name, "bottom") : null];
  document.getElementById("app").replaceChildren(...frame.filter(Boolean));
  document.body.dataset.view = name;
  scrollTo(0, 0);
  refresh();
  view.entered?.();
}

function head(inside, name) {
  const { device } = page.session;
  const other = language() === "zh" ? "en" : "zh";
  const switcher = el("button", { type: "button", class: "quiet", lang: other === "zh" ? "zh-CN" : "en", onclick: () => (choose(other), show()) }, t("other_language"));
  const leave = button(t("logout"), "quiet", logOut, "out", { title: t("logout"), class: "quiet leave" });
  return el(
    "header",
    { class: "head" },
    el("a", { class: "skip", href: "#content", onclick: skip }, t("skip")),
    el("div", { class: "who" }, el("strong", {}, device?.name || t("product")), el("span", {}, device?.id ?? "")),
    inside ? nav(name, "top") : null,
    el("div", { class: "tools" }, switcher, inside ? leave : null),
  );
}

function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

function nav(name, place) {
  const links = Object.entries(VIEWS).map(([key, [, sign]]) =>
    el("a", { href: `#${key}`, "aria-current": key === name ? "page" : null }, icon(sign), el("span", {}, t(`nav_${key}`))),
  );
  return el("nav", { class: `nav ${place}`, "aria-label": t("title") }, links);
}

function refresh() {
  notices(banner, page);
  view?.update?.();
}

async function enter() {
  page.session = await session();
  show();
  await poll();
}

async function logOut() {
  try {
    await call("POST", "/api/logout");
  } catch (error) {
    toast(error.words(), "bad");
    if (error.status !== 401) return;
  }
  await outside("login_bye");
}

async function outside(message) {
  page.state = null;
  page.session = { ...page.session, logged_in: false };
  page.farewell = message;
  show();
  page.session = await session().catch(() => page.session);
  if (page.session.logged_in) show();
}

async function poll() {
  if (polling || document.hidden || !page.session?.logged_in) return;
  polling = true;
  try {
    page.state = await call("GET", "/api/state");
    page.heardAt = Date.now();
    page.silentSince = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 401) page.silentSince ??= Date.now();
  } finally {
    polling = false;
  }
  refresh();
}

// The first word with the device: it is asked again until it answers.
async function start() {
  markDocument();
  try {
    await enter();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    document.getElementById("app").replaceChildren(el("p", { class: "booting" }, error.words()));
    setTimeout(start, 2 * POLL_MS);
  }
}

onLoggedOut(() => page.session?.logged_in && outside("login_again"));
addEventListener("hashchange", () => page.session && show());
addEventListener("beforeunload", (event) => page.sheet.dirty && event.preventDefault());
document.addEventListener("visibilitychange", poll);
setInterval(poll, POLL_MS);
setInterval(() => page.session?.logged_in && refresh(), TICK_MS);
start();
