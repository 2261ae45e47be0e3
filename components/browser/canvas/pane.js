// One pane: a picture with a map on it, its colour bar, and what is written around it.

const TINT_SIDE = 512; // pixels of the colours that are stretched over a picture in motion
const SVG = "http://www.w3.org/2000/svg";

function make(tag, className, parent, attributes = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
}

function makeShape(tag, className, parent, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  element.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  if (element.hidden === Boolean(text)) element.hidden = !text;
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
    const head = make("header", "pane-head", this.element);
    this.title = make("h3", "pane-title", head);
    this.origin = make("span", "pane-origin", head);
    this.gear = new Gear(head, head, (byKeyboard) => row.grid.drawers.toggle(row.key, key, this.settings, byKeyboard));
    this.enlarge = make("button", "small", head, { type: "button", "data-tool": "full-screen" });
    const icon = makeShape("svg", "icon", this.enlarge, { viewBox: "0 0 16 16", "aria-hidden": "true" });
    makeShape("path", "", icon, { d: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4" });
    this.enlarge.addEventListener("click", () => row.grid.toggleSolo(this));
    this.stage = make("div", "stage", this.element);
    this.canvas = make("canvas", "", this.stage, { role: "img", tabindex: "0", "aria-describedby": "canvas-hint" });
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.lines = makeShape("svg", "lines", this.stage, { preserveAspectRatio: "none", "aria-hidden": "true" });
    this.parts = makeShape("svg", "parts", this.stage, { preserveAspectRatio: "none", "aria-hidden": "true" });
    this.names = [];
    this.outline = makeShape("svg", "outline", this.stage, { preserveAspectRatio: "none", "aria-hidden": "true" });
    this.ground = makeShape("polygon", "outline-ground", this.outline);
    this.dashes = makeShape("polygon", "outline-dashes", this.outline);
    this.peak = make("div", "peak", this.stage);
    this.across = make("div", "cross across", this.stage);
    this.down = make("div", "cross down", this.stage);
    this.readout = make("div", "readout number", this.stage);
    this.sides = new Sides(this.stage);
    this.awaited = make("div", "awaited", this.stage);
    this.message = make("div", "message", this.stage);
    this.messageText = make("p", "", this.message);
    this.scale = make("div", "scale", this.element);
    this.bar = make("canvas", "bar", this.scale, { width: "256", height: "1", "aria-hidden": "true" });
    this.tick = make("div", "tick", this.scale);
    this.low = make("span", "number", this.scale);
    this.middle = make("span", "number", this.scale);
    this.high = make("span", "number", this.scale);
    this.inside = make("p", "inside number", this.element);
    this.outlined = make("p", "outlined number", this.element);
    this.sentence = make("p", "pane-sentence", this.element);
    this.time = make("p", "pane-time number", this.element);
    this.button = make("button", "action", this.element, { type: "button" });
    this.button.addEventListener("click", () => row.grid.act(row.name, key, this.action));
    this.choices = make("ul", "choices", this.element);
    this.marks = new Marks(this.element);
    this.said = null;
    this.warnings = make("ul", "warnings", this.element);
    this.map = null;
    this.mapText = null;
    this.version = 0;
    this.visible = true;
    this.stage.pane = this;
    this.hidePoint();
    this.peak.hidden = this.inside.hidden = this.awaited.hidden = true;
    row.grid.onScreen.observe(this.stage);
    row.grid.sizes.observe(this.stage);
    row.grid.hand.follow(this);
  }

  get scene() {
    return this.row.scene;
  }

  update(described) {
    write(this.title, described.title);
    this.title.title = described.title;
    this.enlarge.setAttribute("aria-label", `Full screen: ${described.title}`);
    this.enlarge.title = "Full screen (f)";
    write(this.origin, described.origin);
    this.origin.title = described.origin;
    this.settings = described.settings;
    this.gear.update(described.settings, described.title);
    write(this.time, described.time);
    write(this.sentence, described.sentence);
    this.sentence.title = described.sentence;
    this.canvas.setAttribute("aria-label", described.alt);
    this.showMessage(described);
    this.showChoices(described.choices);
    this.showWarnings(described.warnings);
    this.unit = described.unit;
    this.described = described;
    this.useMap(described);
    this.showOutlined(true);
    this.showRegion();
  }

  useMap({ map, box, message, painting, strength, faint }, ends = null) {
    this.element.classList.toggle("faint", faint);
    const text = JSON.stringify([map, box, message, painting, strength, ends]);
    if (text === this.mapText) return;
    this.mapText = text;
    this.range = null; // found when it is painted
    Object.assign(this, { box, painting, strength });
    this.hasMessage = message !== null;
    this.map = map && { ...map, values: decode(map.values, Float32Array) };
    if (this.map) {
      this.map.lowest = this.map.values.reduce((a, b) => Math.min(a, b), Infinity);
      this.map.highest = this.map.values.reduce((a, b) => Math.max(a, b), -Infinity);
      this.map.ends = ends ?? findEnds(this.map, painting);
    }
    this.sums = null;
    this.fresh = true;
  }

  // A slice of a stack: with the maps of the page, or those that are known of it, or none until the hand rests.
  showSlice(stack) {
    const { described } = this;
    const maps = stack.getMaps();
    const known = maps === null ? described : maps[this.key];
    const isAwaited = !known && described.message === null && (described.map !== null || this.map !== null);
    this.useMap(known ?? { ...described, map: null }, stack.described.ends[this.key]);
    write(this.awaited, isAwaited && !stack.isMissing ? "Map comes when you stop" : "");
    this.showOutlined(stack.isOfPage);
    this.sides.update(stack.described.view, !described.map, stack.isMissing ? stack.at.index + 1 : null);
    const alt = (known?.alt ?? described.title).replace(/\.$/, "");
    this.canvas.setAttribute("aria-label", `${alt}. ${stack.describe()}.`);
    this.showRegion();
    this.showPoint();
  }

  // What is outlined on this pane alone belongs to its own map: of a stack, not to that of another slice.
  showOutlined(isOwn) {
    const { outlines, outlined } = this.described;
    this.showParts(isOwn ? [...this.row.outlines, ...outlines] : this.row.outlines);
    write(this.outlined, isOwn ? outlined : "");
  }

  // The outlines of named parts. Names only where there is no map, which they would hide.
  showParts(outlines) {
    const text = JSON.stringify([outlines, this.map === null]);
    if (text === this.partsText) return;
    this.partsText = text;
    this.parts.replaceChildren();
    for (const { element } of this.names) element.remove();
    this.names = [];
    for (const { name, rings, at } of outlines) {
      const d = rings.map((ring) => `M${ring.map((corner) => corner.join(" ")).join("L")}Z`).join("");
      makeShape("path", "part-ground", this.parts, { d });
      makeShape("path", "part", this.parts, { d });
      if (this.map || this.hasMessage || !name) continue;
      const element = make("span", "part-name", this.stage);
      element.textContent = name;
      this.names.push({ element, at });
    }
    this.names.sort((a, b) => a.at[1] - b.at[1]);
    this.placeNames();
  }

  // Each name in the middle of its part, or below the names that it would hide.
  placeNames() {
    if (!this.names.length) return; // without asking how large the stage is, which lays the page out
    const { clientWidth, clientHeight } = this.stage;
    const placed = [];
    for (const { element, at } of this.names) {
      const [left, top] = this.project(...at);
      element.hidden = left < 0 || left > 1 || top < 0 || top > 1;
      if (element.hidden || !clientWidth) continue;
      const [width, height] = [element.offsetWidth, element.offsetHeight];
      const x = left * clientWidth;
      let y = top * clientHeight;
      const hides = (other) =>
        Math.abs(other.x - x) < (other.width + width) / 2 && Math.abs(other.y - y) < (other.height + height) / 2;
      for (let other = placed.find(hides); other; other = placed.find(hides)) {
        y = other.y + (other.height + height) / 2 + 1;
      }
      placed.push({ x, y, width, height });
      element.style.left = `${left * 100}%`;
      element.style.top = `${(y / clientHeight) * 100}%`;
    }
  }

  showMessage({ message, action }) {
    write(this.messageText, message ?? "");
    this.message.hidden = message === null;
    this.stage.classList.toggle("without-map", message !== null);
    this.action = action?.[1];
    write(this.button, action?.[0] ?? "");
    const home = message === null ? this.element : this.message;
    if (this.button.parentElement === home) return;
    home.insertBefore(this.button, home === this.element ? this.warnings : null);
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
      write(share, choice.text || formatShare(choice.share));
    });
  }

  addChoice() {
    const item = make("li", "", this.choices);
    const button = make("button", "choice", item, { type: "button" });
    make("span", "choice-label", button);
    make("span", "number", button);
    button.addEventListener("click", () => this.row.grid.act(this.row.name, this.key, button.dataset.action));
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
    this.showMarks(this.said);
  }

  // A warning that a mark says as well is not said twice.
  showMarks(said) {
    this.said = said;
    this.marks.update(said);
    for (const item of this.warnings.children) item.hidden = item.lastChild.textContent === said?.instead;
  }

  // Before anything is written; see Grid.paint.
  readSize() {
    this.stageWidth = this.stage.clientWidth;
  }

  // Paint if anything that shows has changed. In motion, what is kept is stretched; once it has settled, every pixel
  // is computed, and the costly half, upsampling, only if the map, its range or its place has changed.
  paint(view) {
    const { picture, loading, scene } = this.row;
    if (!picture || loading || !this.visible) return 0;
    const screenWidth = this.stageWidth * devicePixelRatio;
    if (!screenWidth) return 0; // in a closed tab or expander; the size observer asks again
    const frame = this.row.getFrame(screenWidth);
    const isOther = picture !== this.picture; // of a stack, another slice or window: the map may be the same
    const fresh = this.fresh || (isOther && !picture.isSlice);
    const range = this.map && this.row.getRange(this, view);
    const style = settleStyle(view, this.row.isGrey, this.painting);
    const weight = weighStrength(view, this.strength);
    const shading = this.map ? `${range} ${view.signed}` : "plain";
    const colouring = this.map
      ? `${view.opacity} ${weight} ${style} ${chooseTable(view, style)} ${view.threshold}`
      : "plain";
    const reframed = fresh || frame.key !== this.frameKey || shading !== this.shading;
    const still = !reframed && !isOther && colouring === this.colouring && (scene.moving || !this.stretched);
    if (!still) {
      const reshade = reframed || this.stretched;
      Object.assign(this, { picture, frameKey: frame.key, shading, colouring, range, signed: view.signed });
      this.resize(frame);
      const colours = this.map && this.row.grid.getColours(view, style, weight);
      if (scene.moving) this.stretch(frame, view, colours, fresh);
      else this.compute(frame, view, colours, reshade);
      this.stretched = scene.moving;
      this.paintScale(view, style, range);
      this.paintContours(view, style, weight, fresh);
      this.showFrame(frame);
      this.fresh = false;
      if (fresh) this.element.dataset.version = String(++this.version);
    }
    this.paintPlain(frame);
    return still ? 0 : 1;
  }

  resize({ width, height }) {
    if (this.image?.width === width && this.image.height === height) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.image = new ImageData(width, height);
    this.out = new Uint32Array(this.image.data.buffer);
  }

  compute(frame, view, colours, reshade) {
    const ground = this.row.getGround(frame);
    if (this.map) {
      const { width, height } = frame;
      const box = this.placeBox(frame);
      if (reshade) this.shade = null;
      const all = box[0] <= 0.5 && box[1] <= 0.5 && box[2] > width - 0.5 && box[3] > height - 0.5;
      if (!all) ground.unseen ??= markUnseen(ground.pixels, frame, this.row.size);
      const quiet = this.painting === "fine" && view.opacity > 0;
      if (quiet) ground.quiet ??= quieten(ground.pixels);
      const pixels = quiet ? ground.quiet : ground.pixels;
      if (all && colours.isClear) this.out.set(pixels);
      else {
        this.shade ??= shadePixels(this.map, box, width, height, this.range, view.signed);
        blend(this.out, pixels, ground.unseen, this.shade, colours);
      }
    } else {
      this.out.set(ground.pixels);
    }
    this.context.putImageData(this.image, 0, 0);
  }

  stretch(frame, view, colours, fresh) {
    const { context } = this;
    const size = this.row.size;
    context.globalAlpha = 1;
    frame.level.draw(context, frame, size, "low");
    if (!this.map) return;
    if (this.painting === "fine" && view.opacity > 0) this.dim(frame);
    this.veil(frame);
    const scale = TINT_SIDE / Math.max(size.width, size.height);
    const [width, height] = [size.width, size.height].map((side) => Math.max(1, Math.round(side * scale)));
    const key = `${this.shading} ${this.colouring}`;
    if (fresh || key !== this.tintKey) {
      this.tintKey = key;
      this.tint ??= new OffscreenCanvas(width, height);
      Object.assign(this.tint, { width, height });
      const image = new ImageData(width, height);
      const all = { width, height, visible: { x: 0, y: 0, width: size.width, height: size.height } };
      const shade = shadePixels(this.map, this.placeBox(all), width, height, this.range, view.signed);
      tint(new Uint32Array(image.data.buffer), shade, colours);
      this.tint.getContext("2d").putImageData(image, 0, 0);
    }
    const { visible } = frame;
    const [across, down] = [width / size.width, height / size.height];
    context.imageSmoothingEnabled = true;
    context.drawImage(
      this.tint,
      ...[visible.x * across, visible.y * down, visible.width * across, visible.height * down],
      ...[0, 0, frame.width, frame.height],
    );
  }

  // What quieten does to the pixels below the map, done by drawing.
  dim(frame) {
    const { context } = this;
    const [left, top, right, bottom] = this.placeBox(frame);
    context.globalCompositeOperation = "saturation";
    context.fillStyle = "#808080";
    context.fillRect(left, top, right - left, bottom - top);
    context.globalCompositeOperation = "multiply";
    context.fillStyle = `rgb(${SHARED.quiet} ${SHARED.quiet} ${SHARED.quiet})`;
    context.fillRect(left, top, right - left, bottom - top);
    context.globalCompositeOperation = "source-over";
  }

  // What markUnseen does to pixels, done by drawing.
  veil(frame) {
    const { context } = this;
    const { width, height, visible } = frame;
    const [left, top, right, bottom] = this.placeBox(frame);
    if (left <= 0 && top <= 0 && right >= width && bottom >= height) return;
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height);
    context.rect(left, top, right - left, bottom - top);
    context.clip("evenodd");
    context.globalCompositeOperation = "saturation";
    context.fillStyle = "#808080";
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "source-over";
    context.fillStyle = "rgb(44 44 44 / 55%)";
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "lighter";
    const { period, thickness } = findHatch(this.row.size);
    const scale = width / visible.width;
    context.strokeStyle = "rgb(40 40 40)";
    context.lineWidth = (thickness * scale) / Math.SQRT2;
    context.beginPath();
    const first = Math.floor((visible.x + visible.y) / period) * period;
    for (let line = first; line < visible.x + visible.y + visible.width + visible.height; line += period) {
      const at = (line + thickness / 2 - visible.x - visible.y) * scale;
      context.moveTo(at, 0);
      context.lineTo(at - height, height);
    }
    context.stroke();
    context.restore();
  }

  // The picture alone, on the left of the swipe divider.
  paintPlain(frame) {
    if (!this.row.grid.swiping || !this.map) {
      this.plain?.remove();
      this.divider?.remove();
      this.plain = this.divider = null;
      return;
    }
    if (!this.plain) {
      this.plain = make("canvas", "plain", null, { "aria-hidden": "true" });
      this.lines.before(this.plain);
      this.divider = this.row.grid.hand.makeDivider(this);
      this.plainKey = null;
    }
    const key = `${this.row.picture.width} ${frame.key} ${this.stretched}`;
    if (key === this.plainKey && this.plainPicture === this.row.picture) return;
    this.plainKey = key;
    this.plainPicture = this.row.picture;
    Object.assign(this.plain, { width: frame.width, height: frame.height });
    const context = this.plain.getContext("2d", { alpha: false });
    if (this.stretched) frame.level.draw(context, frame, this.row.size, "low");
    else {
      const bytes = new Uint8ClampedArray(this.row.getGround(frame).pixels.buffer);
      context.putImageData(new ImageData(bytes, frame.width, frame.height), 0, 0);
    }
  }

  // Where the map's box lies on the frame, in its pixels.
  placeBox({ width, height, visible }) {
    const [across, down] = [width / visible.width, height / visible.height];
    const [left, top, right, bottom] = this.box;
    return [
      (left - visible.x) * across,
      (top - visible.y) * down,
      (right - visible.x) * across,
      (bottom - visible.y) * down,
    ];
  }

  // Where the map fades so does its bar.
  paintScale(view, style, range) {
    this.scale.classList.toggle("none", !this.map && this.described.map === null); // it keeps its place where one comes
    if (!this.map) return;
    const table = chooseTable(view, style);
    const key = [table, style, range, view.signed, view.threshold, this.painting].join(" ");
    if (key === this.scaleKey) return;
    this.scaleKey = key;
    const shades = SHADES[table];
    const flat = isFlat(range);
    const image = new ImageData(256, 1);
    for (let i = 0; i < 256; i++) {
      const at = flat ? (view.signed ? 0.5 : 0) : i / 255;
      const shade = Math.round(at * (SHARED.shades - 1));
      const cover = style === "contours" ? 1 : findCover(shade, view, style);
      image.data.set([...shades.subarray(shade * 3, shade * 3 + 3), Math.round(cover * 255)], i * 4);
    }
    this.bar.getContext("2d").putImageData(image, 0, 0);
    const clipped = this.painting === "fine";
    const low = `${clipped && view.signed ? "≤ " : ""}${formatNumber(range[0])}`;
    write(this.low, flat ? `${formatNumber(range[0])} everywhere` : low);
    write(this.middle, view.signed && !flat ? "0" : "");
    write(this.high, flat ? "" : `${clipped ? "≥ " : ""}${formatNumber(range[1])}`);
  }

  paintContours(view, style, weight, fresh) {
    const shown = this.map && style === "contours" && !isFlat(this.range);
    const table = chooseTable(view, style);
    const key = shown ? `${this.shading} ${table} ${view.threshold} ${weight}` : "";
    if (key === this.contourKey && !fresh) return;
    this.contourKey = key;
    this.lines.replaceChildren();
    if (!shown) return;
    const shades = SHADES[table];
    this.lines.style.opacity = weight;
    const strengths = SHARED.levels.filter((strength) => strength >= view.threshold);
    const levels = view.signed ? strengths.flatMap((s) => [(1 - s) / 2, (1 + s) / 2]) : strengths;
    const [low, high] = this.range;
    const values = levels.map((level) => low + level * (high - low));
    const paths = drawContours(this.map, this.box, values, view.signed);
    makeShape("path", "line-ground", this.lines, { d: paths.join("") });
    paths.forEach((d, index) => {
      const shade = Math.round(levels[index] * (SHARED.shades - 1)) * 3;
      const stroke = `rgb(${shades[shade]} ${shades[shade + 1]} ${shades[shade + 2]})`;
      makeShape("path", "line", this.lines, { d, stroke });
    });
  }

  showFrame({ visible }) {
    const box = `${visible.x} ${visible.y} ${visible.width} ${visible.height}`;
    if (box !== this.viewed) for (const drawing of [this.lines, this.outline, this.parts]) drawing.setAttribute("viewBox", box);
    this.viewed = box;
    this.placeNames();
    this.sides.place(visible, this.stageWidth);
    this.canvas.classList.toggle("zoomed", this.scene.zoom > 1);
    this.showPoint();
    this.showPeak();
  }

  // A place of the picture as shares of the stage, 0…1 where it is on the screen.
  project(x, y) {
    const { visible } = this.scene;
    return [(x - visible.x) / visible.width, (y - visible.y) / visible.height];
  }

  locate(event) {
    const frame = this.canvas.getBoundingClientRect();
    const { visible } = this.scene;
    return {
      x: visible.x + ((event.clientX - frame.left) / frame.width) * visible.width,
      y: visible.y + ((event.clientY - frame.top) / frame.height) * visible.height,
    };
  }

  showPoint() {
    const { point } = this.scene;
    if (!point || this.hasMessage || !this.frameKey) return this.hidePoint();
    const [left, top] = this.project(point.x + 0.5, point.y + 0.5);
    if (left < 0 || left > 1 || top < 0 || top > 1) return this.hidePoint();
    this.down.style.left = `${left * 100}%`;
    this.across.style.top = `${top * 100}%`;
    this.across.hidden = this.down.hidden = false;
    this.readout.classList.toggle("at-bottom", top < 0.25 && left > 0.5);
    if (!this.map || !this.range) {
      const isMap = this.described.map !== null; // one that is awaited
      write(this.readout, isMap ? "" : this.row.stack?.measure(point) || `x ${point.x}, y ${point.y}`);
      this.tick.hidden = true;
      return;
    }
    const value = sampleMap(this.map, this.box, point.x + 0.5, point.y + 0.5, this.signed);
    write(this.readout, Number.isNaN(value) ? "not seen" : formatNumber(value));
    this.tick.hidden = Number.isNaN(value) || isFlat(this.range);
    if (!this.tick.hidden) {
      const at = (value - this.range[0]) / (this.range[1] - this.range[0]);
      this.tick.style.left = `${Math.min(Math.max(at, 0), 1) * 100}%`;
    }
  }

  hidePoint() {
    this.across.hidden = this.down.hidden = this.readout.hidden = this.tick.hidden = true;
  }

  showRegion() {
    const { region, size } = this.scene;
    const points = region && !this.hasMessage ? region.map((corner) => corner.join(",")).join(" ") : "";
    if (points !== this.points) for (const shape of [this.ground, this.dashes]) shape.setAttribute("points", points);
    this.points = points;
    write(this.inside, points ? this.describeRegion(region, size) : "");
    this.showPeak();
  }

  describeRegion(region, size) {
    if (!this.map) {
      const sides = this.row.stack?.measureSides(region) ?? "";
      return `Outlined: ${formatShare(measureArea(region, size))} of the picture${sides}`;
    }
    if (this.sums?.size !== size) this.sums = new Sums(this.map, this.box, size);
    const share = this.sums.getShare(region, size);
    this.inside.dataset.share = share?.toFixed(5) ?? "";
    if (share === null) return "Nothing of the map is above zero";
    const [x, y] = findPeak(this.map, this.box);
    const where = namePlace(x / size.width, y / size.height);
    const peak = isInside([x, y], region) ? "peak inside" : `peak outside, at ${where}`;
    return `${formatShare(share)} of the map inside, ${peak}`;
  }

  showPeak() {
    this.peak.hidden = !this.scene.region || !this.map || !(this.map.highest > 0);
    if (this.peak.hidden) return;
    const [left, top] = this.project(...findPeak(this.map, this.box));
    this.peak.hidden = left < 0 || left > 1 || top < 0 || top > 1;
    this.peak.style.left = `${left * 100}%`;
    this.peak.style.top = `${top * 100}%`;
  }

  remove() {
    this.row.grid.hand.forget(this);
    this.row.grid.onScreen.unobserve(this.stage);
    this.row.grid.sizes.unobserve(this.stage);
    this.element.remove();
  }
}
