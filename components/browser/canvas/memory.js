// What a view is besides its settings: what is zoomed into, boxed, or swiped. All of it comes with a link, and is told
// as components/browser/canvas/view.py declares it where a view with a zoom was given.

const RESTING = 700; // milliseconds without a touch, after which a change is told: a run of the page for each is too much
const NAMED = 12; // digits of a picture's digest

const round = (share) => Math.round(share * 1e4) / 1e4;
const clampShare = (share) => Math.min(Math.max(round(share), 0), 1);

class Memory {
  constructor(grid) {
    this.grid = grid;
    this.given = null;
    this.placing = false;
    for (const name of ["pointerup", "keyup", "input", "wheel", "dblclick"]) {
      grid.element.addEventListener(name, () => this.rest(), { passive: true });
    }
  }

  // Show what was given; what lies on a picture as soon as it is there.
  follow(given) {
    const { grid } = this;
    this.given = given;
    const pick = (declared) => Object.fromEntries(Object.keys(declared).map((name) => [name, given[name]]));
    grid.view = pick(SHARED.settings);
    this.placing = "zoom" in given;
    if (!this.placing) return;
    grid.swipeAt = given.swipe_at;
    grid.swipe(given.swiping);
  }

  place() {
    const { grid, given } = this;
    if (!this.placing || !grid.rows.size) return;
    const named = [...grid.rows.values()].find(({ described }) => described.digest.startsWith(given.picture));
    if (!named) return;
    this.placing = false;
    const { scene } = named;
    for (const other of grid.scenes.values()) if (other !== scene && other.zoom > 1) other.zoomTo(1);
    const { width, height } = scene.size;
    if (given.zoom > 1 || scene.zoom > 1) {
      scene.zoomTo(given.zoom);
      scene.moveTo(given.across * width - scene.visible.width / 2, given.down * height - scene.visible.height / 2);
    }
    const edges = given.box ? given.box.split(",").map(Number) : null;
    if (edges) scene.outline(makeBox(...this.corners(edges, scene.size), scene.size));
    else for (const other of grid.scenes.values()) if (readBox(other)) other.outline(null);
    if (edges) grid.reportDrawn(scene);
  }

  corners([left, top, right, bottom], { width, height }) {
    return [
      { x: left * width, y: top * height },
      { x: right * width, y: bottom * height },
    ];
  }

  // How the maps are shown now, in the order and with the names of what was given.
  describe() {
    const now = { ...this.grid.view, ...this.describePlace() };
    return Object.fromEntries(Object.entries(this.given).map(([name, value]) => [name, now[name] ?? value]));
  }

  describePlace() {
    const { grid } = this;
    if (!("zoom" in this.given) || this.placing) return {};
    const rows = [...grid.rows.values()];
    const touched = [grid.hand.target?.row, ...rows].filter((row) => row?.scene);
    const row = touched.find(({ scene }) => scene.zoom > 1 || readBox(scene));
    const swipe = { swiping: grid.swiping, swipe_at: grid.swiping ? clampShare(grid.swipeAt) : 0.5 };
    const whole = { zoom: 1, across: 0.5, down: 0.5, box: "", picture: "" };
    if (!row) return { ...swipe, ...whole };
    const { scene, described } = row;
    const { middle, size, zoom } = scene;
    const closer = { zoom: round(zoom), across: clampShare(middle.x / size.width), down: clampShare(middle.y / size.height) };
    return {
      ...swipe,
      ...(zoom > 1 ? closer : { zoom: 1, across: 0.5, down: 0.5 }),
      box: readBox(scene),
      picture: row === rows[0] ? "" : described.digest.slice(0, NAMED),
    };
  }

  // Tell of what has changed once the hand rests.
  rest() {
    if (!this.given || !("zoom" in this.given)) return;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => (this.grid.hand.pointers.size ? this.rest() : this.grid.report()), RESTING);
  }

  end() {
    clearTimeout(this.resting);
  }
}

// A box as shares of the picture's sides; nothing for a lasso, which no address has room for.
function readBox({ region, size }) {
  if (region?.length !== 4) return "";
  const [[left, top], [right, corner], [, bottom], [last]] = region;
  if (corner !== top || last !== left) return "";
  const shares = [left / size.width, top / size.height, right / size.width, bottom / size.height];
  return shares.map(clampShare).join(",");
}
