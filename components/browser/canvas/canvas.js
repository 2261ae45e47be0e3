// The grid: rows of panes, and what it tells Python.

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
    const { question, marks, sentences } = globalThis.camscopeMarks ?? {};
    const isAnswer = this.question && question === this.question;
    const found = isAnswer ? marks : {};
    for (const row of this.rows.values()) {
      row.showSentence((isAnswer && sentences[row.name]) || null);
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
    // All that is read comes before all that is written: else the browser lays the page out anew for each pane.
    for (const row of this.rows.values()) for (const pane of row.panes.values()) pane.readSize();
    for (const { planes } of this.stacks.values()) planes.readSizes();
    const changed = [...this.stacks.values()].map((stack) => stack.prepare());
    for (const scene of this.scenes.values()) scene.showPoint();
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
