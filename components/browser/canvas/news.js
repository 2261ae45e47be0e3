// What is new in the grid and not in view is said at the lower edge of the window, with the way there.

// Rows with the titles of their maps, as the last grid showed them: grids follow one another on the page.
let known = new Map();

class News {
  constructor(grid) {
    this.grid = grid;
    this.below = "";
    this.element = make("div", "news", grid.element, { role: "status" });
    this.button = make("button", "action", this.element, { type: "button", "data-tool": "news" });
    this.button.addEventListener("click", () => this.go());
    this.seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.hide());
    this.hide();
  }

  update({ news, below }) {
    if (!news) return;
    const before = known;
    known = new Map();
    for (const row of this.grid.rows.values()) {
      known.set(row.key, new Set([...row.panes.values()].filter(({ map }) => map).map(({ key }) => key)));
    }
    const stays = [...known.keys()].some((key) => before.get(key)?.size);
    const fresh = [];
    for (const row of stays ? this.grid.rows.values() : []) {
      const had = before.get(row.key);
      if (!had) fresh.push({ text: row.label.textContent, element: row.element });
      else if (had.size) {
        const panes = [...row.panes.values()].filter(({ key, map }) => map && !had.has(key));
        fresh.push(...panes.map(({ title, stage }) => ({ text: title.textContent, element: stage })));
      }
    }
    if (below && !this.below && stays) fresh.push({ text: "How far the maps agree", key: below });
    this.below = below;
    if (fresh.length) requestAnimationFrame(() => this.say(fresh));
  }

  say(fresh) {
    const end = this.grid.element.getBoundingClientRect().bottom;
    const hidden = fresh.filter(({ element }) => (element?.getBoundingClientRect().top ?? end) > innerHeight - 80);
    if (!hidden.length) return;
    this.target = hidden[0];
    const names = [...new Set(hidden.map(({ text }) => text))];
    const more = names.length > 2 ? ` and ${names.length - 2} more` : "";
    const named = names.slice(0, 2).join(more ? ", " : " and ");
    this.button.textContent = `${named}${more} ${names.length > 1 ? "are" : "is"} ready below ↓`;
    this.element.hidden = false;
    this.seen.disconnect();
    if (this.target.element) this.seen.observe(this.target.element);
  }

  go() {
    const { element, key } = this.target;
    const target = element ?? document.querySelector(`.${CSS.escape(nameClass(key))}`);
    target?.scrollIntoView({ block: element ? "center" : "start" });
    this.hide();
  }

  hide() {
    this.element.hidden = true;
    this.seen.disconnect();
  }
}
