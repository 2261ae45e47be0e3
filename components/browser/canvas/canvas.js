// The grid: rows of panes, the toolbar above them, and what it tells Python.

const SCENES_KEPT = 64;
const TOGETHER = 20; // milliseconds within which what is said of two series goes together

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

export class Grid {
  constructor(parentElement) {
    this.element = make("div", "grid", parentElement, { "data-testid": "canvas-grid", "data-version": "0" });
    make("style", "", this.element).textContent = SHARED.styles;
    this.element.style.setProperty("--disclaimer", JSON.stringify(SHARED.disclaimer));
    this.rows = new Map();
    this.scenes = new Map();
    this.stacks = new Map();
    this.near = {}; // by series, what Python was told of them: the slice around which more are wanted
    this.crosses = {}; // and the voxel under the crosshair
    this.places = new Map();
    this.view = null;
    this.givenView = null;
    this.reportedView = null;
    this.version = 0;
    this.wanted = new Set();
    this.swiping = false;
    this.swipeAt = 0.5;
    this.solo = null;
    this.hand = new Hand(this);
    this.memory = new Memory(this);
    this.toolbar = new Toolbar(this);
    this.drawers = new Drawers(this);
    this.list = make("div", "rows", this.element);
    this.news = new News(this);
    this.sheet = new Sheet(this.element);
    make("p", "unseen", this.element, { id: "canvas-hint" }).textContent = "Press question mark for the list of keys.";
    this.status = make("p", "unseen", this.element, { role: "status" });
    this.slide = new Slide(this);
    // Half a screen ahead. The page scrolls in an element of its own, which rootMargin does not reach beyond.
    const ahead = { rootMargin: "50%", scrollMargin: "50%" };
    this.onScreen = new IntersectionObserver((entries) => this.notice(entries), ahead);
    this.sizes = new ResizeObserver(() => {
      this.arrange();
      this.requestPaint();
    });
    this.sizes.observe(this.list);
    this.element.addEventListener("pointerleave", () => this.report());
    this.element.addEventListener("focusout", (event) => {
      if (!this.element.contains(event.relatedTarget)) this.report();
    });
    this.ending = new AbortController();
    document.addEventListener("camscope-marks", () => this.showMarks(), { signal: this.ending.signal });
    document.addEventListener("camscope-maps", () => this.requestPaint(), { signal: this.ending.signal });
    this.element.addEventListener("fullscreenchange", () => {
      if (this.solo && this.element.getRootNode().fullscreenElement !== this.element) this.leaveSolo();
    });
  }

  // Marks come later than maps, by way of the page; those of another question are of other maps.
  showMarks() {
    const { question, marks } = globalThis.camscopeMarks ?? {};
    const found = this.question && question === this.question ? marks : {};
    for (const row of this.rows.values()) {
      for (const [key, pane] of row.panes) pane.showMarks(found[row.name]?.[key] ?? null);
    }
    if (this.slide.on) this.slide.arrangeAll(); // they need a line of their own
  }

  update({ data, setStateValue, setTriggerValue }) {
    this.setStateValue = setStateValue;
    this.setTriggerValue = setTriggerValue;
    const given = JSON.stringify(data.view);
    // Python echoes what it was told, perhaps late: only a view that is news replaces what the person chose here.
    if (this.view === null || (given !== this.givenView && given !== this.reportedView)) this.memory.follow(data.view);
    if (this.reportedView === null) this.reportedView = given;
    this.givenView = given;
    reconcile(this.rows, data.rows, this.list, (key) => new Row(this, key));
    for (const [volume, stack] of this.stacks) {
      if (stack.rows.length) continue;
      stack.end();
      this.stacks.delete(volume);
    }
    this.drawing = data.drawing;
    this.arrange();
    this.question = globalThis.camscopeQuestion = data.question;
    this.showMarks();
    document.dispatchEvent(new CustomEvent("camscope-question"));
    this.news.update(data);
    this.showTools();
    this.memory.place();
    this.stale = true;
    this.paint();
    this.hand.takeFocus();
  }

  arrange() {
    const most = Math.max(0, ...[...this.rows.values()].map(({ panes }) => panes.size));
    for (const row of this.rows.values()) row.arrange(this.rows.size > 1 ? most : 0);
    const isMapped = [...this.rows.values()].some(({ panes }) => [...panes.values()].some((pane) => pane.map));
    this.toolbar.showSettings(isMapped || !this.drawing);
    this.toolbar.fit();
    this.drawers.place();
  }

  get firstPane() {
    const [row] = this.rows.values();
    return row ? ([...row.panes.values()].find((pane) => pane.map) ?? row.panes.values().next().value) : null;
  }

