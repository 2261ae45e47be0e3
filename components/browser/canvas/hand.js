// What the hand does: pointers, wheel, keys, the tools for outlines and the swipe divider.

const WHEEL = 0.0016; // zoom per pixel of scrolling, as an exponent
const PINCH = 0.01; // the same for a trackpad's pinch, which arrives as a wheel with Ctrl held
const NOTCH = 40; // pixels of scrolling that are a slice at least
const SCROLLING = 250; // milliseconds for which a scroll under way is not caught by a pane it comes across
const SMALLEST = 0.004; // an outline below this share of the visible width was a click

const KEYS = [
  ["Arrow keys", "Move the crosshair; zoomed in, the view moves along. With Shift, pixel by pixel."],
  ["+   −", "Zoom in and out at the crosshair. Also: wheel, pinch."],
  ["0", "The whole picture. Also: double-click."],
  ["f", "One pane on the full screen and back."],
  ["s", "Swipe between picture and map: drag the divider, or move it with the arrow keys."],
  ["b", "Box: a first one is drawn. Arrow keys move it, with Shift they size it, Enter keeps it."],
  ["l", "Lasso: arrow keys move the crosshair, Space sets a corner, Enter closes it."],
  ["c", "Clear the box or lasso. Also: Delete."],
  ["Escape", "Drop what was begun: outline, tool, full screen, crosshair."],
  ["?", "This list."],
];

const STACK_KEYS = [
  ["↑   ↓", "The slice before, the next. Also: wheel. Home, End: the first, the last."],
  ["Shift + arrow keys", "Move the crosshair, voxel by voxel; that of the three planes too. Also: click or drag."],
  ["Ctrl + wheel", "Zoom; + and − as everywhere."],
  ["w", "Window: then 1 – 9 choose one, arrow keys or a drag move it, Enter keeps it."],
  ["Shift + drag", "Window: across for its width, up and down for its centre. Also: the right button."],
  ["i", "Black for white, for the eye only."],
  ["c", "Play the slices, and stop. An outline is cleared by Delete."],
];

const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const GONE = 100; // milliseconds between a focus that is lost and a grid that goes, if it was lost for that
const REMEMBERED = 20_000;

let dropped = null;

class Hand {
  constructor(grid) {
    this.grid = grid;
    this.pane = null; // the one last touched
    this.focused = null; // the one that hears the keys
    this.leftAt = null; // when it stopped to
    this.tool = null; // "box", "lasso" or "window"
    this.draft = null; // an outline being drawn: what was there before, and the corners so far
    this.pointers = new Map();
    this.scrolledAt = -Infinity;
    this.ending = new AbortController();
    grid.element.addEventListener("keydown", (event) => this.press(event));
    // A scroll that no pane has caught goes on as one, whatever comes under the pointer.
    const watch = { signal: this.ending.signal, passive: true };
    window.addEventListener("wheel", (event) => event.defaultPrevented || (this.scrolledAt = event.timeStamp), watch);
  }

  follow(pane) {
    const { canvas } = pane;
    const listen = (name, act, options) =>
      canvas.addEventListener(name, (event) => act.call(this, pane, event), options);
    listen("pointerdown", this.pointerDown);
    listen("pointermove", this.pointerMove);
    listen("pointerup", this.pointerUp);
    listen("pointercancel", this.pointerUp);
    listen("pointerleave", (_, event) => event.pointerType === "touch" || pane.scene.pointAt(null));
    listen("wheel", this.wheel, { passive: false });
    listen("contextmenu", (_, event) => pane.row.stack && event.preventDefault()); // its button moves the window
    listen("dblclick", () => pane.scene.zoomTo(1));
    listen("focus", () => {
      this.pane = this.focused = pane;
      this.leftAt = null;
    });
    listen("blur", () => (this.leftAt = performance.now()));
    listen("blur", () => this.draft || pane.scene.pointAt(null));
  }

