"""How well a page can be read: whether words and controls stand out from what is behind them, by WCAG 2's ratio, and
whether its headings form an outline.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from playwright.sync_api import Page

LEAST_FOR_TEXT = 4.5
LEAST_FOR_CONTROLS = 3.0
_LOOKS = 20

_BOXES = (
    "[data-testid=stNumberInputContainer], [data-testid=stTextInputRootElement], "
    "[data-testid=stSelectbox] [role=group], [data-testid=stMultiSelect] [role=group], "
    "[data-testid=stCheckbox] label > div:first-of-type"
)
"""What is typed into, chosen in or ticked: known by its edge, as buttons are by their words."""

_MEASURE = """() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const read = (colour) => {
    if (!known.has(colour)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
  const light = (colour) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const parentOf = (element) => element.assignedSlot ?? element.parentElement ?? element.getRootNode().host ?? null;
  // What lies behind an element, the whole of it with `self`; several where a gradient changes on the way.
  // What an ancestor paints counts where it reaches: the value of a slider stands above its thumb, not on it.
  const behind = (element, of = element.getBoundingClientRect()) => {
    const style = getComputedStyle(element);
    const parent = parentOf(element);
    const box = element.getBoundingClientRect();
    const holds = style.overflowY !== "visible"; // what is scrolled out of it will be scrolled in
    const below = parent ? behind(parent, holds ? box : of) : [[255, 255, 255]];
    const [x, y] = [(of.left + of.right) / 2, (of.top + of.bottom) / 2];
    if (!holds && (x < box.left || x > box.right || y < box.top || y > box.bottom)) return below;
    const colours = style.backgroundImage.match(/(rgba?|color|oklab|color-mix)\\([^()]*\\)/g);
    const laid = style.backgroundImage.includes("gradient") && colours ? colours : [style.backgroundColor];
    return laid.flatMap((colour) => below.map((under) => over(read(colour), under)));
  };
  const fade = (element) => {
    let share = 1;
    for (let at = element; at; at = parentOf(at)) share *= Number(getComputedStyle(at).opacity);
    return share;
  };
  const seen = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length;
  const disabled = (element) => {
    for (let at = element; at; at = parentOf(at)) {
      if (at.matches(":disabled, [aria-disabled=true], .unseen, .without-map, [data-stale=true]")) return true;
    }
    return false;
  };
  const found = [];
  const walk = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) walk(element.shadowRoot);
      if (!seen(element)) continue;
      const style = getComputedStyle(element);
      const share = fade(element);
      const grounds = behind(element);
      if (share < 0.05) continue; // shown when the pointer comes
      const words = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
      const judge = (colour, least, name) => {
        const [r, g, b, a] = read(colour);
        const worst = Math.min(...grounds.map((ground) => ratio(over([r, g, b, a * share], ground), ground)));
        if (worst < least - 0.005) found.push([name, worst]);
      };
      const box = element.getBoundingClientRect();
      if (words.length && box.width > 1 && !disabled(element) && !element.closest("style, script, svg, math")) {
        judge(style.color, TEXT, words.map((node) => node.data.trim()).join(" ").slice(0, 60));
      }
      if (element.matches(BOXES) && !disabled(element)) {
        const outside = behind(parentOf(element));
        const marks = [over(read(style.borderTopColor), outside[0]), grounds[0]];
        const best = Math.max(...marks.map((mark) => ratio(mark, outside[0])));
        if (best < CONTROL) found.push([`the edge of ${element.parentElement.textContent.slice(0, 30)}`, best]);
      }
    }
  };
  walk(document);
  return found;
}"""


_SKIPPED = """() => {
  const found = [];
  const walk = (root) => {
    for (const element of root.querySelectorAll("*")) {
      const level = /^H([1-6])$/.exec(element.tagName)?.[1];
      const seen = level && element.checkVisibility({ visibilityProperty: true });
      if (seen) found.push([Number(level), element.textContent]);
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  };
  walk(document.querySelector("[data-testid=stMain]"));
  return found.filter(([level], at) => level > (at ? found[at - 1][0] : 0) + 1);
}"""


@dataclass(frozen=True)
class Faint:
    """Something that hardly stands out: what it says, and its ratio."""

    words: str
    ratio: float


def find_faint(page: Page) -> list[Faint]:
    """What of a page stands out too little, as it is now. What is switched off or lies on a picture does not count."""
    script = f"""() => {{
        const [TEXT, CONTROL, BOXES] = {json.dumps([LEAST_FOR_TEXT, LEAST_FOR_CONTROLS, _BOXES])};
        return ({_MEASURE})();
    }}"""
    return [Faint(words, round(ratio, 2)) for words, ratio in page.evaluate(script)]


def assert_legible(page: Page) -> None:
    """In the light and the dark theme, as the system asks for one and then the other; and no heading skips a level."""
    skipped = page.evaluate(_SKIPPED)
    assert skipped == [], f"headings that skip a level: {skipped}"
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.wait_for_function(
            "theme => getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme === theme", arg=theme
        )
        for _ in range(_LOOKS):  # colours go over into one another, on a busy machine for longer
            page.wait_for_timeout(300)
            faint = find_faint(page)
            if not faint:
                break
        assert not faint, f"too faint in the {theme} theme: {faint}"
