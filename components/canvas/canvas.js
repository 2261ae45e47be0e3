// The canvas: pictures with maps, painted as explain/render.py paints them (a browser test holds the two together).
// SHARED is put in front by __init__.py: the colour tables, their number of shades, and the declared view settings.

const UNSEEN = 0xffff;
const FLAT = 1e-6;
const HATCHES = 56;
const NATIVE_PIXELS = 1 << 19; // up to here a picture is always painted at its own resolution
const PICTURES_KEPT = 16;
const NARROWEST = 170; // CSS pixels of a pane when all of a row stand side by side
const NARROWEST_WRAPPED = 165; // two of a row still stand side by side on a phone
const GAP = 16;

const instances = new WeakMap();
const pictures = new Map();

export default function mount(component) {
  const { parentElement } = component;
  if (!instances.has(parentElement)) instances.set(parentElement, new Grid(parentElement));
  const grid = instances.get(parentElement);
  grid.update(component);
  return () => {
    grid.remove();
    instances.delete(parentElement);
  };
}

// ---- arithmetic --------------------------------------------------------------------------------------------------

function decode(text, Type) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Type(bytes.buffer);
}

function drawOut(table) {
  const shades = new Uint8Array(SHARED.shades * 3);
  for (let i = 0; i < SHARED.shades; i++) {
    const at = (i * 255) / (SHARED.shades - 1);
    const first = Math.min(Math.floor(at), 254);
    for (let c = 0; c < 3; c++) {
      const low = table[first * 3 + c];
      shades[i * 3 + c] = Math.round(low + (table[first * 3 + 3 + c] - low) * (at - first));
    }
  }
  return shades;
}

const SHADES = Object.fromEntries(
  Object.entries(SHARED.tables).map(([name, table]) => [name, drawOut(decode(table, Uint8Array))]),
);

function valueRange(maps, signed) {
  let lowest = Infinity;
  let highest = -Infinity;
  for (const map of maps) {
    lowest = Math.min(lowest, map.lowest);
    highest = Math.max(highest, map.highest);
  }
  if (!maps.length) return [0, 0];
  const largest = Math.max(-lowest, highest);
  return signed ? [-largest, largest] : [Math.max(lowest, 0), Math.max(highest, 0)];
}

function isFlat([low, high]) {
  return !(high - low > FLAT * Math.max(Math.abs(low), Math.abs(high)));
}

// For every pixel centre along one side: the first of its two cells, the second's share, and the pixels inside the box.
function spread(length, start, stop, cells) {
  const first = new Int32Array(length);
  const share = new Float64Array(length);
  let from = length;
  let to = 0;
  for (let i = 0; i < length; i++) {
    const centre = i + 0.5;
    if (centre >= start && centre < stop) {
      from = Math.min(from, i);
      to = i + 1;
    }
    const at = Math.min(Math.max(((centre - start) / (stop - start)) * cells - 0.5, 0), cells - 1);
    first[i] = Math.min(Math.floor(at), Math.max(cells - 2, 0));
    share[i] = at - first[i];
  }
  return { first, share, from, to };
}

// The shade of every pixel, UNSEEN outside the box: the bilinear upsampling and the normalisation in one.
function shadePixels(map, box, width, height, range, signed) {
  const cells = new Float64Array(map.values.length);
  const [low, high] = range;
  const top = SHARED.shades - 1;
  const flat = isFlat(range);
  for (let i = 0; i < cells.length; i++) {
    const value = signed ? map.values[i] : Math.max(map.values[i], 0);
    const level = flat ? (signed ? 0.5 : 0) : Math.min(Math.max((value - low) / (high - low), 0), 1);
    cells[i] = level * top + 0.5;
  }
  const across = spread(width, box[0], box[2], map.width);
  const down = spread(height, box[1], box[3], map.height);
  const shade = new Uint16Array(width * height).fill(UNSEEN);
  const line = new Float64Array(map.width + 1);
  for (let y = down.from; y < down.to; y++) {
    const above = down.first[y] * map.width;
    const below = Math.min(down.first[y] + 1, map.height - 1) * map.width;
    const share = down.share[y];
    for (let x = 0; x < map.width; x++) line[x] = cells[above + x] + (cells[below + x] - cells[above + x]) * share;
    line[map.width] = line[map.width - 1];
    const start = y * width;
    for (let x = across.from; x < across.to; x++) {
      const left = line[across.first[x]];
      shade[start + x] = left + (line[across.first[x] + 1] - left) * across.share[x];
    }
  }
  return shade;
}

