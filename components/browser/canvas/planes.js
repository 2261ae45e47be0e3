// The three planes of a stack side by side, with one crosshair. They are cut from the whole stack, thinned out, which is
// fetched when they are first opened; once the hand rests, each shows all numbers of its slice.

// The voxel (slice, row, column as stored) at a slice, row and column of a view, and the way back; see View in planes.py.
function findVoxel({ axes, flips, shape }, place) {
  const voxel = [0, 0, 0];
  axes.forEach((axis, i) => (voxel[axis] = flips[i] ? shape[axis] - 1 - place[i] : place[i]));
  return voxel;
}

function findPlace({ axes, flips, shape }, voxel) {
  return axes.map((axis, i) => (flips[i] ? shape[axis] - 1 - voxel[axis] : voxel[axis]));
}

const clampTo = (value, count) => Math.min(Math.max(value, 0), count - 1);

class Planes {
  constructor(stack) {
    this.stack = stack;
    this.open = false;
    this.views = [];
    this.note = make("p", "planes-note", null);
    this.element = make("div", "planes", null, { role: "group", "aria-label": "Three planes with one crosshair" });
    this.element.hidden = true;
  }

  get isHeld() {
    return this.views.some(({ held }) => held);
  }

  toggle() {
    this.open = !this.open;
    if (this.open && !this.stack.cross) this.stack.centreCross();
    this.stack.tellPlanes();
    this.update();
    this.stack.change("page");
  }

  // They were open in the grid before this one; the page is told of them anew.
  restore(cross) {
    this.open = true;
    this.stack.cross = cross;
    this.stack.rest();
  }

  update() {
    const { planes, block } = this.stack.described;
    this.element.hidden = !this.open || planes.length < 2;
    if (this.element.hidden) return;
    if (this.views.length !== planes.length) {
      this.element.replaceChildren(this.note);
      this.views = planes.map((plane) => new PlaneView(this, plane));
    }
    planes.forEach((plane, place) => this.views[place].update(plane));
    if (block) fetchSlice(block).then(() => this.stack.change("page"), () => {});
  }

  // Before anything is written; see Grid.paint.
  readSizes() {
    if (this.element.hidden) return;
    for (const view of this.views) view.readSize();
  }

  draw() {
    if (this.element.hidden) return;
    const { described, at } = this.stack;
    const isMixed = described.block && !described.block.exact && at.window in described.block.windows;
    write(this.note, isMixed ? "Each slice has a window of its own: these planes are seen through that of the middle one." : "");
    for (const view of this.views) view.draw();
  }
}

class PlaneView {
  constructor(planes, described) {
    this.planes = planes;
    this.described = described;
    this.element = make("figure", "plane", planes.element, { "data-plane": described.plane });
    const head = make("figcaption", "plane-head", this.element);
    make("span", "plane-title", head).textContent = described.title;
    this.number = make("span", "number", head);
    this.stage = make("div", "stage", this.element);
    this.explain = make("button", "small", this.element, { type: "button" });
    this.explain.textContent = "Explain";
    this.explain.title = `Explain ${described.title.toLowerCase()} slices`;
    this.explain.addEventListener("click", () => this.stack.tell(described.plane, this.index));
    this.canvas = make("canvas", "", this.stage, { role: "img", tabindex: "0" });
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.sides = new Sides(this.stage);
    this.across = make("div", "cross across", this.stage);
    this.down = make("div", "cross down", this.stage);
    this.readout = make("div", "readout number", this.stage);
    this.readout.hidden = true;
    this.listen();
  }

  get stack() {
    return this.planes.stack;
  }

  get view() {
    return this.described.view;
  }

  get place() {
    return findPlace(this.view, this.stack.cross);
  }

  get index() {
    return this.place[0];
  }

  update(described) {
    this.described = described;
    this.element.style.setProperty("--ratio", String(described.view.width / described.view.height));
    this.drawn = null;
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      const windows = event.button === 2 || event.shiftKey || this.stack.grid.hand.tool === "window";
      this.held = { x: event.clientX, y: event.clientY, pace: windows ? this.stack.pace : null };
      if (!windows) this.point(this.locate(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      const place = this.locate(event); // once: what is written makes the browser lay all out anew to be read
      this.measure(place);
      if (!this.held) return;
      const { pace, x, y } = this.held;
      if (!pace) return this.point(place);
      this.stack.widen((event.clientX - x) * pace, (event.clientY - y) * pace);
      Object.assign(this.held, { x: event.clientX, y: event.clientY });
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (this.held = null));
    canvas.addEventListener("pointerleave", () => write(this.readout, ""));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      if (event.ctrlKey) return;
      event.preventDefault();
      this.stack.grid.hand.turn(this, event);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.press(event));
  }

  readSize() {
    this.stageWidth = this.stage.clientWidth;
  }

  // Go through the slices of this plane: the crosshair moves along.
  step(by) {
    this.move([by, 0, 0]);
  }

