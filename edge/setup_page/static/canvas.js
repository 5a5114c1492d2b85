// The picture with what is drawn over it: an SVG over a canvas, for mouse, finger and keyboard.

import { CanvasKeys } from "/static/canvas_keys.js";
import { shape } from "/static/dom.js";
import { t } from "/static/i18n.js";
import * as shapes from "/static/shapes.js";
import { drawItem, drawSketch } from "/static/marks.js";

const TAP_PX = 8;
const CLOSE_PX = 22;

export class Canvas {
  // onchange: something was drawn or selected. onadding: adding began or ended.
  constructor(sheet, { onchange, onadding }) {
    this.sheet = sheet;
    this.onchange = onchange;
    this.onadding = onadding;
    this.adding = null; // {kind, points} while something new is drawn
    this.drag = null;
    this.ghost = null; // a suggestion of the line doctor: {points, in}
    this.svg = shape("svg", { class: "marks", role: "group", "aria-label": t("picture") });
    this.svg.addEventListener("pointerdown", (event) => this.press(event));
    this.svg.addEventListener("pointermove", (event) => this.move(event));
    this.svg.addEventListener("pointerup", (event) => this.release(event));
    this.svg.addEventListener("pointercancel", () => this.cancelDrag());
    this.svg.addEventListener("touchstart", (event) => event.target.dataset.key && event.preventDefault(), { passive: false });
    const keys = new CanvasKeys(this);
    this.svg.addEventListener("keydown", (event) => keys.press(event));
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  draw() {
    const size = this.size();
    if (!size.width) return;
    const active = document.activeElement;
    const held = this.svg.contains(active) ? active.dataset : null;
    const others = this.sheet.items.filter((item) => item.key !== this.sheet.selected);
    const order = [...others, this.sheet.item].filter(Boolean);
    this.svg.replaceChildren(...order.map((item) => drawItem(this.sheet, item, size)));
    if (this.adding) this.svg.append(drawSketch(this.adding, size));
    if (this.ghost) this.svg.append(drawSketch({ kind: "line", ...this.ghost }, size, "ghost"));
    this.svg.classList.toggle("adding", Boolean(this.adding));
    if (held) this.focus(held.key, held.role === "body" ? null : this.sheet.point);
  }

  focus(key, point) {
    const which = point === null ? "[data-role=body]" : `[data-role=handle][data-point="${point}"]`;
    this.svg.querySelector(`${which}[data-key="${key}"]`)?.focus({ preventScroll: true });
  }

  size() {
    const { width, height } = this.svg.getBoundingClientRect();
    return { width, height };
  }

  where(event) {
    const { left, top, width, height } = this.svg.getBoundingClientRect();
    return [shapes.rounded((event.clientX - left) / width), shapes.rounded((event.clientY - top) / height)];
  }

  apart([x0, y0], [x1, y1]) {
    const { width, height } = this.size();
    return Math.hypot((x1 - x0) * width, (y1 - y0) * height);
  }

  begin(kind) {
    this.adding = kind ? { kind, points: [], to: null } : null;
    if (kind) this.sheet.select(null);
    this.changed();
    this.onadding();
  }

  finish(points) {
    const { kind } = this.adding;
    this.adding = null;
    const item = this.sheet.add(kind, points);
    this.changed();
    this.onadding();
    return item;
  }

  // For those who cannot or do not want to drag: it starts in the middle, its first point focused.
  finishInMiddle() {
    const middle = this.adding.kind === "line" ? [[0.3, 0.5], [0.7, 0.5]] : shapes.box([0.35, 0.35], [0.65, 0.65]);
    const item = this.finish(middle);
    this.focus(item.key, 0);
  }

  press(event) {
    if (event.button !== 0 || this.drag) return;
    const at = this.where(event);
    const { role, key, point } = event.target.dataset;
    const drag = { at, last: at, id: event.pointerId, moved: false, role: this.adding ? "new" : role };
    if (this.adding) this.adding.to = at;
    else if (!key) return this.choose(null);
    else this.grab(drag, key, Number(point ?? 0));
    this.drag = drag;
    this.svg.setPointerCapture(event.pointerId);
    event.preventDefault();
    // Not before the touch that follows has found what was pressed: else the page scrolls instead.
    requestAnimationFrame(() => this.grabbed(drag));
  }

  grabbed(drag) {
    this.changed();
    if (!this.adding) this.focus(this.sheet.selected, drag.role === "body" ? null : this.sheet.point);
  }

  choose(key) {
    this.sheet.select(key);
    this.changed();
  }

  grab(drag, key, point) {
    this.sheet.keep();
    this.sheet.select(key, point);
    if (drag.role === "middle") {
      this.sheet.insertAfter(this.sheet.item, point);
      drag.role = "handle";
    }
    drag.from = this.sheet.item.points;
  }

  move(event) {
    const drag = this.drag;
    if (drag?.id !== event.pointerId) return;
    const at = this.where(event);
    if (!drag.moved && this.apart(at, drag.at) < TAP_PX) return;
    drag.moved = true;
    const item = this.sheet.item;
    if (drag.role === "new") this.adding.to = at;
    else if (drag.role === "handle") this.sheet.movePoint(item, this.sheet.point, at);
    else this.sheet.reshape(item, shapes.moved(drag.from, at[0] - drag.at[0], at[1] - drag.at[1]));
    if (drag.role === "new") this.adding.box = drag.at;
    this.changed();
  }

  release(event) {
    const drag = this.drag;
    if (drag?.id !== event.pointerId) return;
    this.drag = null;
    if (drag.role === "new") this.placed(drag, this.where(event));
    this.changed();
  }

  // A drag draws a whole line or box; taps set one point after the other.
  placed(drag, at) {
    const { kind, points } = this.adding;
    Object.assign(this.adding, { to: null, box: null });
    if (drag.moved && !points.length) {
      this.finish(kind === "line" ? [drag.at, at] : shapes.box(drag.at, at));
      return;
    }
    if (points.length >= 3 && this.apart(points[0], at) < CLOSE_PX) {
      this.finish(points);
      return;
    }
    points.push(at);
    if (kind === "line" && points.length === 2) this.finish(points);
    else this.onadding();
  }

  cancelDrag() {
    if (this.drag && this.drag.role !== "new") this.sheet.undo();
    if (this.adding) Object.assign(this.adding, { to: null, box: null });
    this.drag = null;
    this.changed();
  }

  changed() {
    this.draw();
    this.onchange();
  }
}
