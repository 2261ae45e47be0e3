// The bar of a stack above its panes: which slice, through which window, and the buttons for what keys do.

class Bar {
  constructor(row) {
    this.row = row;
    this.element = make("div", "stack-bar", null, { role: "group", "aria-label": "Slices and window" });
    const slices = make("label", "control slices", this.element);
    make("span", "control-name", slices).textContent = "Slice";
    this.slider = make("input", "", slices, { type: "range", min: 1, step: 1, "data-stack": "slice" });
    this.number = make("span", "number", slices);
    this.slider.addEventListener("input", () => this.stack.go(Number(this.slider.value) - 1));
    this.playing = this.addButton("cine", "▶", "Play the slices (c)", () => this.stack.play());
    const windows = make("label", "control", this.element, { title: "Which values are shown from black to white (w)" });
    make("span", "control-name", windows).textContent = "Window";
    this.windows = make("select", "", windows, { "data-stack": "window" });
    this.windows.addEventListener("change", () => this.stack.choose(this.windows.value));
    this.levels = make("span", "number levels", this.element);
    this.dragging = this.addButton("drag", "Drag", "Drag on a picture to move the window: across for its width (w)", () =>
      this.row.grid.hand.useTool("window"),
    );
    this.inverting = this.addButton("invert", "Invert", "Black for white, for the eye only (i)", () => this.stack.invert());
    this.planes = this.addButton("planes", "Planes", "Axial, coronal and sagittal, with one crosshair", () => {
      if (this.stack.described.planes.length > 1) this.stack.planes.toggle();
      else this.isAsked = !this.isAsked; // why there are none
      this.update();
    });
    this.words = make("span", "stack-words", this.element);
    this.listed = null;
  }

  addButton(name, text, title, act) {
    const button = make("button", "small", this.element, { type: "button", "data-stack": name, title });
    button.textContent = text;
    button.addEventListener("click", act);
    return button;
  }

  get stack() {
    return this.row.stack;
  }

  update() {
    const { stack } = this;
    this.element.hidden = !stack || stack.rows[0] !== this.row;
    if (this.element.hidden) return;
    const { at, count, described } = stack;
    Object.assign(this.slider, { max: count, value: at.index + 1 });
    this.slider.parentElement.hidden = count < 2;
    this.slider.setAttribute("aria-valuetext", stack.describe());
    write(this.number, `${at.index + 1} / ${count}`);
    this.list(stack);
    this.playing.hidden = count < 2;
    write(this.playing, stack.playing ? "❚❚" : "▶");
    this.playing.title = stack.playing ? "Stop (c)" : "Play the slices (c)";
    this.playing.setAttribute("aria-label", this.playing.title);
    const { centre, width } = stack.window;
    const unit = described.unit ? ` ${described.unit}` : "";
    write(this.levels, width > 0 ? `C ${formatLevel(centre)}  W ${formatLevel(width)}${unit}` : "");
    this.inverting.setAttribute("aria-pressed", String(at.inverted));
    for (const part of [this.windows.parentElement, this.dragging, this.inverting]) part.hidden = !described.windows.length;
    this.showTool();
    this.planes.setAttribute("aria-pressed", String(stack.planes.open));
    this.planes.hidden = !described.fault && described.planes.length < 2;
    write(this.words, [described.said, this.isAsked ? described.fault : ""].filter(Boolean).join(" "));
  }

  showTool() {
    this.dragging.setAttribute("aria-pressed", String(this.row.grid.hand.tool === "window"));
  }

  // The windows to choose from, in the order of their digits, and one that was dragged.
  list({ described, at }) {
    const names = listWindows(described);
    const isOwn = !names.includes(at.window);
    const text = JSON.stringify([names, isOwn]);
    if (text !== this.listed) {
      this.listed = text;
      this.windows.replaceChildren();
      names.forEach((name, place) => {
        const digit = place < 9 ? `${place + 1}  ` : "";
        make("option", "", this.windows, { value: name }).textContent = `${digit}${name}`;
      });
      if (isOwn) make("option", "", this.windows).textContent = "Own";
    }
    if (isOwn) this.windows.lastChild.value = at.window; // another at each move of a hand
    this.windows.value = at.window;
  }
}

// The names of windows by the digits that choose them: of CT the usual ones first, as people know them by heart.
function listWindows({ windows }) {
  const isUsual = ({ name }) => SHARED.presets.includes(name);
  const usual = windows.filter(isUsual).map(({ name }) => name);
  return [...usual, ...windows.filter((one) => !isUsual(one)).map(({ name }) => name)];
}
