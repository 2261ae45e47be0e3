// Thumbnails as buttons. Elements are kept by key, so that the focus stays where it is when the page is drawn again.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let list = parentElement.querySelector(".gallery");
  if (!list) {
    list = document.createElement("ul");
    list.className = "gallery";
    parentElement.append(list);
  }
  const press = (action, key) => setTriggerValue("pressed", { action, key });
  const kept = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const items = data.items.map((item) => {
    const element = kept.get(item.key) ?? build(item, press);
    show(element, item, data.shown);
    return element;
  });
  if (items.length !== list.children.length || items.some((item, i) => item !== list.children[i])) {
    list.replaceChildren(...items);
  }
}

function build(item, press) {
  const element = document.createElement("li");
  element.dataset.key = item.key;
  const picture = button(element, "picture", (event) =>
    press(event.ctrlKey || event.metaKey || event.shiftKey ? "toggle" : "only", item.key),
  );
  const image = document.createElement("img");
  image.src = item.thumbnail;
  image.alt = "";
  picture.append(image);
  button(element, "toggle", () => press("toggle", item.key));
  if (item.own) {
    const remove = button(element, "remove", () => press("remove", item.key));
    remove.textContent = "×";
  }
  return element;
}

function button(parent, name, onClick) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = name;
  element.addEventListener("click", onClick);
  parent.append(element);
  return element;
}

function show(element, item, shown) {
  const isShown = shown.includes(item.key);
  const [picture, toggle, remove] = element.querySelectorAll("button");
  element.classList.toggle("shown", isShown);
  picture.title = item.title;
  picture.setAttribute("aria-label", `Explain ${item.title}`);
  picture.setAttribute("aria-current", String(isShown));
  toggle.textContent = isShown ? "✓" : "+";
  toggle.title = isShown ? `Take ${item.title} out of the comparison` : `Add ${item.title} to the comparison`;
  toggle.setAttribute("aria-label", toggle.title);
  toggle.setAttribute("aria-pressed", String(isShown));
  if (remove) {
    remove.title = `Remove ${item.title}`; // each time: a name may be hidden after its picture came
    remove.setAttribute("aria-label", remove.title);
  }
}
