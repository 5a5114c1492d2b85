// Elements without a framework: `el` for HTML, `shape` for SVG, `icon` for the few signs used.
// No style attribute and no markup from strings: the page's CSP forbids the one, safety the other.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  check: "M5 12.5 10 17.5 19.5 7",
  alert: "M12 4 21.5 20H2.5ZM12 10v4.5M12 17.2v.3",
  pause: "M9 6v12M15 6v12",
  clock: "M12 3.5a8.5 8.5 0 1 0 .01 0ZM12 7.5V12l3 2",
  cloud: "M7 18a4 4 0 0 1-.5-8 6 6 0 0 1 11.3 1.2A3.5 3.5 0 0 1 17 18ZM4 4l16 17",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 9.2a2.8 2.8 0 1 0 .01 0Z",
  home: "M4 11.5 12 4.5 20 11.5V19.5H14.5V14.5H9.5V19.5H4Z",
  pen: "M4 20 5 15.5 16 4.5 19.5 8 8.5 19ZM13.5 7 17 10.5",
  hand: "M5 4v16M12 4v16M19 4v16M3 17 21 7",
  shield: "M12 3.5 19.5 6.5V12C19.5 16.5 16.2 19.3 12 20.8 7.8 19.3 4.5 16.5 4.5 12V6.5ZM8.8 12 11.2 14.4 15.4 9.8",
  flip: "M7 4v16M3.5 7.5 7 4 10.5 7.5M17 20V4M13.5 16.5 17 20 20.5 16.5",
  plus: "M12 5v14M5 12h14",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7 7.5 20h9L17.5 7M10.3 10.5v6M13.7 10.5v6",
  undo: "M8.5 5 4 9.5 8.5 14M4 9.5H14a5.5 5.5 0 0 1 0 11H9",
  out: "M14 4.5H5.5v15H14M10 12H20.5M16.5 8 20.5 12 16.5 16",
};

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function shape(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

export function icon(name) {
  const path = shape("path", { d: ICONS[name] });
  return shape("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, path);
}

export function button(words, kind, onclick, sign = null, attributes = {}) {
  const content = [sign ? icon(sign) : null, el("span", {}, words)];
  return el("button", { type: "button", class: `button ${kind}`, onclick, ...attributes }, content);
}

// Write a text only where it changed, so that a screen reader is not made to repeat it.
export function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = text;
}

let hiding = 0;

export function hush() {
  document.getElementById("toast").classList.remove("shown");
}

export function toast(words, tone = "good") {
  const place = document.getElementById("toast");
  place.className = `shown ${tone}`;
  place.textContent = words;
  clearTimeout(hiding);
  hiding = setTimeout(hush, 6000);
}
