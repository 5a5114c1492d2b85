// How lines, zones and masks look: SVG in the pixels of the place they are drawn in.

import { shape } from "/static/dom.js";
import { t } from "/static/i18n.js";
import * as shapes from "/static/shapes.js";

const ARROW_PX = 40;
const LABEL_PX = 60;
const LABEL_MORE_PX = 18;
const ASIDE_PX = 26;
const NAME_PX = 26;
const HEAD_PX = 11;

const scaled = (points, { width, height }) => points.map(([x, y]) => [x * width, y * height]);
const text = (points) => points.map((point) => point.map((value) => value.toFixed(1)).join(",")).join(" ");

export function drawItem(sheet, item, size) {
  const selected = item.key === sheet.selected;
  const wrong = sheet.errors.some(({ path }) => sheet.itemAt(path) === item);
  const group = shape("g", {
    class: `mark ${item.kind}${selected ? " selected" : ""}${wrong ? " wrong" : ""}${item.rest.audience === "staff" ? " staff" : ""}`,
  });
  const points = scaled(item.points, size);
  group.append(...outline(sheet, item, points));
  if (item.kind === "line") {
    const side = shapes.sideOf(item.points, item.rest.in);
    group.append(...arrow(points, side, size), nameBehind(sheet.title(item), points, side, size));
  } else group.append(label(sheet.title(item), shapes.centre(points), size, "caption"));
  if (selected) group.append(...middles(item, points), ...handles(sheet, item, points));
  return group;
}

// What is being added, or a suggestion: dashed, not yet anything.
export function drawSketch({ kind, points, to, box, in: word }, size, look = "sketch") {
  let path = to ? [...points, to] : points;
  if (box && kind !== "line") path = shapes.box(box, to);
  if (box && kind === "line") path = [box, to];
  const drawn = scaled(path, size);
  const group = shape("g", { class: `mark ${kind} ${look}` });
  group.append(shape(kind === "line" || drawn.length < 3 ? "polyline" : "polygon", { class: "ink", points: text(drawn) }));
  if (word) group.append(...pointer(drawn, shapes.sideOf(points, word)));
  group.append(...drawn.map(([cx, cy]) => shape("circle", { class: "dot", cx, cy, r: 5 })));
  if (word) group.append(label(t("suggestion"), [drawn[0][0], drawn[0][1] + NAME_PX], size, "way-in"));
  return group;
}

function outline(sheet, item, points) {
  const tag = item.kind === "line" ? "polyline" : "polygon";
  const drawn = { points: text(points) };
  return [
    shape(tag, { class: "casing", ...drawn }),
    shape(tag, { class: "ink", ...drawn }),
    shape(tag, {
      class: "hit",
      ...drawn,
      tabindex: 0,
      role: "button",
      "aria-label": `${t(`kind_${item.kind}`)} ${sheet.title(item)}`,
      "data-role": "body",
      "data-key": item.key,
    }),
  ];
}

function arrow(points, side, size) {
  const { at, right } = shapes.halfway(points);
  const [dx, dy] = right.map((value) => value * side);
  const away = LABEL_PX + LABEL_MORE_PX * Math.abs(dx); // a label is wider than high
  const beyond = [at[0] + dx * away, at[1] + dy * away];
  const room = [Math.min(beyond[0], size.width - beyond[0]), Math.min(beyond[1], size.height - beyond[1])];
  const fits = room[0] > 32 && room[1] > 15;
  const place = fits ? beyond : [at[0] + dx * ASIDE_PX + dy * LABEL_PX, at[1] + dy * ASIDE_PX - dx * LABEL_PX];
  return [...pointer(points, side), label("进 IN", place, size, "way-in")];
}

function pointer(points, side) {
  const { at, right } = shapes.halfway(points);
  const [dx, dy] = right.map((value) => value * side);
  const tip = [at[0] + dx * ARROW_PX, at[1] + dy * ARROW_PX];
  const wing = (turn) => [
    tip[0] - HEAD_PX * dx + turn * HEAD_PX * dy,
    tip[1] - HEAD_PX * dy - turn * HEAD_PX * dx,
  ];
  const path = `M${text([at])} L${text([tip])} M${text([wing(1)])} L${text([tip])} L${text([wing(-1)])}`;
  return [
    shape("path", { class: "arrow casing", d: path }),
    shape("path", { class: "arrow ink", d: path }),
  ];
}

// The name of a line, on the side people come from.
function nameBehind(words, points, side, size) {
  const { at, right } = shapes.halfway(points);
  return label(words, [at[0] - right[0] * side * NAME_PX, at[1] - right[1] * side * NAME_PX], size, "caption");
}

// A text on a plate, kept inside the picture.
function label(words, [x, y], { width, height }, look) {
  const wide = [...words].reduce((sum, letter) => sum + (letter > "\u2e80" ? 14 : 8), 16);
  const cx = Math.min(width - wide / 2 - 3, Math.max(wide / 2 + 3, x));
  const cy = Math.min(height - 15, Math.max(15, y));
  const plate = { x: cx - wide / 2, y: cy - 12, width: wide, height: 24, rx: 7 };
  const group = shape("g", { class: `label ${look}` }, shape("rect", plate));
  group.append(shape("text", { x: cx, y: cy, "text-anchor": "middle", "dominant-baseline": "central" }, words));
  return group;
}

function handles(sheet, item, points) {
  return points.map(([cx, cy], i) => {
    const [x, y] = item.points[i].map((share) => Math.round(share * 100));
    const words = t("handle", sheet.title(item), i + 1, points.length, x, y);
    const held = { "data-role": "handle", "data-key": item.key, "data-point": i };
    const group = shape("g", { class: `handle${i === sheet.point ? " active" : ""}` });
    group.append(
      shape("circle", { class: "hit", cx, cy, r: 22, tabindex: 0, role: "button", "aria-label": words, ...held }),
      shape("circle", { class: "dot", cx, cy, r: 9 }),
    );
    return group;
  });
}

// Small dots between the points: dragging one adds a point.
function middles(item, points) {
  const ends = item.kind === "line" ? points.slice(1) : [...points.slice(1), points[0]];
  return ends.map(([x1, y1], i) => {
    const [cx, cy] = [(points[i][0] + x1) / 2, (points[i][1] + y1) / 2];
    const held = { "data-role": "middle", "data-key": item.key, "data-point": i };
    const group = shape("g", { class: "middle" });
    group.append(shape("circle", { class: "hit", cx, cy, r: 14, ...held }), shape("circle", { class: "dot", cx, cy, r: 5 }));
    return group;
  });
}