function sampleMap(map, box, x, y, signed) {
  if (x < box[0] || x >= box[2] || y < box[1] || y >= box[3]) return NaN;
  const at = (position, start, stop, cells) =>
    Math.min(Math.max(((position - start) / (stop - start)) * cells - 0.5, 0), cells - 1);
  const u = at(x, box[0], box[2], map.width);
  const v = at(y, box[1], box[3], map.height);
  const [x0, y0] = [Math.floor(u), Math.floor(v)];
  const [x1, y1] = [Math.min(x0 + 1, map.width - 1), Math.min(y0 + 1, map.height - 1)];
  const cell = (column, row) => {
    const value = map.values[row * map.width + column];
    return signed ? value : Math.max(value, 0);
  };
  const above = cell(x0, y0) + (cell(x1, y0) - cell(x0, y0)) * (u - x0);
  const below = cell(x0, y1) + (cell(x1, y1) - cell(x0, y1)) * (u - x0);
  return above + (below - above) * (v - y0);
}

// What each colour and each shade adds to a blended pixel, in 1/65536 of a level.
function weighColours(view) {
  const shades = SHADES[view.signed ? "diverging" : view.colour_table];
  const picture = new Int32Array(256);
  for (let i = 0; i < 256; i++) picture[i] = Math.round(i * (1 - view.opacity) * 65536) + 32768;
  const channels = [0, 1, 2].map((c) => {
    const weighed = new Int32Array(SHARED.shades);
    for (let i = 0; i < weighed.length; i++) weighed[i] = Math.round(shades[i * 3 + c] * view.opacity * 65536);
    return weighed;
  });
  return { picture, channels };
}

function blend(out, pixels, unseen, shade, { picture, channels: [red, green, blue] }) {
  for (let i = 0; i < out.length; i++) {
    const s = shade[i];
    if (s === UNSEEN) {
      out[i] = unseen[i];
      continue;
    }
    const pixel = pixels[i];
    out[i] =
      0xff000000 |
      (((picture[(pixel >> 16) & 255] + blue[s]) >> 16) << 16) |
      (((picture[(pixel >> 8) & 255] + green[s]) >> 16) << 8) |
      ((picture[pixel & 255] + red[s]) >> 16);
  }
}

function markUnseen(pixels, width, height) {
  const period = Math.max(4, roundHalfEven(Math.max(width, height) / HATCHES));
  const thickness = Math.max(1, Math.floor(period / 5));
  const marked = new Uint32Array(pixels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = pixels[y * width + x];
      const grey = (77 * (pixel & 255) + 150 * ((pixel >> 8) & 255) + 29 * ((pixel >> 16) & 255)) >> 8;
      const level = ((grey * 115) >> 8) + 24 + ((x + y) % period < thickness ? 40 : 0);
      marked[y * width + x] = 0xff000000 | (level << 16) | (level << 8) | level;
    }
  }
  return marked;
}

function roundHalfEven(value) {
  const whole = Math.floor(value);
  return value - whole === 0.5 ? whole + (whole % 2) : Math.round(value);
}

// A share as per cent, with a decimal where whole numbers would say 0 or 100.
function formatShare(share) {
  return `${(share * 100).toFixed(share >= 0.01 && share <= 0.99 ? 0 : 1)} %`;
}