  // How maps are painted now: as was chosen, unless the page hides them before an audience.
  get shown() {
    if (!document.documentElement.hasAttribute("data-maps-hidden")) return this.view;
    return { ...this.view, opacity: 0, style: "even" };
  }

  // What the shades do to pixels, worked out once for all panes that are painted alike.
  getColours(view, style, weight) {
    const shown = JSON.stringify(view);
    if (shown !== this.colouredView) this.colours = new Map();
    this.colouredView = shown;
    const key = `${style} ${weight}`;
    if (!this.colours.has(key)) this.colours.set(key, weighColours(view, style, weight));
    return this.colours.get(key);
  }

  getScene(digest) {
    if (!this.scenes.has(digest)) {
      if (this.scenes.size >= SCENES_KEPT) this.scenes.delete(this.scenes.keys().next().value);
      this.scenes.set(digest, new Scene(this));
    }
    return this.scenes.get(digest);
  }

  getStack(volume) {
    if (!this.stacks.has(volume)) this.stacks.set(volume, new Stack(this, volume));
    return this.stacks.get(volume);
  }

  changeView(name, value) {
    this.view = { ...this.view, [name]: value };
    this.showTools();
    this.requestPaint();
  }

  reset() {
    for (const name of Object.keys(this.view)) this.view[name] = SHARED.settings[name].default;
    for (const scene of this.scenes.values()) scene.zoomTo(1);
    this.swipe(false);
  }

  swipe(swiping) {
    this.swiping = swiping;
    this.element.classList.toggle("swiping", swiping);
    this.moveSwipe(this.swipeAt);
    this.showTools();
    this.requestPaint();
  }

  moveSwipe(share) {
    this.swipeAt = Math.min(Math.max(share, 0), 1);
    this.element.style.setProperty("--swipe", `${this.swipeAt * 100}%`);
    for (const divider of this.element.querySelectorAll(".divider")) {
      divider.setAttribute("aria-valuenow", String(Math.round(this.swipeAt * 100)));
    }
  }

  // One pane alone, with the toolbar. Where the browser has no full screen, it fills the window.
  async toggleSolo(pane) {
    if (this.solo) {
      const filling = this.element.getRootNode().fullscreenElement === this.element;
      this.leaveSolo();
      if (filling) await document.exitFullscreen();
      return;
    }
    this.solo = pane;
    this.element.classList.add("solo");
    for (const { element } of [pane, pane.row]) element.classList.add("alone");
    this.showTools();
    try {
      await this.element.requestFullscreen();
    } catch {
      this.element.popover = "manual";
      this.element.showPopover();
    }
    pane.canvas.focus();
  }

  leaveSolo() {
    const pane = this.solo;
    this.solo = null;
    this.element.classList.remove("solo");
    for (const { element } of [pane, pane.row]) element.classList.remove("alone");
    this.element.removeAttribute("popover");
    this.showTools();
    pane.element.scrollIntoView({ block: "nearest" });
    pane.canvas.focus({ preventScroll: true });
  }

  showTools() {
    this.toolbar.show(this);
    this.element.dataset.tool = this.hand.tool ?? "";
    for (const row of this.rows.values()) row.bar.showTool();
  }

  // For those who do not see it, once the hand rests.
  say(text) {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => (this.status.textContent = text), 500);
  }

  // Tell Python how the maps are shown, once the hand has left: a run of the page for each move would be wasted.
  report() {
    const chosen = this.memory.describe();
    const text = JSON.stringify(chosen);
    if (text === this.reportedView) return;
    this.reportedView = text;
    this.setStateValue("view", { given: JSON.parse(this.givenView), chosen });
  }

  // Ask for every pixel of a picture that was sent reduced.
  want(digest) {
    this.wanted.add(digest);
    this.setStateValue("wanted", [...this.wanted]);
  }

  // Tell Python of the outline on a picture, or of none.
  reportDrawn(scene) {
    if (!this.drawing) return;
    const digest = [...this.rows.values()].find((row) => row.scene === scene)?.described.digest;
    const region = scene?.region;
    const step = region ? Math.ceil(region.length / SHARED.most_corners) : 1;
    const corners = region?.filter((_, i) => i % step === 0).map((at) => at.map((x) => Math.round(x * 10) / 10));
    this.setStateValue("drawn", corners ? { digest, corners } : null);
  }

  // Tell what is in view of a series; what is said of several at once goes together, as only the last would arrive.
  tellPlace(place) {
    this.places.set(place.volume, place);
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      this.report();
      this.setTriggerValue("places", [...this.places.values()]);
      this.places.clear();
    }, TOGETHER);
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
    const view = this.shown;
    let painted = 0;
    let waiting = false;
    const changed = [...this.stacks.values()].map((stack) => stack.prepare());
    for (const row of this.rows.values()) {
      for (const pane of row.panes.values()) painted += pane.paint(view);
      waiting ||= row.loading;
    }
    this.toolbar.showZoom(this.hand.target?.scene.zoom ?? 1);
    this.element.dataset.moving = String([...this.scenes.values()].some(({ moving }) => moving));
    const taken = (performance.now() - start).toFixed(2);
    if (painted) this.element.dataset.frameMs = taken;
    if (changed.includes("scroll")) this.element.dataset.scrollFrameMs = taken;
    if (changed.includes("window")) this.element.dataset.windowFrameMs = taken;
    if (this.stale && !waiting) {
      this.stale = false;
      this.element.dataset.version = String(++this.version);
    }
  }

  remove() {
    this.hand.dropFocus();
    cancelAnimationFrame(this.frame);
    for (const { settling } of this.scenes.values()) clearTimeout(settling);
    for (const stack of this.stacks.values()) stack.end();
    clearTimeout(this.saying);
    clearTimeout(this.telling);
    this.memory.end();
    this.slide.end();
    this.hand.end();
    this.drawers.end();
    this.news.hide();
    this.ending.abort();
    this.onScreen.disconnect();
    this.sizes.disconnect();
    this.element.remove();
  }
}

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