  move(by) {
    const counts = [this.described.count, this.view.rows, this.view.columns];
    const next = this.place.map((at, i) => clampTo(at + by[i], counts[i]));
    this.stack.pointAt(findVoxel(this.view, next));
  }

  locate(event) {
    const frame = this.canvas.getBoundingClientRect();
    const { rows, columns } = this.view;
    const row = clampTo(Math.floor(((event.clientY - frame.top) / frame.height) * rows), rows);
    const column = clampTo(Math.floor(((event.clientX - frame.left) / frame.width) * columns), columns);
    return [this.index, row, column];
  }

  point(place) {
    this.stack.pointAt(findVoxel(this.view, place));
  }

  // The value under the pointer, of those that are here.
  measure([, row, column]) {
    const numbers = this.find();
    if (!numbers) return;
    const { unit, padding } = this.stack.described;
    write(this.readout, formatValue(numbers.get(row, column), numbers.described, unit, padding));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [right, down] = DIRECTIONS[event.key] ?? [0, 0];
    const { hand } = this.stack.grid;
    if (hand.tool !== "window" && event.shiftKey && (right || down)) this.move([0, down, right]);
    else if (hand.tool !== "window" && (right || down)) this.move([down, 0, right]);
    else if (hand.tool !== "window" && (event.key === "Home" || event.key === "End")) {
      this.step(event.key === "Home" ? -this.described.count : this.described.count);
    } else if (event.key === "?" || !hand.actOnStack(this.stack, event.key, event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  // The numbers of the slice: all of them where they are here, or those that the block has.
  find() {
    const { block, crossing } = this.stack.described;
    const sharp = crossing[this.described.plane];
    const held = sharp?.index === this.index && getSlice(sharp);
    if (held) {
      const { rows, columns } = this.view;
      return { described: sharp, rows, columns, held, numbers: held.numbers, get: (row, column) => held.numbers[row * columns + column] };
    }
    const whole = block && getSlice(block);
    return whole ? this.cut(block, whole) : null;
  }

  // A slice of the block, as the plane is turned.
  cut(block, held) {
    const all = held.numbers;
    const { axes, flips } = this.view;
    const { steps, shape } = block;
    const strides = [shape[1] * shape[2], shape[2], 1];
    const [rows, columns] = [shape[axes[1]], shape[axes[2]]];
    const start = Math.floor(this.stack.cross[axes[0]] / steps[axes[0]]) * strides[axes[0]];
    const place = (axis, count, flip) =>
      Int32Array.from({ length: count }, (_, i) => (flip ? count - 1 - i : i) * strides[axis]);
    const [down, across] = [place(axes[1], rows, flips[1]), place(axes[2], columns, flips[2])];
    const numbers = new all.constructor(rows * columns);
    for (let row = 0; row < rows; row++) {
      const from = start + down[row];
      for (let column = 0; column < columns; column++) numbers[row * columns + column] = all[from + across[column]];
    }
    const thin = (at, axis, count) => Math.min(Math.floor(at / steps[axis]), count - 1);
    const get = (row, column) => numbers[thin(row, axes[1], rows) * columns + thin(column, axes[2], columns)];
    return { described: block, rows, columns, held, numbers, get };
  }

  draw() {
    const { stack, view } = this;
    const { at, described } = stack;
    const found = this.find();
    const [index, row, column] = this.place;
    write(this.number, `${index + 1} / ${this.described.count}`);
    const isExplained = String([described.view.axes, described.view.flips]) === String([view.axes, view.flips]);
    this.explain.hidden = isExplained;
    this.element.classList.toggle("explained", isExplained);
    this.element.dataset.slice = String(index);
    this.canvas.setAttribute("aria-label", `${this.described.title}, slice ${index + 1} of ${this.described.count}.`);
    this.across.style.top = `${((row + 0.5) / view.rows) * 100}%`;
    this.down.style.left = `${((column + 0.5) / view.columns) * 100}%`;
    this.canvas.classList.toggle("waiting", !found);
    const key = found && `${index} ${found.described.key} ${at.window} ${at.inverted}`;
    if (!found || key === this.drawn) return;
    this.drawn = key;
    if (!this.stageWidth) this.readSize(); // just now put on the page
    this.paint(found);
    this.sides.update(view, true);
    const whole = { x: 0, y: 0, width: view.width, height: view.height };
    this.sides.place(whole, this.stageWidth);
  }

  paint({ described, rows, columns, held, numbers }) {
    const { stack, view } = this;
    const window = stack.nameWindow(stack.at.window, described);
    this.surface ??= new OffscreenCanvas(columns, rows);
    Object.assign(this.surface, { width: columns, height: rows });
    const image = new ImageData(columns, rows);
    getLens(described, window, stack.at.inverted, stack.described.padding).draw(
      new Uint32Array(image.data.buffer),
      numbers,
      held,
    );
    this.surface.getContext("2d").putImageData(image, 0, 0);
    const width = Math.max(1, Math.round(Math.min(view.width, this.stageWidth * devicePixelRatio || view.width)));
    const height = Math.max(1, Math.round((width * view.height) / view.width));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(this.surface, 0, 0, width, height);
  }
}