function formatNumber(value) {
  const size = Math.abs(value);
  let text = size !== 0 && (size < 1e-4 || size >= 1000) ? value.toExponential(2) : value.toPrecision(3);
  if (size >= 1000 && size < 1e6) text = String(Math.round(Number(value.toPrecision(3))));
  if (text.includes(".")) text = text.replace(/\.?0+(?=e|$)/, "");
  return text.replace("e+", "e").replace(/-/g, "−");
}

// ---- pictures ----------------------------------------------------------------------------------------------------

// A decoded picture and its halvings, each made when first wanted.
class Picture {
  constructor(bitmap) {
    this.bitmap = bitmap;
    this.width = bitmap.width;
    this.height = bitmap.height;
    this.levels = [];
  }

  // The smallest level that still has a pixel for each of the screen's.
  chooseLevel(screenWidth) {
    if (this.width * this.height <= NATIVE_PIXELS) return 0;
    return Math.max(0, Math.floor(Math.log2(this.width / Math.max(screenWidth, 1))));
  }

  getLevel(number) {
    if (!this.levels[number]) {
      const width = Math.max(1, this.width >> number);
      const height = Math.max(1, this.height >> number);
      const surface = new OffscreenCanvas(width, height);
      const context = surface.getContext("2d", { willReadFrequently: true });
      context.imageSmoothingQuality = "high";
      context.drawImage(this.bitmap, 0, 0, width, height);
      const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
      this.levels[number] = { width, height, pixels, unseen: null };
    }
    return this.levels[number];
  }
}

function loadPicture({ url, digest }) {
  let loading = pictures.get(digest);
  pictures.delete(digest);
  if (!loading) {
    loading = fetch(url)
      .then((answer) => (answer.ok ? answer.blob() : Promise.reject(new Error(`${answer.status}`))))
      .then((blob) => createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" }))
      .then((bitmap) => new Picture(bitmap));
    loading.catch(() => pictures.delete(digest));
  }
  pictures.set(digest, loading);
  if (pictures.size > PICTURES_KEPT) pictures.delete(pictures.keys().next().value);
  return loading;
}

// ---- the page ----------------------------------------------------------------------------------------------------

function make(tag, className, parent, attributes = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

// Bring the children of `parent` in line with `described`, matched by key; those that stay keep their place and state.
function reconcile(kept, described, parent, create) {
  const wanted = new Set(described.map(({ key }) => key));
  for (const [key, item] of kept) {
    if (wanted.has(key)) continue;
    item.remove();
    kept.delete(key);
  }
  described.forEach((description, index) => {
    if (!kept.has(description.key)) kept.set(description.key, create(description.key));
    const item = kept.get(description.key);
    if (parent.children[index] !== item.element) parent.insertBefore(item.element, parent.children[index] ?? null);
    item.update(description);
  });
}

class Grid {
  constructor(parentElement) {
    this.element = make("div", "grid", parentElement, { "data-testid": "canvas-grid", "data-version": "0" });
    this.toolbar = new Toolbar(this);
    this.list = make("div", "rows", this.element);
    this.rows = new Map();
    this.view = null;
    this.givenView = null;
    this.reportedView = null;
    this.version = 0;
    this.onScreen = new IntersectionObserver((entries) => this.notice(entries), { rootMargin: "200px" });
    this.sizes = new ResizeObserver(() => {
      for (const row of this.rows.values()) row.arrange();
      this.requestPaint();
    });
    this.sizes.observe(this.list);
    this.element.addEventListener("pointerleave", () => this.report());
    this.element.addEventListener("focusout", (event) => {
      if (!this.element.contains(event.relatedTarget)) this.report();
    });
  }

  update({ data, setStateValue, setTriggerValue }) {
    this.setStateValue = setStateValue;
    this.setTriggerValue = setTriggerValue;
    const given = JSON.stringify(data.view);
    // Python echoes what it was told, perhaps late: only a view that is news replaces what the person chose here.
    if (this.view === null || (given !== this.givenView && given !== this.reportedView)) this.view = { ...data.view };
    if (this.reportedView === null) this.reportedView = given;
    this.givenView = given;
    this.toolbar.show(this.view);
    reconcile(this.rows, data.rows, this.list, (key) => new Row(this, key));
    this.stale = true;
    this.paint();
  }

  changeView(name, value) {
    this.view = { ...this.view, [name]: value };
    this.toolbar.show(this.view);
    this.requestPaint();
  }

  // Tell Python how the maps are shown, once the hand has left: a run of the page for each move would be wasted.
  report() {
    const chosen = JSON.stringify(this.view);
    if (chosen === this.reportedView) return;
    this.reportedView = chosen;
    this.setStateValue("view", { given: JSON.parse(this.givenView), chosen: this.view });
  }

  act(row, pane, action) {
    this.report();
    this.setTriggerValue("action", { row, pane, action });
  }

  notice(entries) {
    for (const entry of entries) entry.target.pane.visible = entry.isIntersecting;
    this.requestPaint();
  }

  requestPaint() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => this.paint());
  }

  // Paint whatever is on the screen and out of date, all panes in the same frame.
  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const start = performance.now();
    const colours = weighColours(this.view);
    let painted = 0;
    let waiting = false;
    for (const row of this.rows.values()) {
      for (const pane of row.panes.values()) painted += pane.paint(this.view, colours);
      waiting ||= row.loading;
    }
    if (painted) this.element.dataset.frameMs = (performance.now() - start).toFixed(2);
    if (this.stale && !waiting) {
      this.stale = false;
      this.element.dataset.version = String(++this.version);
    }
  }

  remove() {
    cancelAnimationFrame(this.frame);
    this.onScreen.disconnect();
    this.sizes.disconnect();
    this.element.remove();
  }
}

