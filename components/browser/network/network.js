// Layers as blocks that can be pressed. Elements are kept by key, so that the focus stays where it is.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let root = parentElement.querySelector(".network");
  if (!root) root = build(parentElement);
  const [line, said] = root.children;
  line.firstElementChild.textContent = data.source;
  line.lastElementChild.textContent = data.answer;
  const list = line.children[1];
  const kept = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const say = (text) => (said.textContent = text);
  const chosen = data.blocks.find((block) => block.key === data.chosen);
  root.dataset.chosen = chosen?.text ?? "";
  const items = data.blocks.map((block) => {
    const element = kept.get(block.key) ?? buildBlock(block.key, setTriggerValue, say, root);
    show(element, block, data.chosen);
    return element;
  });
  list.classList.toggle("many", items.length > 14);
  if (items.length !== list.children.length || items.some((item, i) => item !== list.children[i])) {
    list.replaceChildren(...items);
  }
  say(root.dataset.chosen);
}

function make(tag, name, parent) {
  const element = document.createElement(tag);
  element.className = name;
  parent.append(element);
  return element;
}

function build(parent) {
  const root = make("div", "network", parent);
  const line = make("div", "line", root);
  make("span", "end", line);
  const list = make("ol", "blocks", line);
  list.setAttribute("aria-label", "Layers, from the input to the answer");
  list.addEventListener("keydown", moveFocus);
  make("span", "end", line);
  make("p", "said", root);
  return root;
}

function buildBlock(key, setTriggerValue, say, root) {
  const element = document.createElement("li");
  element.dataset.key = key;
  const button = make("button", "block", element);
  button.type = "button";
  make("span", "shape", button);
  make("span", "grid", button);
  button.addEventListener("click", () => setTriggerValue("pressed", key));
  for (const name of ["pointerenter", "focus"]) button.addEventListener(name, () => say(button.title));
  for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => say(root.dataset.chosen));
  return element;
}

function show(element, block, chosen) {
  const button = element.firstElementChild;
  const [shape, grid] = button.children;
  element.style.flexGrow = block.width;
  element.style.maxWidth = `${block.width + 12}px`;
  shape.style.height = `${block.height}px`;
  grid.textContent = block.grid;
  button.title = block.text;
  button.setAttribute("aria-label", `Show the layer ${block.text}`);
  button.setAttribute("aria-pressed", String(block.key === chosen));
  button.tabIndex = block.key === chosen ? 0 : -1;
}

function moveFocus(event) {
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const at = buttons.indexOf(event.target.closest("button"));
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 };
  const next = buttons[to[event.key]];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus();
}
