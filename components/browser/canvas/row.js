// A row: a picture, or the slice of a series that is in view, and its panes.

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
    this.sentence = make("p", "row-sentence", header, { "data-testid": "canvas-sentence" });
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

  update({ name, label, detail, notes, caution, remedy, measured, picture, panes, outlines, settings, stack, sentence }) {
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
    this.written = sentence;
    reconcile(this.panes, panes, this.list, (key) => new Pane(this, key));
    (this.panes.get("picture")?.element ?? this.label.parentElement).append(this.sentence, this.notes);
    if (stack) this.stack.update(stack);
    this.bar.update();
    this.element.classList.toggle("of-stack", this.stack !== null);
    if (!this.stack && !known) this.load(picture);
    if (picture.whole && !this.stack) this.loadWhole(picture);
    this.showNotes();
  }

  // The sentence with what came later than the maps; null while nothing has.
  showSentence(late) {
    write(this.sentence, late ?? this.written);
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