// One control for each declared setting, labelled and bounded as declared.
class Toolbar {
  constructor(grid) {
    this.element = make("div", "toolbar", grid.element, { role: "group", "aria-label": "How the maps are shown" });
    this.controls = new Map();
    for (const [name, setting] of Object.entries(SHARED.settings)) {
      const label = make("label", "control", this.element, { title: setting.description });
      make("span", "control-name", label).textContent = setting.title;
      if (setting.enum) this.controls.set(name, this.addChoice(grid, label, name, setting));
      else if (setting.type === "boolean") this.controls.set(name, this.addSwitch(grid, label, name));
      else this.controls.set(name, this.addSlider(grid, label, name, setting));
    }
  }

  addSlider(grid, label, name, { minimum, maximum, step }) {
    const input = make("input", "", label, { type: "range", min: minimum, max: maximum, step, "data-setting": name });
    const value = make("output", "number", label);
    input.addEventListener("input", () => grid.changeView(name, Number(input.value)));
    return (view) => {
      if (Number(input.value) !== view[name]) input.value = view[name];
      write(value, `${Math.round(view[name] * 100)} %`);
    };
  }

  addChoice(grid, label, name, setting) {
    const input = make("select", "", label, { "data-setting": name });
    for (const value of setting.enum) {
      make("option", "", input, { value }).textContent = value[0].toUpperCase() + value.slice(1);
    }
    input.addEventListener("change", () => grid.changeView(name, input.value));
    return (view) => {
      input.value = view[name];
      input.disabled = name === "colour_table" && view.signed; // the signed view has a table of its own
    };
  }

  addSwitch(grid, label, name) {
    const input = make("input", "", label, { type: "checkbox", "data-setting": name });
    label.prepend(input);
    input.addEventListener("change", () => grid.changeView(name, input.checked));
    return (view) => {
      input.checked = view[name];
    };
  }

  show(view) {
    for (const control of this.controls.values()) control(view);
  }
}

class Row {
  constructor(grid, key) {
    this.grid = grid;
    this.key = key;
    this.element = make("section", "row", null, { "data-row": key });
    const header = make("header", "row-header", this.element);
    this.label = make("h3", "row-label", header);
    this.detail = make("span", "row-detail", header);
    this.notes = make("p", "row-notes", header);
    this.list = make("div", "panes", this.element);
    this.panes = new Map();
    this.digest = null;
    this.picture = null;
    this.loading = false;
    this.point = null;
  }

