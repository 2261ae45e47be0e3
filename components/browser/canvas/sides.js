// What lies around a slice: the letters of its sides, a scale in millimetres, and what is missing of it.

const SCALE_SHARE = 0.3; // of the pane's width, which the scale fills at most
const NARROWEST_SCALED = 150; // CSS pixels of a pane
const LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500]; // millimetres of a scale
const DIRECTION_LETTERS = ["RL", "AP", "FH"];

class Sides {
  constructor(stage) {
    this.letters = Object.fromEntries(
      ["top", "right", "bottom", "left"].map((side) => [side, make("span", `side ${side}`, stage)]),
    );
    this.gaps = make("div", "gaps", stage);
    this.missing = make("p", "gap-text", stage);
    this.length = make("div", "length number", stage, { "aria-hidden": "true" });
    this.update(null);
  }

  // `missing` is the slice that is none of the series, counted from 1.
  update(view, isScaled = false, missing = null) {
    this.view = view;
    this.isScaled = isScaled;
    this.isMissing = missing !== null;
    for (const [side, letter] of Object.entries(this.letters)) write(letter, view?.edges?.[side] ?? "");
    write(this.missing, this.isMissing ? `Slice ${missing} is not in the series` : "");
    this.gaps.hidden = !this.isMissing && !view?.gaps;
    if (!view) this.length.hidden = true;
  }

  // Where things lie on what of the picture is on the screen.
  place(visible, stageWidth) {
    const { view } = this;
    if (!view) return;
    if (!this.gaps.hidden) this.placeGaps(view, visible);
    this.length.hidden = !view.mm || !this.isScaled || stageWidth < NARROWEST_SCALED;
    if (this.length.hidden) return;
    const across = (view.mm[2] * view.columns * visible.width) / view.width; // millimetres on the screen
    const fitting = LENGTHS.filter((one) => one <= across * SCALE_SHARE);
    const length = fitting.at(-1) ?? across * SCALE_SHARE;
    this.length.style.width = `${(length / across) * 100}%`;
    write(this.length, `${formatLevel(length)} mm`);
  }

  placeGaps({ gaps, rows, columns, width, height }, visible) {
    if (this.isMissing) {
      this.gaps.replaceChildren(make("i", "", null, { style: "inset: 0" }));
      return;
    }
    const [count, side, from, shown] = gaps.across
      ? [columns, width, visible.x, visible.width]
      : [rows, height, visible.y, visible.height];
    const bars = gaps.places.map((place) => {
      const start = (((place * side) / count - from) / shown) * 100;
      const size = (side / count / shown) * 100;
      const style = gaps.across
        ? `left: ${start}%; width: ${size}%; top: 0; bottom: 0`
        : `top: ${start}%; height: ${size}%; left: 0; right: 0`;
      return make("i", "", null, { style, title: "Not in the series" });
    });
    this.gaps.replaceChildren(...bars);
  }
}

// A position in the patient, in millimetres: how far left or right, front or back, up or down.
function namePosition(origin, { turn, mm }, row, column) {
  return origin
    .map((start, axis) => {
      const at = start + turn.down[axis] * row * mm[1] + turn.across[axis] * column * mm[2];
      return `${DIRECTION_LETTERS[axis][at > 0 ? 1 : 0]} ${Math.abs(at).toFixed(1)}`;
    })
    .join("  ")
    .concat(" mm");
}
