// What the page asks of the device. Every failure is an ApiError that can be told in words.

import { language, t } from "/static/i18n.js";

const LIMIT_MS = 10000;
let token = null;
let whenLoggedOut = () => {};

export class ApiError extends Error {
  constructor(status, body) {
    super(`${status}`);
    this.status = status; // 0: the device did not answer at all
    this.body = body ?? {};
  }

  words() {
    return this.body.error?.[language()] ?? (this.status ? t("refused", this.status) : t("no_answer"));
  }
}

export function onLoggedOut(handler) {
  whenLoggedOut = handler;
}

export async function session() {
  const found = await call("GET", "/api/session");
  token = found.csrf;
  return found;
}

export async function call(method, path, body) {
  const response = await send(method, path, body);
  if (response.ok) return response.status === 204 ? null : response.json();
  const said = await response.json().catch(() => null);
  if (response.status === 401 && path !== "/api/login") whenLoggedOut();
  throw new ApiError(response.status, said);
}

// The pixelated still as a picture to be painted, or the ApiError why there is none.
export async function still() {
  const response = await send("GET", "/api/still");
  if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => null));
  return createImageBitmap(await response.blob());
}

async function send(method, path, body) {
  const headers = {};
  if (method !== "GET" && token) headers["X-CSRF-Token"] = token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(LIMIT_MS),
    });
  } catch {
    throw new ApiError(0, null);
  }
}