  update({ label, detail, notes, picture, panes }) {
    write(this.label, label);
    this.label.title = label;
    write(this.detail, detail);
    write(this.notes, notes.join(" "));
    this.size = { width: picture.width, height: picture.height };
    this.element.style.setProperty("--ratio", String(picture.width / picture.height));
    reconcile(this.panes, panes, this.list, (key) => new Pane(this, key));
    this.arrange();
    if (picture.digest !== this.digest || this.failed) this.load(picture);
  }

  // All panes side by side while there is room; else lines of equal length, so that none is left over alone.
  arrange() {
    const count = this.panes.size;
    const fit = (narrowest) => Math.max(1, Math.floor((this.list.clientWidth + GAP) / (narrowest + GAP)));
    const columns = count <= fit(NARROWEST) ? count : Math.ceil(count / Math.ceil(count / fit(NARROWEST_WRAPPED)));
    this.list.style.setProperty("--columns", String(columns));
    this.list.classList.toggle("single", columns === 1);
  }

  load(description) {
    this.digest = description.digest;
    this.failed = false;
    this.setLoading(true);
    loadPicture(description).then(
      (picture) => {
        if (description.digest !== this.digest) return;
        this.picture = picture;
        this.setLoading(false);
        this.grid.paint();
      },
      () => {
        if (description.digest !== this.digest) return;
        this.failed = true;
        this.setLoading(false);
        write(this.notes, "The picture did not arrive. Reload the page.");
      },
    );
  }

  setLoading(loading) {
    this.loading = loading;
    this.element.classList.toggle("loading", loading);
    this.element.setAttribute("aria-busy", String(loading));
  }

  // Show the same place of the picture in every pane; `point` is in its pixels, null hides the crosshair.
  pointAt(point) {
    this.point = point && {
      x: Math.min(Math.max(point.x, 0), this.size.width - 1),
      y: Math.min(Math.max(point.y, 0), this.size.height - 1),
    };
    for (const pane of this.panes.values()) pane.showPoint();
  }

  getRange(pane, view) {
    if (view.scale === "own") return valueRange([pane.map], view.signed);
    return valueRange(
      [...this.panes.values()].map(({ map }) => map).filter((map) => map !== null),
      view.signed,
    );
  }

  remove() {
    for (const pane of this.panes.values()) pane.remove();
    this.element.remove();
  }
}

class Pane {
  constructor(row, key) {
    this.row = row;
    this.key = key;
    this.element = make("article", "pane", null, {
      "data-testid": "canvas-pane",
      "data-pane": key,
      "data-version": "0",
    });
    this.title = make("h4", "pane-title", this.element);
    this.sentence = make("p", "pane-sentence", this.element);
    this.stage = make("div", "stage", this.element);
    this.canvas = make("canvas", "", this.stage, { role: "img", tabindex: "0" });
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.across = make("div", "cross across", this.stage);
    this.down = make("div", "cross down", this.stage);
    this.readout = make("output", "readout number", this.stage);
    this.message = make("div", "message", this.stage);
    this.messageText = make("p", "", this.message);
    this.scale = make("div", "scale", this.element);
    this.bar = make("canvas", "bar", this.scale, { width: "256", height: "1", "aria-hidden": "true" });
    this.tick = make("div", "tick", this.scale);
    this.low = make("span", "number", this.scale);
    this.middle = make("span", "number", this.scale);
    this.high = make("span", "number", this.scale);
    this.time = make("p", "pane-time number", this.element);
    this.button = make("button", "action", this.element, { type: "button" });
    this.button.addEventListener("click", () => row.grid.act(row.key, key, this.action));
    this.choices = make("ul", "choices", this.element);
    this.warnings = make("ul", "warnings", this.element);
    this.map = null;
    this.mapText = null;
    this.version = 0;
    this.visible = true;
    this.stage.pane = this;
    this.hidePoint();
    row.grid.onScreen.observe(this.stage);
    row.grid.sizes.observe(this.stage);
    this.canvas.addEventListener("pointermove", (event) => row.pointAt(this.locate(event)));
    this.canvas.addEventListener("pointerdown", (event) => row.pointAt(this.locate(event)));
    this.canvas.addEventListener("pointerleave", () => row.pointAt(null));
    this.canvas.addEventListener("blur", () => row.pointAt(null));
    this.canvas.addEventListener("keydown", (event) => this.steer(event));
  }

