// What all panes of one picture share: the part of it that is on the screen, the crosshair, and the outline drawn on
// it. All coordinates are in the picture's own pixels.

const FEWEST_PIXELS = 24; // of the picture's longer side, at the highest zoom
const SETTLED = 120; // milliseconds without movement, after which every pixel is computed instead of stretched

class Scene {
  constructor(grid) {
    this.grid = grid;
    this.size = { width: 1, height: 1 };
    this.zoom = 1;
    this.x = 0;
    this.y = 0;
    this.point = null;
    this.region = null;
    this.moving = false;
    this.pointed = false;
  }

  resize(size) {
    if (size.width === this.size.width && size.height === this.size.height) return;
    this.size = size;
    Object.assign(this, { zoom: 1, x: 0, y: 0, point: null, region: null });
  }

  get visible() {
    const { width, height } = this.size;
    return { x: this.x, y: this.y, width: width / this.zoom, height: height / this.zoom };
  }

  get middle() {
    const { x, y, width, height } = this.visible;
    return { x: x + width / 2, y: y + height / 2 };
  }

  get panes() {
    return [...this.grid.rows.values()].filter((row) => row.scene === this).flatMap((row) => [...row.panes.values()]);
  }

  // `anchor` stays where it is on the screen.
  zoomTo(zoom, anchor = this.middle) {
    const highest = Math.max(4, Math.max(this.size.width, this.size.height) / FEWEST_PIXELS);
    const next = Math.min(Math.max(zoom, 1), highest);
    const shrunk = this.zoom / next;
    this.zoom = next < 1.001 ? 1 : next;
    this.moveTo(anchor.x - (anchor.x - this.x) * shrunk, anchor.y - (anchor.y - this.y) * shrunk);
  }

  zoomBy(factor, anchor) {
    this.zoomTo(this.zoom * factor, anchor);
  }

  moveTo(x, y) {
    const { width, height } = this.visible;
    this.x = Math.min(Math.max(x, 0), this.size.width - width);
    this.y = Math.min(Math.max(y, 0), this.size.height - height);
    this.moving = this.zoom > 1;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.settle(), SETTLED);
    this.grid.requestPaint();
  }

  settle() {
    this.moving = false;
    this.grid.requestPaint();
    this.grid.say(`Zoom ${formatZoom(this.zoom)}`);
  }

  // Show the same place in every pane; null hides the crosshair.
  pointAt(point) {
    this.point = point && {
      x: Math.min(Math.max(point.x, 0), this.size.width - 1),
      y: Math.min(Math.max(point.y, 0), this.size.height - 1),
    };
    this.pointed = true;
    this.grid.requestPaint();
  }

  // In a frame, after all that is read; see Grid.paint.
  showPoint() {
    if (!this.pointed) return;
    this.pointed = false;
    for (const pane of this.panes) pane.showPoint();
  }

  // Move the crosshair by so many pixels; zoomed in, the view moves along.
  step(right, down) {
    const from = this.point ?? { x: Math.floor(this.middle.x), y: Math.floor(this.middle.y) };
    this.pointAt({ x: from.x + right, y: from.y + down });
    if (this.zoom > 1) this.moveTo(this.x + this.point.x - from.x, this.y + this.point.y - from.y);
  }

  // A polygon, or null for none.
  outline(region) {
    this.region = region;
    for (const pane of this.panes) pane.showRegion();
    const shares = this.panes
      .filter(({ map }) => map)
      .map(({ title, inside }) => `${title.textContent}: ${inside.textContent}`);
    this.grid.say(region ? [...new Set(shares)].join(". ") : "");
  }
}

function makeBox(from, to, size) {
  const clamp = (value, highest) => Math.min(Math.max(value, 0), highest);
  const [left, right] = [from.x, to.x].map((x) => clamp(x, size.width)).sort((a, b) => a - b);
  const [top, bottom] = [from.y, to.y].map((y) => clamp(y, size.height)).sort((a, b) => a - b);
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
}

function formatZoom(zoom) {
  return `${zoom < 10 ? zoom.toFixed(1) : Math.round(zoom)}×`;
}
