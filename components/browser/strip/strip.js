// A stack from its first slice to its last: a lane of bars for each map, a line for the probability, and over them a
// slider that says which slice is in view: pressed to, dragged, or moved with the arrow keys.

const NS = "http://www.w3.org/2000/svg";
const EDGE = { top: 10, right: 10, bottom: 24 };
const TALL = 62; // pixels of the first lane, which has a scale
const LOW = 30;
const APART = 10;
const REST = 350; // milliseconds after the last key until the slice is asked for
const FEW = 60; // slices of which each has a dot of its own

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".strip") ?? build(parentElement);
  const state = root.state;
  state.data = data;
  state.said = Math.max(state.said, data.heard);
  if (data.heard === state.said && !state.moving) state.at = data.at;
  state.report = (at) => {
    state.said += 1;
    setStateValue("slice", { at, number: state.said });
  };
  // While settings move, what is known of the other slices stands: it is not drawn again.
  const text = JSON.stringify({ ...data, at: 0, heard: 0 });
  if (text === state.drawn) return drawHandle(root);
  state.drawn = text;
  draw(root);
  if (state.table.open) fillTable(state);
}

function make(name, parent, attributes = {}) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function add(name, parent, text = "", className = "") {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
  return element;
}

function build(parent) {
  const root = add("div", parent, "", "strip");
  const said = add("p", root, "", "said");
  const svg = make("svg", root);
  const defs = make("defs", svg);
  const hatch = make("pattern", defs, {
    id: "strip-gap",
    width: 5,
    height: 5,
    patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)",
  });
  make("line", hatch, { x1: 0, y1: 0, x2: 0, y2: 5 });
  const lanes = make("g", svg, { class: "lanes" });
  const handle = make("g", svg, { class: "handle", tabindex: 0, role: "slider", "aria-orientation": "horizontal" });
  make("line", handle, { class: "grip" });
  make("line", handle, { class: "view" });
  make("path", handle, { class: "peak" });
  const legend = add("p", root, "", "legend");
  const table = add("details", root);
  add("summary", table, "As a table");
  add("div", table, "", "scroll");
  root.state = { said_line: said, svg, lanes, handle, legend, table, at: 0, said: 0, moving: false, hovered: null };
  listen(root);
  new ResizeObserver(() => root.state.data && draw(root)).observe(root);
  return root;
}

function listen(root) {
  const state = root.state;
  state.svg.addEventListener("pointerdown", (event) => {
    state.moving = true;
    state.svg.setPointerCapture(event.pointerId);
    state.handle.focus({ preventScroll: true });
    go(root, find(root, event));
  });
  state.svg.addEventListener("pointermove", (event) => {
    if (state.moving && state.svg.hasPointerCapture(event.pointerId)) go(root, find(root, event));
    else hover(root, find(root, event));
  });
  state.svg.addEventListener("pointerleave", () => hover(root, null));
  for (const name of ["pointerup", "pointercancel"]) state.svg.addEventListener(name, () => settle(state));
  state.handle.addEventListener("keydown", (event) => {
    const last = state.data.count - 1;
    const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? last : step && state.at + step;
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // the arrows mean other things to a presenter
    state.moving = true;
    go(root, findThere(state, Math.min(Math.max(to, 0), last), Math.sign(to - state.at) || 1));
    clearTimeout(state.resting);
    state.resting = setTimeout(() => settle(state), REST);
  });
  state.table.addEventListener("toggle", () => state.table.open && fillTable(state));
}

// A slice is asked for once the hand rests: each makes the page anew.
function settle(state) {
  if (!state.moving) return;
  state.moving = false;
  clearTimeout(state.resting);
  if (state.at !== state.data.at) state.report(state.at);
}

function go(root, at) {
  root.state.at = at;
  root.state.hovered = null;
  drawHandle(root);
}

function hover(root, at) {
  if (root.state.hovered === at) return;
  root.state.hovered = at;
  drawHandle(root);
}