  update(described) {
    write(this.title, described.title);
    this.title.title = described.title;
    write(this.time, described.time);
    write(this.sentence, described.sentence);
    this.sentence.title = described.sentence;
    this.canvas.setAttribute("aria-label", described.alt);
    this.showMessage(described);
    this.showChoices(described.choices);
    this.showWarnings(described.warnings);
    const text = JSON.stringify([described.map, described.box, described.message]);
    if (text === this.mapText) return;
    this.mapText = text;
    this.box = described.box;
    this.hasMessage = described.message !== null;
    this.map = described.map && { ...described.map, values: decode(described.map.values, Float32Array) };
    if (this.map) {
      this.map.lowest = this.map.values.reduce((a, b) => Math.min(a, b), Infinity);
      this.map.highest = this.map.values.reduce((a, b) => Math.max(a, b), -Infinity);
    }
    this.fresh = true;
  }

  showMessage({ message, action }) {
    write(this.messageText, message ?? "");
    this.message.hidden = message === null;
    this.stage.classList.toggle("without-map", message !== null);
    this.action = action?.[1];
    write(this.button, action?.[0] ?? "");
    const home = message === null ? this.element : this.message;
    if (this.button.parentElement !== home) home.insertBefore(this.button, home === this.element ? this.warnings : null);
  }

  // Buttons are kept in their places, so that the focus stays when another one becomes the chosen.
  showChoices(choices) {
    this.choices.hidden = !choices.length;
    while (this.choices.children.length > choices.length) this.choices.lastChild.remove();
    choices.forEach((choice, place) => {
      const item = this.choices.children[place] ?? this.addChoice();
      const button = item.firstChild;
      const [label, share] = button.children;
      button.dataset.action = choice.action;
      button.setAttribute("aria-pressed", String(choice.chosen));
      button.title = choice.label;
      button.style.setProperty("--share", `${choice.share * 100}%`);
      write(label, choice.label);
      write(share, formatShare(choice.share));
    });
  }

  addChoice() {
    const item = make("li", "", this.choices);
    const button = make("button", "choice", item, { type: "button" });
    make("span", "choice-label", button);
    make("span", "number", button);
    button.addEventListener("click", () => this.row.grid.act(this.row.key, this.key, button.dataset.action));
    return item;
  }

  showWarnings(warnings) {
    const text = warnings.join("\n");
    if (text === this.warningText) return;
    this.warningText = text;
    this.warnings.replaceChildren();
    this.warnings.hidden = !warnings.length;
    for (const warning of warnings) {
      const item = make("li", "", this.warnings);
      make("span", "warning-sign", item, { "aria-hidden": "true" }).textContent = "⚠";
      make("span", "", item).textContent = warning;
    }
  }

  // Paint if anything that shows has changed; the costly half, upsampling, only if the map or its range has.
  paint(view, colours) {
    const { picture, loading } = this.row;
    if (!picture || loading || !this.visible) return 0;
    const screenWidth = this.stage.clientWidth * devicePixelRatio;
    if (!screenWidth) return 0; // in a closed tab or expander; the size observer asks again
    const level = picture.getLevel(picture.chooseLevel(screenWidth));
    const fresh = this.fresh || picture !== this.picture;
    const range = this.map && this.row.getRange(this, view);
    const shading = this.map ? `${range} ${view.signed}` : "plain";
    const colouring = this.map ? `${view.opacity} ${view.signed || view.colour_table}` : "plain";
    const reshade = fresh || level !== this.level || shading !== this.shading;
    if (!reshade && colouring === this.colouring) return 0;
    if (level !== this.level) this.resize(level);
    if (reshade && this.map) {
      const across = level.width / this.row.size.width;
      const down = level.height / this.row.size.height;
      const box = [this.box[0] * across, this.box[1] * down, this.box[2] * across, this.box[3] * down];
      this.shade = shadePixels(this.map, box, level.width, level.height, range, view.signed);
    }
    if (this.map) {
      level.unseen ??= markUnseen(level.pixels, level.width, level.height);
      blend(this.out, level.pixels, level.unseen, this.shade, colours);
    } else {
      this.out.set(level.pixels);
    }
    this.context.putImageData(this.image, 0, 0);
    this.paintScale(view, range);
    Object.assign(this, { picture, level, shading, colouring, range, signed: view.signed, fresh: false });
    if (fresh) {
      this.element.dataset.version = String(++this.version);
    }
    this.showPoint();
    return 1;
  }

