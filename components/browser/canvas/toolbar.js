// The toolbar above the rows, and the list of keys.

// One control for each declared setting, labelled and bounded as declared, and the tools.
class Toolbar {
  constructor(grid) {
    this.controls = [];
    const element = make("div", "toolbar", grid.element);
    this.element = element;
    this.settings = [];
    const views = make("div", "group", element, { role: "group", "aria-label": "How the maps are shown" });
    this.views = views;
    this.addControls(views, SHARED.settings, () => grid.view, grid.changeView.bind(grid));
    const tools = make("div", "group", element, { role: "group", "aria-label": "Looking closer" });
    const { hand } = grid;
    const zooming = make("span", "together", tools);
    this.addButton(zooming, "zoom-out", "−", "Zoom out (−)", () => hand.zoom(1 / 1.5));
    this.zoom = make("span", "number zoom", zooming);
    this.addButton(zooming, "zoom-in", "+", "Zoom in (+)", () => hand.zoom(1.5));
    const outlines = make("span", "together", tools);
    const addTool = (name, text, title) =>
      this.addButton(outlines, name, text, title, () => hand.useTool(name), () => hand.tool === name);
    addTool("box", "Box", "Draw a box: how much of each map lies inside? (b)");
    addTool("lasso", "Lasso", "Draw an outline by hand: how much of each map lies inside? (l)");
    this.addButton(outlines, "clear", "Clear", "Clear the box or lasso (c)", () => hand.clear());
    const swipe = () => grid.swipe(!grid.swiping);
    this.addButton(tools, "swipe", "Swipe", "A divider between picture and map (s)", swipe, () => grid.swiping);
    this.addButton(tools, "reset", "Reset", "Show everything as it was at first", () => grid.reset());
    this.addButton(tools, "keys", "?", "Keys (?)", () => grid.sheet.show());
    // What goes first where there is no room; how strongly the maps show stays.
    this.foldable = [...this.settings.slice(1).reverse(), ...[...tools.children].reverse()];
    this.more = make("button", "small more", element, { type: "button", "data-tool": "more" });
    this.more.addEventListener("click", () => this.unfold(!element.classList.contains("unfolded")));
    this.unfold(false);
  }

  unfold(open) {
    this.element.classList.toggle("unfolded", open);
    this.more.setAttribute("aria-expanded", String(open));
    this.more.textContent = open ? "Less ▴" : "More ▾";
    this.width = null;
    this.fit();
  }

  // Where there is nothing but pictures to draw on, nothing is to be set of maps.
  showSettings(shown) {
    if (this.views.hidden === !shown) return;
    this.views.hidden = !shown;
    this.width = null;
  }

  // One line: what has no room on it is behind the button at its end.
  fit() {
    const { element, foldable, more } = this;
    if (element.clientWidth === this.width) return;
    this.width = element.clientWidth;
    for (const item of foldable) item.classList.remove("folded");
    if (element.classList.contains("unfolded")) return;
    more.hidden = true;
    const isFull = () => element.scrollWidth > element.clientWidth;
    if (!isFull()) return;
    more.hidden = false;
    for (const item of foldable) {
      if (!isFull()) break;
      item.classList.add("folded");
    }
  }

  addButton(parent, name, text, title, act, isOn) {
    const button = make("button", "small", parent, { type: "button", "data-tool": name, title });
    if (text.length < 2) button.setAttribute("aria-label", title);
    button.textContent = text;
    button.addEventListener("click", act);
    if (isOn) this.controls.push(() => button.setAttribute("aria-pressed", String(isOn())));
  }

  addControls(parent, settings, read, change) {
    for (const [name, setting] of Object.entries(settings)) {
      const label = make("label", "control", parent, { title: setting.description });
      this.settings.push(label);
      make("span", "control-name", label).textContent = setting.title;
      const add = setting.enum ? this.addChoice : setting.type === "boolean" ? this.addSwitch : this.addSlider;
      const show = add.call(this, label, name, setting, (value) => change(name, value));
      this.controls.push(() => show(read()));
    }
  }

  addSlider(label, name, { minimum, maximum, step }, change) {
    const input = make("input", "", label, { type: "range", min: minimum, max: maximum, step, "data-setting": name });
    const value = make("span", "number value", label);
    input.addEventListener("input", () => change(Number(input.value)));
    return (view) => {
      if (Number(input.value) !== view[name]) input.value = view[name];
      write(value, `${Math.round(view[name] * 100)} %`);
      input.setAttribute("aria-valuetext", value.textContent);
    };
  }

  addChoice(label, name, setting, change) {
    const input = make("select", "", label, { "data-setting": name });
    for (const value of setting.enum) {
      make("option", "", input, { value }).textContent = value[0].toUpperCase() + value.slice(1);
    }
    input.addEventListener("change", () => change(input.value));
    return (view) => {
      input.value = view[name];
      input.disabled = name === "colour_table" && view.signed; // the signed view has tables of its own
    };
  }

  addSwitch(label, name, setting, change) {
    const input = make("input", "", label, { type: "checkbox", "data-setting": name });
    label.prepend(input);
    input.addEventListener("change", () => change(input.checked));
    return (view) => {
      input.checked = view[name];
    };
  }

  show() {
    for (const control of this.controls) control();
  }

  showZoom(zoom) {
    write(this.zoom, formatZoom(zoom));
  }
}

// The list of keys.
class Sheet {
  constructor(parent) {
    this.element = make("dialog", "sheet", parent, { "aria-label": "Keys" });
    make("h2", "sheet-title", this.element).textContent = "Keys";
    this.groups = make("div", "sheet-groups", this.element);
    this.addKeys(KEYS);
    this.ofStacks = this.addKeys(STACK_KEYS, "stack-keys");
    this.addTitle(this.ofStacks, "On a series of slices");
    this.addTitle(this.addKeys(STAGE_KEYS, "stage-keys"), "Before an audience");
    const close = make("button", "action", this.element, { type: "button" });
    close.textContent = "Close";
    close.addEventListener("click", () => this.element.close());
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
  }

  addKeys(keys, className = "") {
    const group = make("div", className, this.groups);
    const list = make("dl", "", group);
    for (const [key, meaning] of keys) {
      make("dt", "", list).textContent = key;
      make("dd", "", list).textContent = meaning;
    }
    return group;
  }

  addTitle(group, title) {
    const heading = make("h3", "sheet-title", null);
    heading.textContent = title;
    group.prepend(heading);
  }

  show() {
    if (this.element.open) this.element.close();
    else this.element.showModal();
  }
}
