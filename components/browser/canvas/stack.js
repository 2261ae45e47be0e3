// A series that is scrolled and windowed here: which slice of it is in view, through which window, with which maps. What
// is in view becomes the page's own once the hand rests, and only then are maps asked for.

const REST = 350; // milliseconds without a step, after which the page is told
const CINE = 100; // milliseconds from slice to slice, of a series that is no clip
const GENTLE = 500; // the same for those whose system asks for less motion
const HURRY = 3; // slices before the end of those sent ahead, at which more are asked for

// By series, what was in view, what the page showed then, and its planes: one grid follows another while slow maps are
// made.
const lastSeen = new Map();

class Stack {
  constructor(grid, volume) {
    this.grid = grid;
    this.volume = volume;
    this.at = null; // { index, window, inverted }
    this.described = null;
    this.given = null;
    this.told = []; // what the page was told and has not yet said back
    this.slices = new Map(); // by index, as the page described them, while their numbers are kept here
    this.maps = new Map(); // by index, of the answer that the page shows
    this.covered = new Set(); // of which slices it is known whether that answer has maps
    this.changed = null;
    this.playing = null;
    this.cross = null;
    this.planes = new Planes(this);
    const seen = lastSeen.get(volume);
    if (seen?.planes) this.planes.restore(seen.cross);
  }

  get rows() {
    return [...this.grid.rows.values()].filter((row) => row.stack === this);
  }

  get count() {
    return this.described.count;
  }

  // Where the page is, as text; of its windows the name.
  read({ plane, index, window, inverted }) {
    return JSON.stringify([plane, index, window, inverted]);
  }

  update(described) {
    const { plane, index, window, inverted, windows } = described;
    const given = this.read(described);
    const isOther = this.described?.plane !== plane;
    this.described = described;
    this.named = new Map(windows.map((one) => [one.name, one]));
    const seen = this.given === null ? lastSeen.get(this.volume) : null;
    if (seen?.given === given) {
      this.at = seen.at;
      this.rest();
    } else if (given !== this.given || isOther) {
      const echoed = this.told.indexOf(given);
      // Python says what it was told, perhaps late: only what is news replaces what is in view.
      if (echoed >= 0 && !isOther) this.told.splice(0, echoed + 1);
      else {
        this.told = [];
        this.at = { index, window, inverted };
      }
    }
    this.given = given;
    this.asked = null;
    this.followCross();
    this.keep(isOther);
    this.fetch();
    this.planes.update();
    this.change("page");
  }

  // What was told before is not asked for again: slices of the same plane, and maps of the same answer.
  keep(isOther) {
    const { answer, index, slices } = this.described;
    if (isOther) this.slices.clear();
    if (isOther || answer !== this.answer) {
      this.maps.clear();
      this.covered.clear();
    }
    this.answer = answer;
    for (const [at, described] of Object.entries(slices)) {
      this.slices.set(Number(at), described);
      if (Number(at) !== index) this.covered.add(Number(at)); // the maps of the page's own lie with its panes
    }
    for (const at of this.maps.keys()) {
      if (this.maps.size <= MAPS_KEPT) break;
      this.maps.delete(at);
      this.covered.delete(at);
    }
  }

  // What is in view, nearest first, and what may come into view next.
  fetch() {
    const { slices, maps, crossing } = this.described;
    const near = (at) => Math.abs(Number(at) - this.at.index);
    for (const described of Object.values(crossing)) fetchSlice(described).then(() => this.change("page"), () => {});
    for (const at of Object.keys(slices).sort((a, b) => near(a) - near(b))) {
      fetchSlice(slices[at]).then(() => this.arrive(Number(at)), () => {});
    }
    for (const [at, file] of Object.entries(maps)) {
      fetchMaps(file).then((found) => {
        this.maps.set(Number(at), found);
        for (const { element } of this.rows) element.dataset.explained = String(this.maps.size);
        this.arrive(Number(at));
      }, () => {});
    }
  }

