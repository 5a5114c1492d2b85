// Drawing without a mouse: arrows move what has the focus, a point or a whole item.

import { toast } from "/static/dom.js";
import { t } from "/static/i18n.js";
import * as shapes from "/static/shapes.js";

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEP = 0.01;
const BIG_STEP = 0.05;

export class CanvasKeys {
  constructor(canvas) {
    this.canvas = canvas;
    this.sheet = canvas.sheet;
  }

  press(event) {
    const { role, key, point } = event.target.dataset;
    if (!key || this.canvas.adding) return;
    const taken = role === "body" ? this.onBody(event, key) : this.onPoint(event, Number(point));
    if (!taken) return;
    event.preventDefault();
    this.canvas.changed();
  }

  onBody(event, key) {
    if (event.key === "Enter" || event.key === " ") {
      this.canvas.choose(key);
      this.canvas.focus(key, 0);
    } else if (event.key in STEPS) {
      const [dx, dy] = step(event);
      const item = this.sheet.items.find((one) => one.key === key);
      this.sheet.keep();
      this.sheet.reshape(item, shapes.moved(item.points, dx, dy));
    } else return event.key === "Escape" && this.letGo();
    return true;
  }

  onPoint(event, index) {
    const item = this.sheet.item;
    this.sheet.point = index;
    if (event.key in STEPS) {
      const [dx, dy] = step(event);
      const [x, y] = item.points[index];
      this.sheet.keep();
      this.sheet.movePoint(item, index, [x + dx, y + dy]);
    } else if (event.key === "Insert" || event.key === "+") {
      this.sheet.keep();
      this.sheet.insertAfter(item, index);
    } else if (event.key === "Delete" || event.key === "Backspace") removePoint(this.sheet);
    else return event.key === "Escape" && this.letGo();
    return true;
  }

  letGo() {
    const key = this.sheet.selected;
    this.sheet.select(null);
    this.canvas.draw();
    this.canvas.focus(key, null);
    return true;
  }
}

// The selected point goes, unless too few would be left.
export function removePoint(sheet) {
  sheet.keep();
  if (!sheet.removePoint(sheet.item, sheet.point)) toast(t("few_points"), "bad");
}

function step(event) {
  const size = event.shiftKey ? BIG_STEP : STEP;
  return STEPS[event.key].map((way) => way * size);
}