// The slice itself, or the next one in that direction that is in the series; else the one before.
function findThere(state, at, direction) {
  const gone = new Set(state.data.missing);
  for (const way of [direction, -direction]) {
    for (let to = at; to >= 0 && to < state.data.count; to += way) if (!gone.has(to)) return to;
  }
  return state.at;
}

function find(root, event) {
  const state = root.state;
  const { left, width } = state.svg.getBoundingClientRect();
  const x = ((event.clientX - left) * state.width) / width; // on a slide it is drawn larger
  const at = Math.floor(((x - state.left) / (state.width - state.left - EDGE.right)) * state.data.count);
  return findThere(state, Math.min(Math.max(at, 0), state.data.count - 1), 1);
}

function draw(root) {
  const state = root.state;
  const { count, lanes, missing } = state.data;
  state.width = Math.max(root.clientWidth, 200);
  state.left = state.width < 520 ? 92 : 124;
  const wide = (state.width - state.left - EDGE.right) / Math.max(count, 1);
  state.x = (at) => state.left + at * wide;
  state.height = EDGE.top + lanes.reduce((sum, lane) => sum + tall(lane) + APART, 0);
  const height = state.height + EDGE.bottom;
  state.svg.setAttribute("width", state.width);
  state.svg.setAttribute("height", height);
  state.svg.classList.toggle("earlier", state.data.earlier);
  state.lanes.replaceChildren();
  let top = EDGE.top;
  for (const lane of lanes) {
    drawLane(state, lane, top, wide);
    top += tall(lane) + APART;
  }
  for (const [first, last] of join(missing)) {
    const at = { x: state.x(first), y: EDGE.top, width: state.x(last + 1) - state.x(first) };
    make("rect", state.lanes, { ...at, height: state.height - EDGE.top - APART, class: "gap" });
  }
  drawNumbers(state, wide);
  drawLegend(state);
  state.handle.setAttribute("aria-label", "Slice");
  state.handle.setAttribute("aria-valuemin", 1);
  state.handle.setAttribute("aria-valuemax", count);
  drawHandle(root);
}

const tall = (lane) => (lane.line ? TALL : LOW);

function drawLane(state, lane, top, wide) {
  const { count } = state.data;
  const height = tall(lane);
  const bottom = top + height;
  make("rect", state.lanes, { x: state.left, y: top, width: state.x(count) - state.left, height, class: "track" });
  const title = make("text", state.lanes, { x: state.left - 10, y: top + 11, "text-anchor": "end", class: "title" });
  title.textContent = lane.title;
  shorten(title, state.left - 14);
  if (lane.line) {
    for (const [share, name] of lane.scale) {
      const y = bottom - share * height;
      make("line", state.lanes, { x1: state.left, x2: state.x(count), y1: y, y2: y, class: "rule" });
      if (share === 1) continue; // its title stands there
      const text = make("text", state.lanes, { x: state.left - 10, y: y + (share ? 4 : 0), "text-anchor": "end" });
      text.textContent = name;
    }
    drawLine(state, lane, bottom, height, wide);
    return;
  }
  const broad = Math.max(wide - (wide > 4 ? 1 : 0), 1);
  lane.values.forEach((value, at) => {
    if (value === null) return;
    const high = Math.max(value * (height - 4), value > 0 ? 1 : 0);
    make("rect", state.lanes, { x: state.x(at), y: bottom - 3 - high, width: broad, height: high, class: "bar" });
  });
  for (const name of ["blank", "faint"]) {
    for (const at of lane[name]) {
      make("rect", state.lanes, { x: state.x(at), y: bottom - 3, width: Math.max(broad, 2), height: 3, class: name });
    }
  }
}

// Parted where slices are missing or not explained yet.
function drawLine(state, lane, bottom, height, wide) {
  let points = [];
  const end = () => {
    if (points.length > 1) make("polyline", state.lanes, { points: points.join(" "), class: "line" });
    points = [];
  };
  lane.values.forEach((value, at) => {
    if (value === null) return end();
    const [x, y] = [state.x(at) + wide / 2, bottom - value * height];
    points.push(`${x},${y}`);
    const alone = lane.values[at - 1] == null && lane.values[at + 1] == null;
    if (alone || state.data.count <= FEW) make("circle", state.lanes, { cx: x, cy: y, r: 2.5, class: "dot" });
  });
  end();
}

