// What the line doctor found about the lines that count now, and the line it suggests.

import { ApiError, call } from "/static/api.js";

const ASK_MS = 10000;

export class Doctor {
  constructor(onnews) {
    this.onnews = onnews;
    this.found = null; // the answer of /api/doctor
    this.shown = false; // whether the suggestion of the selected line is drawn
    this.askedAt = 0;
    this.stopped = false;
  }

  stop() {
    this.stopped = true;
  }

  // Called with every tick; asks now and then. A device that does not answer is told elsewhere.
  async ask() {
    if (Date.now() - this.askedAt < ASK_MS) return;
    this.askedAt = Date.now();
    try {
      this.found = await call("GET", "/api/doctor");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.found = null;
    }
    if (!this.stopped) this.onnews();
  }

  about(item) {
    if (item?.kind !== "line" || item.fresh) return null;
    return this.found?.lines.find(({ id }) => id === item.rest.id) ?? null;
  }

  // The suggested line, unless it is drawn already.
  suggestionFor(item) {
    const found = this.about(item)?.suggestion;
    return found && JSON.stringify(found.points) !== JSON.stringify(item.points) ? found : null;
  }
}