  // Which pane of a stack the keys were meant for when the grid went; the grid that follows has them go on there.
  dropFocus() {
    const { focused, leftAt } = this;
    if (!focused?.row.stack || (leftAt !== null && performance.now() - leftAt > GONE)) return;
    dropped = { row: focused.row.key, pane: focused.key, at: performance.now() };
  }

  takeFocus() {
    if (!dropped) return;
    const pane = this.grid.rows.get(dropped.row)?.panes.get(dropped.pane);
    const isFree = document.activeElement === document.body && performance.now() - dropped.at < REMEMBERED;
    if (pane && isFree) pane.canvas.focus({ preventScroll: true });
    if (pane) dropped = null;
  }

  forget(pane) {
    if (this.focused === pane) this.focused = null;
    if (this.pane === pane) this.pane = null;
    if (this.draft?.pane === pane) this.draft = null;
  }

  get target() {
    return this.pane ?? this.grid.firstPane;
  }

  useTool(tool) {
    this.tool = this.tool === tool ? null : tool;
    this.draft = null;
    this.grid.showTools();
  }

  // ---- pointers

  pointerDown(pane, event) {
    const { stack } = pane.row;
    const windows = stack && (event.button === 2 || event.shiftKey || this.tool === "window");
    if (event.button > 0 && !windows) return;
    this.pane = pane;
    pane.canvas.setPointerCapture(event.pointerId);
    const pace = windows ? stack.pace : null; // of the whole drag, though the window grows meanwhile
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, pace });
    if (windows) return;
    if (this.pointers.size > 1) {
      this.cancelDraft();
      return;
    }
    const at = pane.locate(event);
    this.point(pane, at);
    pane.row.stack?.pointAtPicture(at);
    if (this.tool && this.tool !== "window") this.draft = { pane, before: pane.scene.region, corners: [at], byHand: true };
  }

  pointerMove(pane, event) {
    const at = pane.locate(event);
    const last = this.pointers.get(event.pointerId);
    if (last?.pace) {
      pane.row.stack?.widen((event.clientX - last.x) * last.pace, (event.clientY - last.y) * last.pace);
      Object.assign(last, { x: event.clientX, y: event.clientY });
    } else if (this.pointers.size > 1 && last) this.pinch(pane, event, last);
    else if (this.draft?.byHand && last) this.drag(pane, at);
    else if (last && !this.tool && pane.scene.zoom > 1) this.pan(pane, event, last);
    this.point(pane, pane.locate(event));
    if (last && !last.pace && !this.tool && pane.scene.zoom === 1) pane.row.stack?.pointAtPicture(pane.locate(event));
  }

  pointerUp(pane, event) {
    this.pointers.delete(event.pointerId);
    if (this.draft?.byHand) this.finishDrag(pane);
  }

  point(pane, { x, y }) {
    pane.scene.pointAt({ x: Math.floor(x), y: Math.floor(y) });
  }

  pan({ scene, canvas }, event, last) {
    const scale = scene.visible.width / canvas.clientWidth;
    scene.moveTo(scene.x - (event.clientX - last.x) * scale, scene.y - (event.clientY - last.y) * scale);
    Object.assign(last, { x: event.clientX, y: event.clientY });
  }

  pinch(pane, event, last) {
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    this.pan(pane, { clientX: (event.clientX + last.x) / 2, clientY: (event.clientY + last.y) / 2 }, { ...last });
    Object.assign(last, { x: event.clientX, y: event.clientY });
    const after = Math.hypot(last.x - other.x, last.y - other.y);
    const anchor = pane.locate({ clientX: (last.x + other.x) / 2, clientY: (last.y + other.y) / 2 });
    if (before > 0) pane.scene.zoomBy(after / before, anchor);
  }

  wheel(pane, event) {
    const { scene } = pane;
    if (pane.row.stack && !event.ctrlKey) {
      event.preventDefault();
      this.turn(pane.row.stack, event);
      return;
    }
    const scrolling = event.timeStamp - this.scrolledAt < SCROLLING;
    if (!event.ctrlKey && (scrolling || (scene.zoom === 1 && event.deltaY >= 0))) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 20 : 1);
    scene.zoomBy(Math.exp(-pixels * (event.ctrlKey ? PINCH : WHEEL)), pane.locate(event));
    this.point(pane, pane.locate(event));
  }

  // A notch of a wheel is a slice; of a trackpad, so many pixels are.
  turn(stack, { deltaY, deltaMode, timeStamp }) {
    const pixels = deltaY * (deltaMode === 1 ? 40 : 1);
    if (timeStamp - (this.turnedAt ?? 0) > SCROLLING || Math.sign(pixels) !== Math.sign(this.turned)) this.turned = 0;
    this.turnedAt = timeStamp;
    this.turned += pixels;
    const notch = Math.abs(pixels) >= NOTCH ? Math.abs(pixels) : NOTCH;
    const steps = Math.trunc(this.turned / notch);
    this.turned -= steps * notch;
    if (steps) stack.step(steps);
  }

  // ---- outlines

  drag(pane, at) {
    const { corners } = this.draft;
    const { size } = pane.scene;
    if (this.tool === "lasso") {
      corners.push({ x: Math.min(Math.max(at.x, 0), size.width), y: Math.min(Math.max(at.y, 0), size.height) });
      if (corners.length > 2) pane.scene.outline(corners.map(({ x, y }) => [x, y]));
    } else {
      corners[1] = at;
      pane.scene.outline(makeBox(corners[0], at, size));
    }
  }

  finishDrag(pane) {
    const { corners, before } = this.draft;
    const { scene } = pane;
    const smallest = SMALLEST * scene.visible.width;
    const extent = (side) => Math.max(...corners.map((at) => at[side])) - Math.min(...corners.map((at) => at[side]));
    if (corners.length < 2 || Math.max(extent("x"), extent("y")) < smallest) scene.outline(before);
    else this.grid.reportDrawn(scene);
    this.draft = null;
  }

  cancelDraft() {
    if (this.draft) this.draft.pane.scene.outline(this.draft.before);
    this.draft = null;
  }

  clear() {
    this.draft = null;
    for (const scene of this.grid.scenes.values()) if (scene.region) scene.outline(null);
    this.grid.reportDrawn(null);
  }

  beginBox() {
    this.useTool("box");
    if (this.tool !== "box" || !this.target) return;
    const { scene } = this.target;
    const { visible, size } = scene;
    const { x, y } = scene.point ?? scene.middle;
    const [across, down] = [visible.width / 8, visible.height / 8];
    this.draft = { pane: this.target, before: scene.region, corners: [{ x: x - across, y: y - down }] };
    this.draft.corners[1] = { x: x + across, y: y + down };
    scene.outline(makeBox(...this.draft.corners, size));
  }

  beginLasso() {
    this.useTool("lasso");
    if (this.tool !== "lasso" || !this.target) return;
    const { scene } = this.target;
    this.draft = { pane: this.target, before: scene.region, corners: [] };
    if (!scene.point) scene.step(0, 0);
  }

  moveBox([right, down], sizing) {
    const { pane, corners } = this.draft;
    const { scene } = pane;
    const step = scene.visible.width / 50;
    const moved = sizing ? corners.slice(1) : corners;
    for (const corner of moved) {
      corner.x += right * step;
      corner.y += down * step;
    }
    scene.outline(makeBox(...corners, scene.size));
  }

  addCorner() {
    const { pane, corners } = this.draft;
    const { point } = pane.scene;
    corners.push({ x: point.x + 0.5, y: point.y + 0.5 });
    pane.scene.outline(corners.map(({ x, y }) => [x, y]));
  }

  keep() {
    if (this.draft.corners.length < (this.tool === "lasso" ? 3 : 2)) this.cancelDraft();
    else this.grid.reportDrawn(this.draft.pane.scene);
    this.useTool(this.tool);
  }

  // ---- keys

  press(event) {
    const from = event.composedPath()[0];
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (from.matches?.("select, dialog, dialog *") && event.key !== "?") return;
    const isControl = from.matches?.("input, button, [role=slider]");
    const steers = event.key in DIRECTIONS || ["Home", "End", " ", "Enter"].includes(event.key);
    if (isControl && steers) return;
    if (!this.act(event.key, event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
  }

  // Whether the key means something here.
  act(key, shift) {
    const { grid, target, draft } = this;
    const drawing = draft && !draft.byHand;
    if (key === "?") grid.sheet.show();
    else if (target?.row.stack && !drawing && this.actOnStack(target.row.stack, key, shift)) return true;
    else if (key === "c" || key === "Delete") this.clear();
    else if (key === "s") grid.swipe(!grid.swiping);
    else if (key === "Escape") return this.escape();
    else if (!target) return false;
    else if (key in DIRECTIONS && drawing && this.tool === "box") this.moveBox(DIRECTIONS[key], shift);
    else if (key in DIRECTIONS) this.steer(target.scene, DIRECTIONS[key], shift);
    else if (key === " " && drawing && this.tool === "lasso") this.addCorner();
    else if (key === "Enter" && drawing) this.keep();
    else if (key === "+" || key === "=") this.zoom(1.5);
    else if (key === "-" || key === "−") this.zoom(1 / 1.5);
    else if (key === "0") target.scene.zoomTo(1);
    else if (key === "f") grid.toggleSolo(target);
    else if (key === "b") this.beginBox();
    else if (key === "l") this.beginLasso();
    else return false;
    return true;
  }

  // Whether the key means something to a stack; other keys mean what they do on every picture.
  actOnStack(stack, key, shift) {
    const [right, down] = DIRECTIONS[key] ?? [0, 0];
    if (this.tool === "window") {
      const { pace } = stack;
      if (/^[1-9]$/.test(key)) {
        const name = listWindows(stack.described)[Number(key) - 1];
        if (name) stack.choose(name);
      } else if (right || down) {
        stack.widen(right * pace * 4, -down * pace * 4);
        return true;
      } else if (key !== "w" && key !== "Enter") return false;
      this.useTool("window");
    } else if (key === "w") this.useTool("window");
    else if (key === "i") stack.invert();
    else if (key === "c") stack.play();
    else if (down && !shift) stack.step(down);
    else if ((right || down) && shift) {
      this.steer(this.target.scene, [right, down], true);
      stack.pointAtPicture(this.target.scene.point);
    }
    else if (key === "Home" || key === "End") stack.go(key === "Home" ? 0 : stack.count - 1);
    else return false;
    return true;
  }

  escape() {
    const { scene } = this.target ?? {};
    if (this.draft || this.tool) {
      this.cancelDraft();
      this.tool = null;
      this.grid.showTools();
    } else if (this.grid.solo) this.grid.toggleSolo(this.grid.solo);
    else if (scene?.point) scene.pointAt(null);
    else return false;
    return true;
  }

  steer(scene, [right, down], fine) {
    const { width, height } = scene.visible;
    const step = fine ? 1 : Math.max(1, Math.round(Math.max(width, height) / 40));
    scene.step(right * step, down * step);
  }

  zoom(factor) {
    const { scene } = this.target ?? {};
    if (!scene) return;
    scene.zoomBy(factor, scene.point ? { x: scene.point.x + 0.5, y: scene.point.y + 0.5 } : scene.middle);
  }

  // ---- swipe

  makeDivider(pane) {
    const divider = make("div", "divider", pane.stage, {
      role: "slider",
      tabindex: "0",
      "aria-label": "Swipe between picture and map",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": String(Math.round(this.grid.swipeAt * 100)),
    });
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const frame = pane.canvas.getBoundingClientRect();
      this.grid.moveSwipe((event.clientX - frame.left) / frame.width);
    });
    divider.addEventListener("keydown", (event) => {
      const [right, down] = DIRECTIONS[event.key] ?? [0, 0];
      if (!right && !down) return;
      event.preventDefault();
      event.stopPropagation();
      this.grid.moveSwipe(this.grid.swipeAt + (right - down) * (event.shiftKey ? 0.1 : 0.02));
    });
    return divider;
  }

  end() {
    this.ending.abort();
  }
}
