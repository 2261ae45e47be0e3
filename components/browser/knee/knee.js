// The curve in SVG, and a line over it that is a slider: dragged, clicked to, or moved with the arrow keys.

const HEIGHT = 300;
const EDGE = { top: 14, right: 12, bottom: 34, left: 52 };
const NS = "http://www.w3.org/2000/svg";
const LONGEST_WAIT = 400; // milliseconds until a drag reports again although no answer came

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let root = parentElement.querySelector(".knee");
  if (!root) root = build(parentElement);
  const state = root.state;
  state.data = data;
  state.said = Math.max(state.said, data.heard);
  const isAnswered = data.heard === state.said;
  if (isAnswered) {
    state.waitingSince = 0;
    state.asked = null;
  }
  state.report = (at) => {
    // Said twice, it would overrule what another hand chose in between.
    if (at === state.asked) return;
    state.asked = at;
    state.said += 1;
    setStateValue("eps", { at, number: state.said });
  };
  if (isAnswered && !state.moving) state.at = data.at;
  draw(root);
  if (state.moving && state.at !== data.at) reportSoon(state);
}

function make(name, parent, attributes = {}) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function build(parent) {
  const root = document.createElement("div");
  root.className = "knee";
  parent.append(root);
  const heading = document.createElement("p");
  heading.className = "heading";
  root.append(heading);
  const svg = make("svg", root, { height: HEIGHT });
  const axes = make("g", svg, { class: "axes" });
  const curve = make("polyline", svg, { class: "curve" });
  const handle = make("g", svg, {
    class: "handle",
    tabindex: 0,
    role: "slider",
    "aria-label": "DBSCAN eps",
    "aria-orientation": "vertical",
  });
  make("line", handle, { class: "grip" });
  make("line", handle, { class: "eps" });
  make("circle", handle, { r: 7 });
  make("text", handle, { "text-anchor": "end" });
  root.state = { heading, svg, axes, curve, handle, at: 0, moving: false, said: 0, asked: null, waitingSince: 0, width: 0 };
  listen(root);
  new ResizeObserver(() => root.state.data && draw(root)).observe(root);
  return root;
}

function listen(root) {
  const state = root.state;
  state.svg.addEventListener("pointerdown", (event) => {
    state.moving = true;
    clearTimeout(state.settled);
    state.svg.setPointerCapture(event.pointerId);
    state.handle.focus({ preventScroll: true });
    follow(root, event);
  });
  state.svg.addEventListener("pointermove", (event) => state.svg.hasPointerCapture(event.pointerId) && follow(root, event));
  for (const name of ["pointerup", "pointercancel"]) {
    state.svg.addEventListener(name, () => settle(state));
  }
  state.handle.addEventListener("keydown", (event) => {
    const last = state.data.steps.length - 1;
    const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? last : step && state.at + step;
    if (to === undefined) return;
    event.preventDefault();
    state.moving = true;
    state.at = Math.min(Math.max(to, 0), last);
    draw(root);
    reportSoon(state);
    clearTimeout(state.settled);
    state.settled = setTimeout(() => settle(state), LONGEST_WAIT);
  });
}

// The hand has come to rest: whatever was held back is said.
function settle(state) {
  if (!state.moving) return;
  state.moving = false;
  if (state.at !== state.data.at) state.report(state.at);
}

// One report at a time is on its way; the newest place is reported when the answer has come.
function reportSoon(state) {
  const now = performance.now();
  if (now - state.waitingSince < LONGEST_WAIT) return;
  state.waitingSince = now;
  state.report(state.at);
}

function follow(root, event) {
  const state = root.state;
  const { top, height } = state.svg.getBoundingClientRect();
  const y = ((event.clientY - top) * HEIGHT) / height; // on a slide it is drawn larger
  const distance = state.top * (1 - (y - EDGE.top) / (HEIGHT - EDGE.top - EDGE.bottom));
  const off = state.data.steps.map(([, own]) => Math.abs(own - distance));
  state.at = off.indexOf(Math.min(...off));
  draw(root);
  if (state.at !== state.data.at) reportSoon(state);
}

function draw(root) {
  const state = root.state;
  const { curve, steps, neighbours, channels } = state.data;
  const width = Math.max(root.clientWidth, 160);
  const highest = Math.max(...curve.map(([, y]) => y), steps.at(-1)[1], 1e-9);
  state.top = highest * 1.05;
  const x = (place) => EDGE.left + (place / Math.max(channels - 1, 1)) * (width - EDGE.left - EDGE.right);
  const y = (value) => EDGE.top + (1 - value / state.top) * (HEIGHT - EDGE.top - EDGE.bottom);
  state.heading.textContent = `Distance to neighbour ${neighbours}`;
  state.svg.setAttribute("width", width);
  state.curve.setAttribute("points", curve.map(([place, value]) => `${x(place)},${y(value)}`).join(" "));
  drawAxes(state, width, y, channels);
  const [eps, distance] = steps[state.at];
  const at = y(distance);
  for (const line of state.handle.querySelectorAll("line")) {
    line.setAttribute("x1", EDGE.left);
    line.setAttribute("x2", width - EDGE.right);
    line.setAttribute("y1", at);
    line.setAttribute("y2", at);
  }
  const circle = state.handle.querySelector("circle");
  circle.setAttribute("cx", EDGE.left);
  circle.setAttribute("cy", at);
  const text = state.handle.querySelector("text");
  text.textContent = `eps ${format(eps)} → distance ${format(distance)}`;
  text.setAttribute("x", width - EDGE.right);
  text.setAttribute("y", at < EDGE.top + 24 ? at + 18 : at - 8);
  state.handle.setAttribute("aria-valuemin", steps[0][0]);
  state.handle.setAttribute("aria-valuemax", steps.at(-1)[0]);
  state.handle.setAttribute("aria-valuenow", eps);
  state.handle.setAttribute("aria-valuetext", `percentile ${format(eps)}, distance ${format(distance)}`);
}

function drawAxes(state, width, y, channels) {
  state.axes.replaceChildren();
  for (let i = 0; i <= 4; i += 1) {
    const value = (state.top / 4) * i;
    make("line", state.axes, { x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) });
    const text = make("text", state.axes, { x: EDGE.left - 10, y: y(value) + 4, "text-anchor": "end" });
    text.textContent = format(value);
  }
  const text = make("text", state.axes, { x: width - EDGE.right, y: HEIGHT - 10, "text-anchor": "end" });
  text.textContent = channels ? `${channels} channels, nearest first` : "no channels to group";
}

function format(value) {
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : Number(value.toPrecision(3)).toString();
}
