// The grid as a slide, while the page is presented: panes as large as the screen allows, one of them alone, or one after
// the other. The page's presenter says when, in attributes of the document and by events.

const STAGE_KEYS = [
  ["p", "Present, on the full screen where the browser has one, and back. Escape leaves too."],
  ["1 – 9", "A picture. Page up, Page down: the one before, the next."],
  ["←   →", "One map alone after the other, and all of them again."],
  ["Enter", "Build up: the picture first, then map by map. Backspace takes one back."],
  ["Space", "Hide the maps, and show them again."],
  ["x", "On the page Truth: take out of the picture what is planted there, and put it back."],
  ["b", "Darken the screen, and light it again."],
  ["n", "The next scene of your list. With Shift, the one before."],
  ["t", "Dark, or light again. The menu has the system's theme too."],
];

const LINE = 1.3; // of what is written, in its own size
const ROOM_BETWEEN = 16; // CSS pixels between panes
const FEWEST_ROWS = 2; // at most so many pictures share one screen; more are scrolled to

class Slide {
  constructor(grid) {
    this.grid = grid;
    this.alone = null; // key of the map that stands alone
    this.built = null; // how many maps stand there so far; null for all
    this.ending = new AbortController();
    const listen = (target, name, act) => target.addEventListener(name, act, { signal: this.ending.signal });
    listen(document, "camscope-stage", (event) => (event.detail?.slice ? this.turn(event) : this.act(event.detail ?? {})));
    listen(window, "resize", () => this.on && this.arrangeAll());
    grid.element.classList.toggle("slide", this.on);
  }

  get on() {
    return document.documentElement.hasAttribute("data-presenting");
  }

  act({ step, build, keys }) {
    if (keys && this.grid.rows.size) this.grid.sheet.show();
    if (step) this.step(step);
    if (build) this.build(build);
    if (!this.on) this.alone = this.built = null;
    this.grid.element.classList.toggle("slide", this.on);
    this.grid.element.classList.toggle("big", this.on && this.alone !== null);
    this.arrangeAll();
  }

  // To the slice beside, where there are slices; else the key is the page's, which scrolls by it.
  turn(event) {
    const stack = [...this.grid.rows.values()].map((row) => row.stack).find(Boolean);
    if (!stack) return;
    stack.step(event.detail.slice);
    event.preventDefault();
  }

  // All maps, then each alone, then all again.
  step(by) {
    const stops = [null, ...this.keys];
    const at = Math.max(stops.indexOf(this.alone), 0);
    this.alone = stops[(at + by + stops.length) % stops.length];
    this.built = null;
  }

  build(by) {
    const { length } = this.keys;
    this.alone = null;
    const next = this.built === null ? (by > 0 ? 0 : length - 1) : this.built + by;
    this.built = next < 0 || next >= length ? null : next;
  }

  // Of the maps, in the order in which they stand.
  get keys() {
    const panes = [...this.grid.rows.values()].flatMap((row) => [...row.panes.values()]);
    return [...new Set(panes.filter(({ map }) => map).map(({ key }) => key))];
  }

  arrangeAll() {
    this.grid.arrange();
    this.grid.requestPaint();
  }

  // Lay a row out; whether that was done.
  arrange(row) {
    const panes = [...row.panes.values()];
    const isOn = this.choosePanes(panes);
    const { keys } = this;
    for (const pane of panes) {
      const { classList } = pane.element;
      classList.toggle("off-stage", !isOn(pane));
      classList.toggle("unbuilt", this.on && this.built !== null && keys.indexOf(pane.key) >= this.built);
    }
    if (!this.on) return false;
    const shown = panes.filter(isOn);
    const height = this.measureHeight(row);
    const { columns, width, room, led } = this.fit(row, shown, height);
    row.list.classList.toggle("led", led);
    row.list.classList.remove("single");
    row.list.style.setProperty("--columns", String(columns));
    row.list.style.setProperty("--warning-lines", String(1 + room));
    row.list.style.setProperty("--slide-width", `${Math.floor(width)}px`);
    row.list.style.setProperty("--slide-height", `${Math.floor(height)}px`);
    return true;
  }

  // A sentence why there is no map takes no place before an audience, unless there is nothing else.
  choosePanes(panes) {
    if (!this.on || !panes.some(({ hasMessage }) => !hasMessage)) return () => true;
    if (this.alone === null || !panes.some(({ key, map }) => key === this.alone && map)) return (pane) => !pane.hasMessage;
    return ({ key }) => key === this.alone;
  }

  // Into how many columns, so that the pictures are widest; and for how many more lines of warnings there is room then.
  fit(row, panes, height) {
    const type = parseFloat(getComputedStyle(this.grid.element).fontSize);
    const { clientWidth } = row.list;
    const [above, below] = this.measureText(row, panes, type);
    const ratio = row.size.width / row.size.height;
    let best = { columns: 1, width: 0, room: 0, led: false };
    for (let columns = 1; columns <= panes.length; columns++) {
      const lines = Math.ceil(panes.length / columns);
      const across = (clientWidth - (columns - 1) * ROOM_BETWEEN) / columns;
      const down = (height - (lines - 1) * ROOM_BETWEEN) / lines - above - below;
      const width = Math.min(across, Math.max(down, type * 4) * ratio);
      const room = Math.floor(Math.max(down - width / ratio, 0) / (type * LINE));
      // The picture beside two lines of maps, where none of them is pushed into a third.
      const led = panes[0].key === "picture" && lines > 1 && panes.length - 1 <= (columns - 1) * lines;
      if (width > best.width + 1) best = { columns, width, room, led };
    }
    return best;
  }

  // Of the lines above and below a pane's picture, as slide.css sets them.
  measureText(row, panes, type) {
    const big = this.alone !== null;
    const lines = panes.map(({ element, origin, inside, marks, warningText }) => {
      const noted = element === row.notes.parentElement && row.notes.textContent;
      const warned = noted || warningText ? 1.5 : 0;
      return warned + (inside.hidden ? 0 : 2.8) + (marks.list.hidden ? 0 : 2) + (big || origin.hidden ? 0 : 1.4);
    });
    return [type * (big ? 3.2 : 1.6), type * (1 + Math.max(...lines) + (big ? 2.8 : 0))];
  }

  // For a row's panes: what the screen leaves below the page's heading and above its foot.
  measureHeight(row) {
    const { grid } = this;
    const foot = parseFloat(getComputedStyle(grid.element).getPropertyValue("--foot")) || 0;
    const scrolled = document.querySelector("[data-testid=stMain]")?.scrollTop ?? 0;
    const top = Math.min(grid.element.getBoundingClientRect().top + scrolled, innerHeight / 4);
    const [header] = row.element.children;
    const rows = Math.min(grid.rows.size, FEWEST_ROWS);
    const share = (innerHeight - Math.max(top, 0) - foot) / rows;
    return share - (header.offsetHeight + ROOM_BETWEEN * rows);
  }

  end() {
    this.ending.abort();
  }
}