  arrive(index) {
    if (this.at?.index === index) this.change("page");
  }

  // ---- what is in view

  get slice() {
    return this.slices.get(this.at.index) ?? null;
  }

  get isMissing() {
    return this.described.missing.includes(this.at.index);
  }

  // Whether it is the slice that the page explains, so that its maps are at hand.
  get isOfPage() {
    return this.isOwn(this.at.index);
  }

  // Whether what is in view is what the page's own picture shows.
  get isAsDrawn() {
    return this.isOfPage && !this.at.inverted && this.described.follows && this.read(this.place) === this.given;
  }

  // The window in view with its numbers: a named one, that of the slice's own file, or one that was dragged.
  get window() {
    return this.nameWindow(this.at.window, this.slice);
  }

  nameWindow(window, slice) {
    const named = slice?.windows[window] ?? this.named.get(window);
    if (named?.width !== undefined) return { name: window, ...named };
    const [centre, width] = /^-?[\d.]+\/[\d.]+$/.test(window) ? window.split("/").map(Number) : [NaN, NaN];
    return { name: "", centre, width, function: "LINEAR" };
  }

  // ---- what the hand does

  step(by) {
    this.go(this.at.index + by);
  }

  go(index, isLed = false) {
    const next = Math.min(Math.max(index, 0), this.count - 1);
    if (next === this.at.index) return;
    if (!isLed) this.lead(next);
    this.at = { ...this.at, index: next };
    this.followCross();
    this.change("scroll");
    this.rest();
    this.hurry();
    this.grid.say(this.describe());
  }

  // ---- the crosshair of the three planes: a voxel

  centreCross() {
    const { view } = this.described;
    const { point } = this.rows[0]?.scene ?? {};
    const [row, column] = point ? this.findCell(point) : [view.rows >> 1, view.columns >> 1];
    this.cross = findVoxel(view, [this.at.index, row, column]);
  }

  // Another slice is in view: the crosshair goes with it.
  followCross() {
    if (!this.cross) return;
    const [, row, column] = findPlace(this.described.view, this.cross);
    this.cross = findVoxel(this.described.view, [this.at.index, row, column]);
  }

  // Move the crosshair to a voxel; the slice in view goes with it.
  pointAt(voxel) {
    this.cross = voxel;
    const { view } = this.described;
    const [index, row, column] = findPlace(view, voxel);
    const at = { x: ((column + 0.5) * view.width) / view.columns, y: ((row + 0.5) * view.height) / view.rows };
    this.rows[0]?.scene.pointAt({ x: Math.floor(at.x), y: Math.floor(at.y) });
    if (index !== this.at.index) this.go(index);
    else this.change("page");
    this.rest();
  }

  // The same for a place of the picture that is in view.
  pointAtPicture(point) {
    if (!this.planes.open) return;
    this.cross = findVoxel(this.described.view, [this.at.index, ...this.findCell(point)]);
    this.change("page");
    this.rest();
  }

  findCell({ x, y }) {
    const { rows, columns, width, height } = this.described.view;
    return [clampTo(Math.floor((y * rows) / height), rows), clampTo(Math.floor((x * columns) / width), columns)];
  }

  tellPlanes() {
    const told = JSON.stringify(this.planes.open ? this.cross : null);
    if (told === this.toldPlanes) return;
    this.toldPlanes = told;
    this.grid.crosses[this.volume] = this.planes.open ? this.cross : null;
    this.grid.setStateValue("planes", { ...this.grid.crosses });
  }

  // The other series goes along.
  lead(index) {
    const { link } = this.described;
    const other = link && this.grid.stacks.get(link.volume);
    other?.go(link.indices[index], true);
  }

  choose(window) {
    this.at = { ...this.at, window };
    this.change("window");
    this.rest();
    this.grid.say(this.describe());
  }

  // Widen the window and lift its centre; the units are those of the file.
  widen(wider, higher) {
    const { centre, width } = this.window;
    if (!(width > 0) || !this.slice) return;
    const least = this.isFine ? 1e-6 : 1;
    this.choose(writeWindow(centre + higher, Math.max(width + wider, least)));
  }

