// Pure geometry of what is drawn; points are [x, y] in shares of the picture, as in the config.
// `side` is +1 when people who enter pass from the left to the right of the way from the first
// to the last point as seen on the screen, −1 for the other way: edge/config_drawings.py.

const HEADING = { up: [0, -1], down: [0, 1], left: [-1, 0], right: [1, 0] };
const OPPOSITE = { up: "down", down: "up", left: "right", right: "left" };
const CLEAR_SINE = 0.35; // below it a word still holds but is no longer what people would say

export const LEAST_POINTS = { line: 2, zone: 3, mask: 3 };

export function opposite(word) {
  return OPPOSITE[word];
}

export function sine(points, word) {
  const [[x0, y0], [x1, y1]] = [points[0], points.at(-1)];
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = Math.hypot(dx, dy);
  return length ? (dx * HEADING[word][1] - dy * HEADING[word][0]) / length : 0;
}

export function sideOf(points, word) {
  return sine(points, word) > 0 ? 1 : -1;
}

// The word for a side: the present one while it is clear, else the one most across the line.
export function wordFor(points, side, present) {
  if (present && sine(points, present) * side >= CLEAR_SINE) return present;
  const across = (word) => sine(points, word) * side;
  return Object.keys(HEADING).reduce((best, word) => (across(word) > across(best) ? word : best));
}

export function rounded(share) {
  return Math.round(Math.min(1, Math.max(0, share)) * 1000) / 1000;
}

export function moved(points, dx, dy) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const sx = Math.min(1 - Math.max(...xs), Math.max(-Math.min(...xs), dx));
  const sy = Math.min(1 - Math.max(...ys), Math.max(-Math.min(...ys), dy));
  return points.map(([x, y]) => [rounded(x + sx), rounded(y + sy)]);
}

export function box([x0, y0], [x1, y1]) {
  return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]].map(([x, y]) => [rounded(x), rounded(y)]);
}

export function between([x0, y0], [x1, y1]) {
  return [rounded((x0 + x1) / 2), rounded((y0 + y1) / 2)];
}

export function centre(points) {
  const sum = points.reduce(([x, y], [px, py]) => [x + px, y + py], [0, 0]);
  return sum.map((value) => value / points.length);
}

// Halfway along a polyline: where, and the unit vector to its right as seen on the screen.
export function halfway(points) {
  const steps = points.slice(1).map(([x, y], i) => Math.hypot(x - points[i][0], y - points[i][1]));
  let left = steps.reduce((sum, step) => sum + step, 0) / 2;
  const i = Math.max(0, steps.findIndex((step) => (left -= step) <= 0));
  const [[x0, y0], [x1, y1]] = [points[i], points[i + 1]];
  const length = steps[i] || 1;
  const along = steps[i] ? (steps[i] + left) / steps[i] : 0;
  return {
    at: [x0 + (x1 - x0) * along, y0 + (y1 - y0) * along],
    right: [-(y1 - y0) / length, (x1 - x0) / length],
  };
}
