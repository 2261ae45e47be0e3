// What was measured of a map: marks in a line under it, each of which opens a card with the figure behind it.

class Marks {
  constructor(parent) {
    this.list = make("ul", "marks", parent, { "aria-label": "Verdict" });
    this.missing = make("p", "marks-missing", parent);
    this.text = null;
    this.list.hidden = this.missing.hidden = true;
  }

  // Marks are built anew only when they change, so that an open card stays open while the rest of the page moves.
  update(verdict) {
    const text = JSON.stringify(verdict);
    if (text === this.text) return;
    this.text = text;
    const open = [...this.list.querySelectorAll("details[open]")].map((card) => card.dataset.word);
    this.list.replaceChildren();
    this.list.hidden = !verdict;
    write(this.missing, verdict?.missing ?? "");
    for (const mark of verdict?.marks ?? []) this.add(mark, open.includes(mark.word));
    this.list.classList.toggle("so-far", Boolean(verdict) && !verdict.settled);
  }

  add(mark, open) {
    const card = make("details", "", make("li", "", this.list), { "data-word": mark.word, "data-tone": mark.tone });
    card.open = open;
    const line = make("summary", "", card);
    make("span", "mark-sign", line, { "aria-hidden": "true" }).textContent = mark.sign;
    make("span", "mark-word", line).textContent = mark.word;
    line.title = mark.sentence;
    const body = make("div", "mark-card", card);
    make("p", "", body).textContent = mark.sentence;
    if (mark.bars.length) this.plot(body, mark);
    for (const line of mark.lines) make("p", "mark-line", body).textContent = line;
  }

  // The figures it is compared with as bars, and where among them the map's own lies.
  plot(body, { bars, at, bound, alt }) {
    const figure = makeShape("svg", "mark-plot", body, { viewBox: "0 0 100 34", role: "img", "aria-label": alt });
    const width = 100 / bars.length;
    bars.forEach((height, place) => {
      const y = 28 - 26 * height;
      makeShape("rect", "bar-of-others", figure, { x: place * width, y, width: width * 0.86, height: 28 - y });
    });
    makeShape("path", "ground", figure, { d: "M0 28.5H100" });
    if (bound !== null) makeShape("path", "bound", figure, { d: `M${bound * 100} 2V31` });
    const x = Math.min(Math.max(at * 100, 1.5), 98.5);
    makeShape("path", "own", figure, { d: `M${x} 4V28M${x - 1.6} 33L${x} 29L${x + 1.6} 33Z` });
  }
}
