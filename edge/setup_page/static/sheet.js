// What is being drawn: items, the selected one, undo, and what of it is not saved.
// It outlives the view and a log-out, so that nobody loses a drawing.

import * as shapes from "/static/shapes.js";
import { t } from "/static/i18n.js";

const MOST_UNDO = 100;
const FIELDS = { line: "points", zone: "polygon", mask: null };

export class Sheet {
  constructor() {
    this.items = [];
    this.selected = null; // the key of an item
    this.point = 0; // of the selected item
    this.aspect = 16 / 9;
    this.hash = null;
    this.errors = [];
    this.past = [];
    this.base = '{"lines": []}'; // the body as the file has it
    this.keys = 0;
    this.revision = 0; // rises when items are replaced by others: load and undo
  }

  get loaded() {
    return this.hash !== null;
  }

  get dirty() {
    return this.loaded && JSON.stringify(this.body()) !== this.base;
  }

  get item() {
    return this.items.find(({ key }) => key === this.selected) ?? null;
  }

  load(drawings) {
    const take = (kind) => (raw) => this.itemFrom(kind, raw);
    this.hash = drawings.hash;
    this.aspect = drawings.aspect ?? this.aspect;
    this.items = [
      ...drawings.lines.map(take("line")),
      ...drawings.zones.map(take("zone")),
      ...drawings.masks.map(take("mask")),
    ];
    this.saved();
    this.past = [];
    this.selected = null;
    this.revision += 1;
    this.saved(this.body());
  }

  // This body is now what the file says.
  saved(body) {
    for (const item of this.items) item.fresh = false;
    this.errors = [];
    this.base = JSON.stringify(body);
  }

  // Whether a line is drawn otherwise than the file has it.
  isEdited({ rest, points }) {
    const kept = JSON.parse(this.base).lines.find(({ id }) => id === rest.id);
    return JSON.stringify([kept?.points, kept?.in]) !== JSON.stringify([points, rest.in]);
  }

  itemFrom(kind, raw) {
    const { [FIELDS[kind]]: outline, ...rest } = kind === "mask" ? {} : raw;
    const points = (kind === "mask" ? raw : outline).map(([x, y]) => [x, y]);
    return { key: `k${(this.keys += 1)}`, kind, fresh: false, points, rest };
  }

  // The body of PUT /api/drawings; fields this page does not know go back as they came.
  body() {
    const of = (kind) => this.items.filter((item) => item.kind === kind);
    return {
      lines: of("line").map(({ rest, points }) => ({ ...rest, points })),
      zones: of("zone").map(({ rest, points }) => ({ ...rest, polygon: points })),
      masks: of("mask").map(({ points }) => points),
    };
  }

  keep() {
    const snapshot = JSON.stringify(this.items);
    if (this.past.at(-1) === snapshot) return;
    this.past.push(snapshot);
    if (this.past.length > MOST_UNDO) this.past.shift();
  }

  undo() {
    const now = JSON.stringify(this.items);
    let before = this.past.pop();
    if (before === now) before = this.past.pop();
    if (before === undefined) return false;
    this.items = JSON.parse(before);
    this.revision += 1;
    this.errors = [];
    if (!this.item) this.selected = null;
    this.point = 0;
    return true;
  }

  add(kind, points) {
    this.keep();
    const item = { key: `k${(this.keys += 1)}`, kind, fresh: true, points, rest: {} };
    if (kind !== "mask") item.rest = { id: this.freeId(kind), name: "" };
    if (kind === "line") {
      const across = shapes.sine(points, "down") >= 0 ? 1 : -1;
      const upright = Math.abs(shapes.sine(points, "down")) < Math.SQRT1_2;
      const side = upright ? shapes.sideOf(points, "right") : across;
      item.rest.in = shapes.wordFor(points, side);
    }
    if (kind === "zone") item.rest.kind = "plain";
    this.items.push(item);
    this.select(item.key);
    return item;
  }

  freeId(kind) {
    const taken = new Set(this.items.map(({ rest }) => rest.id));
    let n = 1;
    while (taken.has(`${kind}-${n}`)) n += 1;
    return `${kind}-${n}`;
  }

  select(key, point = 0) {
    this.selected = key;
    this.point = point;
  }

  // Change the points of an item; a line keeps the side people enter by.
  reshape(item, points) {
    if (item.kind === "line" && shapes.sine(item.points, item.rest.in) !== 0) {
      const side = shapes.sideOf(item.points, item.rest.in);
      item.rest.in = shapes.wordFor(points, side, item.rest.in);
    }
    item.points = points;
  }

  movePoint(item, index, [x, y]) {
    const to = [shapes.rounded(x), shapes.rounded(y)];
    this.reshape(item, item.points.map((point, i) => (i === index ? to : point)));
  }

  insertAfter(item, index) {
    const next = item.points[index + 1] ?? (item.kind === "line" ? item.points[index - 1] : item.points[0]);
    const place = index + 1 < item.points.length || item.kind !== "line" ? index + 1 : index;
    const points = [...item.points];
    points.splice(place, 0, shapes.between(item.points[index], next));
    item.points = points;
    this.point = place;
  }

  removePoint(item, index) {
    if (item.points.length <= shapes.LEAST_POINTS[item.kind]) return false;
    this.reshape(item, item.points.filter((_, i) => i !== index));
    this.point = Math.max(0, index - 1);
    return true;
  }

  flip(item) {
    item.rest.in = shapes.opposite(item.rest.in);
  }

  remove(item) {
    this.keep();
    this.items = this.items.filter(({ key }) => key !== item.key);
    this.selected = null;
  }

  // What an item is called: its name or id; a mask has neither.
  title(item) {
    if (item.rest.name || item.rest.id) return item.rest.name || item.rest.id;
    const n = this.items.filter(({ kind }) => kind === item.kind).indexOf(item) + 1;
    return t("unit", t(`kind_${item.kind}`), n);
  }

  // The item an error's path such as `lines[0].points` or `camera.masks[1]` is about, or null.
  itemAt(path) {
    const found = /(line|zone|mask)s\[?\.?(\d+)/.exec(path ?? "");
    if (!found) return null;
    return this.items.filter(({ kind }) => kind === found[1])[Number(found[2])] ?? null;
  }
}