class Row {
  constructor(grid, key) {
    this.grid = grid;
    this.key = key;
    this.element = make("section", "row", null, { "data-row": key });
    const header = make("header", "row-header", this.element);
    grid.sizes.observe(header);
    this.label = make("h2", "row-label", header);
    this.detail = make("span", "row-detail", header);
    this.notes = make("p", "row-notes", header);
    this.gear = new Gear(header, header, (byKeyboard) => grid.drawers.toggle(key, null, this.settings, byKeyboard));
    this.detail.before(this.gear.button);
    this.caution = make("div", "row-caution", header, { role: "note" });
    const sentence = make("strong", "", this.caution);
    make("span", "", sentence, { "aria-hidden": "true" }).textContent = "⚠ ";
    this.cautionText = make("span", "", sentence);
    this.remedy = make("button", "action", this.caution, { type: "button" });
    this.remedy.addEventListener("click", () => grid.act(this.name, "", this.action));
    this.measured = new Marks(this.caution);
    this.stack = null;
    this.bar = new Bar(this);
    this.element.append(this.bar.element);
    this.list = make("div", "panes", this.element);
    this.panes = new Map();
    this.described = null;
    this.picture = null;
    this.loading = false;
    this.problem = "";
    this.scene = null;
  }

  get size() {
    return this.scene.size;
  }

  update({ name, label, detail, notes, caution, remedy, measured, picture, panes, outlines, settings, stack }) {
    this.name = name;
    this.isGrey = picture.grey;
    this.labelled = label;
    write(this.label, label);
    this.label.title = label;
    write(this.detail, detail);
    write(this.cautionText, caution);
    this.caution.hidden = !caution;
    this.action = remedy?.[1];
    write(this.remedy, remedy?.[0] ?? "");
    this.measured.update(measured);
    this.element.classList.toggle("doubtful", caution !== "");
    this.settings = settings;
    this.gear.update(settings, label);
    this.stack = stack && this.grid.getStack(stack.volume);
    this.scene = this.grid.getScene(stack ? `${stack.volume} ${stack.plane}` : picture.digest);
    this.scene.resize({ width: picture.width, height: picture.height });
    this.element.style.setProperty("--ratio", String(picture.width / picture.height));
    const known = this.described?.digest === picture.digest && !this.failed;
    this.described = picture;
    this.given = notes;
    this.outlines = outlines;
    reconcile(this.panes, panes, this.list, (key) => new Pane(this, key));
    (this.panes.get("picture")?.element ?? this.label.parentElement).append(this.notes);
    if (stack) this.stack.update(stack);
    this.bar.update();
    this.element.classList.toggle("of-stack", this.stack !== null);
    if (!this.stack && !known) this.load(picture);
    if (picture.whole && !this.stack) this.loadWhole(picture);
    this.showNotes();
  }

  // Of several rows the longest has `most` panes, and all have columns of one width.
  arrange(most) {
    if (this.grid.slide.arrange(this)) return;
    const leading = this.list.firstElementChild?.dataset.pane === "picture";
    const columns = chooseColumns(most || this.panes.size, this.list.clientWidth, leading, most > 0);
    this.list.style.setProperty("--columns", String(columns));
    this.list.classList.toggle("single", columns === 1);
    this.list.classList.toggle("led", leading && columns > 1 && columns < this.panes.size);
  }