  // How far a pixel of a drag moves a window: so that a hand's width goes through what the series holds.
  get pace() {
    const { width } = this.window;
    return Math.max((width || 1) / 250, this.isFine ? 0 : 0.25);
  }

  get isFine() {
    return this.slice?.type === "float32";
  }

  invert() {
    this.at = { ...this.at, inverted: !this.at.inverted };
    this.change("window");
    this.rest();
    this.grid.say(this.describe());
  }

  // ---- cine

  play() {
    if (this.playing) return this.stop();
    const gentle = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const usual = this.described.seconds ? this.described.seconds * 1000 : CINE;
    this.playing = setInterval(() => this.playOn(), gentle ? Math.max(GENTLE, usual) : usual);
    this.change("page");
  }

  // The next slice, once it is here; missing ones are left out, and after the last comes the first.
  playOn() {
    const { missing } = this.described;
    let next = this.at.index;
    do next = (next + 1) % this.count;
    while (missing.includes(next) && next !== this.at.index);
    if (this.slices.has(next) && getSlice(this.slices.get(next))) this.go(next);
    else this.hurry(next);
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    this.rest();
    this.change("page");
  }

  // ---- telling

  get place() {
    const { plane } = this.described;
    return { volume: this.volume, plane, ...this.at };
  }

  // Ask for more slices before those that are here end. The page's slice stays what it is.
  hurry(around = this.at.index) {
    const { count, index, missing, reach } = this.described;
    const soon = Math.min(HURRY, reach - 1);
    const near = [-soon, 0, soon].map((by) => clampTo(around + by, count));
    const isShort = near.some((at) => !this.isHere(at) && !missing.includes(at));
    if (!isShort || this.asked === around || index === around) return;
    clearTimeout(this.hurrying);
    this.hurrying = setTimeout(() => {
      this.asked = around;
      this.grid.near[this.volume] = { ...this.place, index: around };
      this.grid.setStateValue("near", { ...this.grid.near });
    }, 60);
  }

  // Whether nothing of a slice need be asked for: its numbers, and its maps where there are some.
  isHere(index) {
    const known = this.slices.get(index);
    const isComing = index in this.described.slices; // the page's latest addresses hold
    return Boolean(known) && (isComing || getSlice(known) !== null) && (this.isOwn(index) || this.covered.has(index));
  }

