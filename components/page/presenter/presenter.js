// Presenter mode in the browser: hides and shows at once, listens to the keys, and tells the server afterwards.

const KEYS = "1–9 pictures · Page up, Page down next · Space maps · Escape leaves";
const TYPING = "input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog *";

const presenters = new WeakMap();

export default function mount(component) {
  const { parentElement } = component;
  if (!presenters.has(parentElement)) presenters.set(parentElement, new Presenter(parentElement));
  const presenter = presenters.get(parentElement);
  presenter.update(component);
  return () => {
    presenter.end();
    presenters.delete(parentElement);
  };
}

class Presenter {
  constructor(parentElement) {
    this.root = document.documentElement;
    this.given = null;
    this.presenting = false;
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.addEventListener("click", () => this.change(!this.presenting));
    parentElement.append(this.button);
    this.ending = new AbortController();
    document.addEventListener("keydown", (event) => this.press(event), { signal: this.ending.signal });
  }

  // The server echoes what it was told, perhaps late: only news is followed.
  update({ data, setStateValue, setTriggerValue }) {
    Object.assign(this, { setStateValue, setTriggerValue });
    if (data.presenting !== this.given) this.show(data.presenting);
    this.given = data.presenting;
  }

  change(presenting) {
    this.show(presenting);
    this.setStateValue("presenting", presenting);
  }

  show(presenting) {
    this.presenting = presenting;
    this.root.toggleAttribute("data-presenting", presenting);
    if (!presenting) this.showMaps(true);
    this.button.textContent = presenting ? "Leave" : "Present";
    this.button.title = presenting ? `Leave (Escape). ${KEYS}` : `Hide the controls (p). ${KEYS}`;
    this.button.classList.toggle("presenting", presenting);
  }

  get mapsShown() {
    return !this.root.hasAttribute("data-maps-hidden");
  }

  showMaps(shown) {
    if (shown === this.mapsShown) return;
    this.root.toggleAttribute("data-maps-hidden", !shown);
    document.dispatchEvent(new Event("camscope-maps"));
  }

  press(event) {
    const from = event.composedPath()[0];
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (from.matches?.(TYPING)) return;
    if (event.key === " " && from.matches?.("button, input, [role=slider], a")) return;
    if (!this.act(event.key)) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has keys of its own
  }

  // Whether the key means something now.
  act(key) {
    if (!this.presenting) {
      if (key !== "p") return false;
      this.change(true);
    } else if (key === "Escape" || key === "p") this.change(false);
    else if (key === " ") this.showMaps(!this.mapsShown);
    else if (/^[1-9]$/.test(key)) this.setTriggerValue("picked", { number: Number(key) });
    else if (key === "PageDown" || key === "PageUp") this.setTriggerValue("picked", { step: key === "PageUp" ? -1 : 1 });
    else return false;
    return true;
  }

  end() {
    this.ending.abort();
    this.show(false);
    this.button.remove();
  }
}