  // Of a stack, the panes show the slice in view as its numbers say; see Stack.
  showSlice(stack, isHere) {
    if (stack.rows[0] === this && this.list.previousSibling !== stack.planes.element) this.list.before(stack.planes.element);
    if (isHere) this.picture = stack.picture;
    this.setLoading(!isHere);
    const { first } = this.described;
    if (first && stack.isAsDrawn) this.showDrawn(stack, first);
    this.element.classList.toggle("elsewhere", !stack.isOfPage);
    write(this.label, stack.isOfPage ? this.labelled : stack.title);
    this.label.title = this.label.textContent;
    for (const pane of this.panes.values()) pane.showSlice(stack);
    this.bar.update();
  }

  // A slice whose lines have windows of their own, as the server drew it.
  async showDrawn(stack, first) {
    const picture = await loadPicture(first).catch(() => null);
    if (!picture || this.stack !== stack || this.described.first?.key !== first.key || !stack.isAsDrawn) return;
    this.picture = picture;
    this.grid.requestPaint();
  }

  load({ digest, first }) {
    this.failed = false;
    this.asked = false;
    this.problem = "";
    this.setLoading(true);
    const arrive = (picture) => {
      if (digest !== this.described.digest) return;
      this.failed = !picture;
      if (picture) this.picture = picture;
      else this.problem = "The picture did not arrive. Reload the page.";
      this.setLoading(false);
      this.showNotes();
      this.grid.paint();
    };
    loadPicture(first).then(arrive, () => arrive(null));
  }

  // Zoomed in further than what was sent first can show.
  wantWhole(screenWidth) {
    const { digest, first, whole } = this.described;
    if (this.asked || whole || this.stack || first.width >= this.size.width || screenWidth <= first.width) return;
    this.asked = true;
    this.showNotes();
    this.grid.want(digest);
  }

  loadWhole({ digest, whole }) {
    if (this.wholeKey === whole.key) return;
    this.wholeKey = whole.key;
    loadPicture(whole).then(
      (picture) => {
        if (digest !== this.described.digest) return;
        this.picture = picture;
        this.showNotes();
        this.grid.requestPaint();
      },
      () => {
        this.wholeKey = null;
        this.problem = "Not every pixel of the picture arrived: it is shown reduced.";
        this.showNotes();
      },
    );
  }

  showNotes() {
    const { first, width, height } = this.described;
    const reduced = !this.stack && first.width < width && this.picture?.width !== width;
    const all = `its ${width} × ${height} pixels`;
    const sharpness = this.asked
      ? `Loading all of ${all} …`
      : `Shown at ${first?.width} × ${first?.height} of ${all}; zoom in to see them all.`;
    write(this.notes, [...this.given, this.problem || (reduced ? sharpness : "")].join(" ").trim());
  }

  setLoading(loading) {
    this.loading = loading;
    this.element.classList.toggle("loading", loading);
    this.element.setAttribute("aria-busy", String(loading));
  }

  // What of the picture is on the screen, and with how many pixels it is painted.
  getFrame(screenWidth) {
    const { scene, picture, size } = this;
    const { zoom, visible } = scene;
    this.wantWhole(screenWidth * zoom);
    const level = picture.getLevel(picture.chooseLevel(screenWidth * zoom));
    if (zoom === 1) return { key: `${level.width} ${level.height}`, level, width: level.width, height: level.height, visible };
    const width = Math.round(screenWidth);
    const height = Math.max(1, Math.round((width * size.height) / size.width));
    return { key: `${scene.x} ${scene.y} ${zoom} ${width} ${level.width}`, level, width, height, visible };
  }

  // The picture's pixels on a frame, which all panes of the row share.
  getGround(frame) {
    if (this.ground?.key === frame.key && this.ground.picture === this.picture) return this.ground;
    const { width, height } = frame;
    const own = this.picture.isSlice && this.picture.getPixels(frame);
    if (own) return (this.ground = { key: frame.key, picture: this.picture, pixels: own, unseen: null, quiet: null });
    this.surface ??= new OffscreenCanvas(width, height);
    if (this.surface.width !== width || this.surface.height !== height) Object.assign(this.surface, { width, height });
    const context = this.surface.getContext("2d", { willReadFrequently: true, alpha: false });
    frame.level.draw(context, frame, this.size, "high");
    const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
    this.ground = { key: frame.key, picture: this.picture, pixels, unseen: null, quiet: null };
    return this.ground;
  }

  // The scale that is shared is that of all maps in one unit; a map of no named unit shares it with its row.
  getRange(pane, view) {
    if (view.scale === "own") return valueRange([pane.map], view.signed);
    const rows = pane.unit ? [...this.grid.rows.values()] : [this];
    const alike = rows.flatMap(({ panes }) => [...panes.values()].filter(({ map, unit }) => map && unit === pane.unit));
    return valueRange(
      alike.map(({ map }) => map),
      view.signed,
    );
  }

  remove() {
    for (const pane of this.panes.values()) pane.remove();
    this.grid.sizes.unobserve(this.element.firstChild);
    this.element.remove();
  }
}