  resize({ width, height }) {
    this.canvas.width = width;
    this.canvas.height = height;
    this.image = new ImageData(width, height);
    this.out = new Uint32Array(this.image.data.buffer);
  }

  paintScale(view, range) {
    this.scale.classList.toggle("none", !this.map);
    if (!this.map) return;
    const shades = SHADES[view.signed ? "diverging" : view.colour_table];
    const flat = isFlat(range);
    const image = new ImageData(256, 1);
    for (let i = 0; i < 256; i++) {
      const at = flat ? (view.signed ? 0.5 : 0) : i / 255;
      const shade = Math.round(at * (SHARED.shades - 1)) * 3;
      image.data.set([shades[shade], shades[shade + 1], shades[shade + 2], 255], i * 4);
    }
    this.bar.getContext("2d").putImageData(image, 0, 0);
    write(this.low, flat ? `${formatNumber(range[0])} everywhere` : formatNumber(range[0]));
    write(this.middle, view.signed && !flat ? "0" : "");
    write(this.high, flat ? "" : formatNumber(range[1]));
  }

  locate(event) {
    const frame = this.canvas.getBoundingClientRect();
    const { width, height } = this.row.size;
    return {
      x: Math.floor(((event.clientX - frame.left) / frame.width) * width),
      y: Math.floor(((event.clientY - frame.top) / frame.height) * height),
    };
  }

  steer(event) {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Escape") this.row.pointAt(null);
    if (!(event.key in directions)) return;
    event.preventDefault();
    const { width, height } = this.row.size;
    const step = event.shiftKey ? 1 : Math.max(1, Math.round(Math.max(width, height) / 40));
    const from = this.row.point ?? { x: Math.floor(width / 2), y: Math.floor(height / 2) };
    const [right, down] = directions[event.key];
    this.row.pointAt({ x: from.x + right * step, y: from.y + down * step });
  }

  showPoint() {
    const { point, size } = this.row;
    if (!point || this.hasMessage || !this.level) return this.hidePoint();
    const left = ((point.x + 0.5) / size.width) * 100;
    const top = ((point.y + 0.5) / size.height) * 100;
    this.down.style.left = `${left}%`;
    this.across.style.top = `${top}%`;
    this.across.hidden = this.down.hidden = false;
    this.readout.classList.toggle("at-bottom", top < 25 && left > 50);
    if (!this.map) {
      write(this.readout, `x ${point.x}, y ${point.y}`);
      return;
    }
    const value = sampleMap(this.map, this.box, point.x + 0.5, point.y + 0.5, this.signed);
    write(this.readout, Number.isNaN(value) ? "not seen" : formatNumber(value));
    this.tick.hidden = Number.isNaN(value) || isFlat(this.range);
    if (!this.tick.hidden) {
      this.tick.style.left = `${((value - this.range[0]) / (this.range[1] - this.range[0])) * 100}%`;
    }
  }

  hidePoint() {
    this.across.hidden = this.down.hidden = this.readout.hidden = this.tick.hidden = true;
  }

  remove() {
    this.row.grid.onScreen.unobserve(this.stage);
    this.row.grid.sizes.unobserve(this.stage);
    this.element.remove();
  }
}
