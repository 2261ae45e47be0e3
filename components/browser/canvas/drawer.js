// The settings of a method, opened under the title of its pane. The sliders are Streamlit's and stay where they are in
// the page's order; while they are open, they are shown at the place that the pane keeps free for them.

// Which are open, and where: one at a time, for all grids of the page, of which one follows another.
let opened = null;

// The class that Streamlit gives to the container of a key.
function nameClass(key) {
  return `st-key-${key.trim().replace(/[^a-zA-Z0-9_-]/g, "-")}`;
}

class Drawers {
  constructor(grid) {
    this.grid = grid;
    this.sheet = make("style", "", document.head);
    this.sizes = new ResizeObserver(() => this.place());
    this.sizes.observe(grid.element);
    this.target = null;
  }

  toggle(row, pane, settings, byKeyboard) {
    opened = opened?.row === row && opened.pane === pane ? null : { row, pane, settings };
    this.place();
    if (opened) this.find(opened)?.element.scrollIntoView({ block: "nearest" });
    if (opened && byKeyboard) this.target?.querySelector("input")?.focus();
  }

  // The place kept free in a row, or in one of its panes; null where these are not in this grid.
  find({ row, pane }) {
    const home = this.grid.rows.get(row);
    return (pane === null ? home : home?.panes.get(pane)) ?? null;
  }

  place() {
    for (const row of this.grid.rows.values()) {
      for (const holder of [row, ...row.panes.values()]) holder.gear.show(holder === (opened && this.find(opened)));
    }
    const holder = opened && this.find(opened);
    const target = holder && document.querySelector(`.${CSS.escape(nameClass(opened.settings))}`);
    const room = holder?.gear.room;
    if (target !== this.target) {
      if (this.target) this.sizes.unobserve(this.target);
      if (target) this.sizes.observe(target);
      this.target = target;
    }
    if (!target || !room?.clientWidth) {
      this.write("");
      return;
    }
    const here = room.getBoundingClientRect();
    const from = target.parentElement.closest(`.${nameClass("pane-settings")}`).getBoundingClientRect();
    const [left, top] = [here.left - from.left, here.top - from.top].map(Math.round);
    const place = `left: ${left}px; top: ${top}px; width: ${Math.round(here.width)}px`;
    const name = CSS.escape(nameClass(opened.settings));
    this.write(`:root .${nameClass("pane-settings")} .${name} { display: flex; ${place} }`);
    const height = `${target.offsetHeight}px`;
    if (room.style.height !== height) room.style.height = height;
  }

  write(text) {
    if (this.sheet.textContent !== text) this.sheet.textContent = text;
  }

  end() {
    this.sizes.disconnect();
    this.sheet.remove();
  }
}

// The button that opens settings, and the room that they take.
class Gear {
  constructor(head, after, press) {
    this.button = make("button", "small", null, { type: "button", "data-tool": "settings" });
    const icon = makeShape("svg", "icon", this.button, { viewBox: "0 0 16 16", "aria-hidden": "true" });
    makeShape("path", "", icon, { d: "M1 4.5h6M11 4.5h4M1 11.5h4M9 11.5h6M9 2.5v4M7 9.5v4" });
    head.append(this.button);
    this.room = make("div", "room", null);
    after.after(this.room);
    this.room.hidden = true;
    this.button.addEventListener("click", (event) => press(event.detail === 0));
  }

  update(settings, title) {
    this.button.hidden = !settings;
    this.button.title = `Settings of ${title}`;
    this.button.setAttribute("aria-label", this.button.title);
  }

  show(open) {
    this.button.setAttribute("aria-expanded", String(open));
    this.room.hidden = !open;
  }
}