  isOwn(index) {
    return index === this.described.index;
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      if (this.playing || this.grid.hand.pointers.size || this.planes.isHeld) return this.rest();
      this.tellPlanes();
      this.tell();
    }, REST);
  }

  // Say what is in view, or that slices of another plane are to be explained.
  tell(plane = this.described.plane, index = this.at.index) {
    const place = { ...this.place, plane, index };
    const now = this.read(place);
    if (now === this.given || now === this.told.at(-1)) return;
    if (this.isMissing && plane === this.described.plane) return;
    this.told.push(now);
    this.grid.tellPlace({ ...place, at: performance.now() });
  }

  // ---- showing

  change(kind) {
    this.changed = kind === "page" ? (this.changed ?? kind) : kind;
    lastSeen.set(this.volume, { at: this.at, given: this.given, planes: this.planes.open, cross: this.cross });
    this.grid.requestPaint();
  }

  // Before the panes are painted: the slice in view as a picture, its maps, and what is said of it. Gives back what had
  // changed, for the time it took to be told.
  prepare() {
    const { changed } = this;
    if (!changed) return null;
    this.changed = null;
    const { described, rows } = this;
    const { view } = described;
    const held = this.slice && getSlice(this.slice);
    if (held || this.isMissing) this.picture = new SlicePicture(this.draw(held), view);
    for (const row of rows) {
      row.showSlice(this, this.isMissing || Boolean(held));
      row.element.dataset.slice = String(this.at.index);
      row.element.dataset.window = this.at.window;
    }
    this.planes.draw();
    return held || this.isMissing ? changed : null;
  }

  draw(held) {
    const { view, padding } = this.described;
    if (held?.bitmap) return held.bitmap;
    const { rows, columns } = view;
    const image = new ImageData(columns, rows);
    const out = new Uint32Array(image.data.buffer);
    if (held) getLens(this.slice, this.window, this.at.inverted, padding).draw(out, held.numbers, held);
    else out.fill(0xff000000);
    return image;
  }

  // The maps of the slice in view by pane, where they are known: those of the page's own are the panes' own.
  getMaps() {
    return this.isOfPage ? null : (this.maps.get(this.at.index) ?? {});
  }

  // What the slice in view is called, as the page calls its own.
  get title() {
    const { name, title } = this.described;
    return `${name}, ${title ? title.toLowerCase() : "no."} ${this.at.index + 1}`;
  }

  // Sides of an outline in millimetres, as the end of what is said of it; empty where nobody knows.
  measureSides(region) {
    const { mm, rows, columns, width, height } = this.described.view;
    if (!mm) return "";
    const extent = (side) => Math.max(...region.map((at) => at[side])) - Math.min(...region.map((at) => at[side]));
    const across = (extent(0) * columns * mm[2]) / width;
    const down = (extent(1) * rows * mm[1]) / height;
    return `, ${across.toFixed(1)} × ${down.toFixed(1)} mm`;
  }

  // The slice in words, for those who do not see it and beside the slider.
  describe() {
    const { count, title } = this.described;
    const { name, centre, width } = this.window;
    const said = [`Slice ${this.at.index + 1} of ${count}${title ? `, ${title.toLowerCase()}` : ""}`];
    if (this.isMissing) said.push("not in the series");
    if (width > 0) said.push(`window ${name || "own"}, centre ${formatLevel(centre)}, width ${formatLevel(width)}`);
    if (this.at.inverted) said.push("inverted");
    return said.join(", ");
  }

  // The value at a place of the picture in the file's units, and where it lies; empty where nobody knows.
  measure({ x, y }) {
    const { view, unit, padding } = this.described;
    const [row, column] = this.findCell({ x, y });
    const held = this.slice && getSlice(this.slice);
    if (!held?.numbers) return "";
    const number = held.numbers[row * view.columns + column];
    const { origin } = this.slice;
    const value = formatValue(number, this.slice, unit, padding);
    return [value, origin && view.turn && view.mm ? namePosition(origin, view, row, column) : ""].filter(Boolean).join(" · ");
  }

  end() {
    clearTimeout(this.resting);
    clearTimeout(this.hurrying);
    clearInterval(this.playing);
  }
}

const maps = new Map(); // of explained slices, by the address of their file
const MAPS_KEPT = 256;

// The maps of a slice, by pane.
function fetchMaps({ url, key }) {
  if (!maps.has(key)) {
    if (maps.size >= MAPS_KEPT) maps.delete(maps.keys().next().value);
    const loading = fetch(new URL(url, APP))
      .then((answer) => (answer.ok ? answer.body : Promise.reject(new Error(`${answer.status}`))))
      .then((body) => new Response(body.pipeThrough(new DecompressionStream("gzip"))).json());
    loading.catch(() => maps.delete(key));
    maps.set(key, loading);
  }
  return maps.get(key);
}

// As a link and Volume.slice have it: at most six decimals.
function writeWindow(centre, width) {
  const write = (value) => String(Number(value.toFixed(Math.abs(value) < 10 ? 4 : 1)));
  return `${write(centre)}/${write(width)}`;
}

// A number of a slice in the file's units.
function formatValue(number, { slope, intercept }, unit, padding) {
  const isNone = !Number.isFinite(number) || (padding && number >= padding[0] && number <= padding[1]);
  return isNone ? "no value" : [formatLevel(number * slope + intercept), unit].filter(Boolean).join(" ");
}

function formatLevel(value) {
  const text = Number.isInteger(value) || Math.abs(value) >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(4)));
  return text.replace("-", "−");
}
