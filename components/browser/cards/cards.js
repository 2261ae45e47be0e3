// Pictures with words. Elements are kept by key, so that the focus stays where it is when the page is drawn again.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let list = parentElement.querySelector(".cards");
  if (!list) {
    list = make("ul", "cards", parentElement);
    list.addEventListener("keydown", moveFocus);
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
    return element;
  });
  if (items.length !== list.children.length || items.some((item, i) => item !== list.children[i])) {
    list.replaceChildren(...items);
  }
  if (list.dataset.chosen !== String(data.chosen)) {
    list.dataset.chosen = String(data.chosen);
    const chosen = items.find((item) => item.dataset.key === data.chosen);
    if (chosen) list.scrollLeft = chosen.offsetLeft - (list.clientWidth - chosen.offsetWidth) / 2;
  }
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