function drawNumbers(state, wide) {
  const { count } = state.data;
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((one) => one * wide >= 48) ?? count;
  const marked = Array.from({ length: Math.floor(count / step) }, (_, i) => (i + 1) * step);
  const near = (one, other) => Math.abs(one - other) * wide < 36;
  for (const number of new Set([1, ...marked.filter((one) => !near(one, 1) && !near(one, count)), count])) {
    const at = { x: state.x(number - 1) + wide / 2, y: state.height + 8, "text-anchor": "middle" };
    make("text", state.lanes, at).textContent = number;
  }
  make("text", state.lanes, { x: state.left - 10, y: state.height + 8, "text-anchor": "end" }).textContent = "Slice";
}

function drawLegend(state) {
  const { lanes, missing } = state.data;
  const said = [];
  if (lanes.some((lane) => lane.blank.length)) said.push(["blank", "blank map"]);
  if (lanes.some((lane) => lane.faint.length)) said.push(["faint", "almost blank beside the strongest slice"]);
  if (missing.length) said.push(["gap", "not in the series"]);
  state.legend.replaceChildren();
  for (const [name, text] of said) {
    const one = add("span", state.legend);
    add("i", one, "", name);
    one.append(text);
  }
  state.legend.hidden = !said.length;
}

function drawHandle(root) {
  const state = root.state;
  const { count } = state.data;
  const wide = (state.x(count) - state.left) / Math.max(count, 1);
  const x = state.x(state.at) + wide / 2;
  const bottom = state.height - APART;
  for (const line of state.handle.querySelectorAll("line")) {
    for (const [key, value] of Object.entries({ x1: x, x2: x, y1: EDGE.top - 2, y2: bottom })) line.setAttribute(key, value);
  }
  state.handle.querySelector("path").setAttribute("d", `M${x - 6},1 h12 l-6,8 z`);
  state.handle.setAttribute("aria-valuenow", state.at + 1);
  state.handle.setAttribute("aria-valuetext", say(state, state.at));
  state.said_line.textContent = say(state, state.hovered ?? state.at);
}

function say(state, at) {
  const { lanes, count, missing, problems } = state.data;
  const start = `Slice ${at + 1} of ${count}`;
  if (missing.includes(at)) return `${start}: not in the series`;
  if (problems[at]) return `${start}: ${problems[at]}`;
  const said = lanes.filter((lane) => lane.said[at]).map((lane) => `${lane.title} ${lane.said[at]}`);
  return said.length ? `${start} · ${said.join(" · ")}` : `${start}: not explained yet`;
}

function fillTable(state) {
  const { lanes, count, missing, problems } = state.data;
  const place = state.table.querySelector(".scroll");
  place.replaceChildren();
  const table = add("table", place);
  const head = add("tr", add("thead", table));
  for (const name of ["Slice", ...lanes.map((lane) => lane.title)]) add("th", head, name).scope = "col";
  const body = add("tbody", table);
  for (let at = 0; at < count; at += 1) {
    const row = add("tr", body);
    add("th", row, String(at + 1)).scope = "row";
    const instead = missing.includes(at) ? "not in the series" : problems[at];
    if (instead) add("td", row, instead).colSpan = lanes.length;
    else for (const lane of lanes) add("td", row, lane.said[at] ?? "–");
  }
}

// Numbers that follow each other as pairs of the first and the last.
function join(numbers) {
  const found = [];
  for (const number of numbers) {
    if (found.length && found.at(-1)[1] === number - 1) found.at(-1)[1] = number;
    else found.push([number, number]);
  }
  return found;
}

function shorten(text, widest) {
  const whole = text.textContent;
  for (let letters = whole.length; letters > 3 && text.getComputedTextLength() > widest; letters -= 1) {
    text.textContent = `${whole.slice(0, letters - 1)}…`;
  }
}
