// Pictures with words. Elements are kept by key, so that the focus stays where it is when the page is drawn again.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let list = parentElement.querySelector(".cards");
  if (!list) {
    list = make("ul", "cards", parentElement);
    list.addEventListener("keydown", moveFocus);
    // The page's own scroll bar narrows the list once there is more below.
    new ResizeObserver(() => reveal(list)).observe(list);
  }
  list.className = `cards ${data.layout}`;
  list.style.setProperty("--width", `${data.width / 16}rem`);
  list.setAttribute("aria-label", data.name);
  const press = (key) => setTriggerValue("pressed", key);
  const kind = data.pressable ? "BUTTON" : "DIV";
  const kept = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const items = data.items.map((item, index) => {
    let element = kept.get(item.key);
    if (element?.firstElementChild.tagName !== kind) element = build(item.key, kind, press);
    show(element, item, data, index);
    for (const frame of element.querySelectorAll(".cells")) frame.choose = (cell) => setTriggerValue("cell", cell);
    return element;
  });
  if (items.length !== list.children.length || items.some((item, i) => item !== list.children[i])) {
    list.replaceChildren(...items);
  }
  if (list.dataset.chosen !== String(data.chosen)) {
    list.dataset.chosen = String(data.chosen);
    reveal(list);
  }
}

// Scroll to the chosen one, as near to the middle as it gets.
function reveal(list) {
  const chosen = [...list.children].find((item) => item.dataset.key === list.dataset.chosen);
  if (chosen) list.scrollLeft = chosen.offsetLeft - (list.clientWidth - chosen.offsetWidth) / 2;
}

function make(tag, name, parent) {
  const element = document.createElement(tag);
  element.className = name;
  parent.append(element);
  return element;
}

function build(key, kind, press) {
  const element = document.createElement("li");
  element.dataset.key = key;
  const card = make(kind, "card", element);
  if (kind === "BUTTON") {
    card.type = "button";
    card.addEventListener("click", () => press(key));
  }
  make("span", "title", card);
  make("span", "frames", card);
  make("span", "lines", card);
  return element;
}

function show(element, item, data, index) {
  const card = element.firstElementChild;
  const [title, frames, lines] = card.children;
  const isChosen = item.key === data.chosen;
  card.classList.toggle("bare", item.frames.length === 0);
  title.textContent = item.title;
  title.title = item.title;
  title.classList.toggle("dotted", item.colour !== null);
  title.style.setProperty("--dot", item.colour ?? "transparent");
  lines.replaceChildren(
    ...item.lines.map((text) => {
      const line = document.createElement("span");
      line.textContent = text;
      return line;
    }),
  );
  while (frames.children.length > item.frames.length) frames.lastElementChild.remove();
  item.frames.forEach((frame, i) => showFrame(frames.children[i] ?? make("span", "frame", frames), frame));
  if (!data.pressable) return;
  card.setAttribute("aria-pressed", String(isChosen));
  // One stop of the tabulator for all; arrows go from card to card.
  const hasChosen = data.items.some((other) => other.key === data.chosen);
  card.tabIndex = isChosen || (!hasChosen && index === 0) ? 0 : -1;
}

function showFrame(element, frame) {
  if (!element.firstElementChild) {
    const place = make("span", "place", element);
    make("img", "image", place);
    make("span", "mark", place);
    make("span", "label", element);
  }
  const [place, label] = element.children;
  const [image, mark] = place.children;
  if (image.src !== frame.image) image.src = frame.image;
  image.alt = frame.alt;
  image.title = frame.alt;
  label.textContent = frame.label;
  mark.hidden = frame.mark === null;
  if (frame.mark !== null) {
    mark.style.left = `${frame.mark[0] * 100}%`;
    mark.style.top = `${frame.mark[1] * 100}%`;
  }
  showCells(place, frame.cells);
}

// A grid over a map: the pointer shows a cell, a press or an arrow key chooses one.
function showCells(place, cells) {
  let grid = place.querySelector(".cells");
  if (!cells) {
    grid?.remove();
    return;
  }
  if (!grid) grid = buildCells(place);
  grid.cells = cells;
  const [left, top, width, height] = cells.box.map((share) => `${share * 100}%`);
  Object.assign(grid.style, { left, top, width, height });
  putCell(grid.children[0], cells, cells.chosen);
  const [row, column] = cells.chosen;
  grid.setAttribute("aria-label", `Row ${row + 1} and column ${column + 1} of ${cells.rows} by ${cells.columns}: arrow keys choose another cell`);
}

function buildCells(place) {
  const grid = make("button", "cells", place);
  grid.type = "button";
  make("span", "cell chosen", grid);
  const under = make("span", "cell under", grid);
  under.hidden = true;
  grid.addEventListener("pointermove", (event) => {
    under.hidden = false;
    putCell(under, grid.cells, findCell(grid, event));
  });
  grid.addEventListener("pointerleave", () => (under.hidden = true));
  grid.addEventListener("click", (event) => {
    if (event.detail) grid.choose(findCell(grid, event)); // a key's press comes without a place
  });
  grid.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const sides = [grid.cells.rows, grid.cells.columns];
    const to = grid.cells.chosen.map((at, axis) => Math.min(Math.max(at + step[axis], 0), sides[axis] - 1));
    grid.cells.chosen = to; // so that a key held down walks on before the page has answered
    putCell(grid.children[0], grid.cells, to);
    grid.choose(to);
  });
  return grid;
}

function findCell(grid, event) {
  const area = grid.getBoundingClientRect();
  const { rows, columns } = grid.cells;
  const at = (share, count) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
  return [at((event.clientY - area.top) / area.height, rows), at((event.clientX - area.left) / area.width, columns)];
}

function putCell(element, { rows, columns }, [row, column]) {
  element.style.left = `${(column / columns) * 100}%`;
  element.style.top = `${(row / rows) * 100}%`;
  element.style.width = `${100 / columns}%`;
  element.style.height = `${100 / rows}%`;
}

function moveFocus(event) {
  const buttons = [...event.currentTarget.querySelectorAll("button.card")];
  const at = buttons.indexOf(event.target.closest("button.card"));
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 };
  const next = buttons[to[event.key]];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus();
}
