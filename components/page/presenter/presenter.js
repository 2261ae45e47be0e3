// Presenter mode in the browser: hides and shows at once, listens to the keys, and tells the server afterwards. What the
// keys do to a grid, and the list of them, is in the grid's own slide.js.

const TYPING =
  "input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable], dialog, dialog *, " +
  "[role=menu], [role=menu] *";
const CONTROL = "button, input, [role=slider], a";
const AT_WORK = ".grid[data-tool]:not([data-tool='']), .grid.solo"; // the grid itself listens then

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
    this.ground = document.createElement("div"); // of the line at the bottom of a slide
    this.model = document.createElement("span");
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.addEventListener("click", () => this.change(!this.presenting));
    parentElement.append(this.ground, this.model, this.button);
    this.ending = new AbortController();
    const { signal } = this.ending;
    // Before the grid hears of them: some keys mean something else to it.
    document.addEventListener("keydown", (event) => this.press(event), { signal, capture: true });
    document.addEventListener("fullscreenchange", () => this.noticeScreen(), { signal });
    document.addEventListener("click", ({ target }) => this.noticeTheme(target), { signal });
  }

  // The server echoes what it was told, perhaps late: only news is followed.
  update({ data, setStateValue, setTriggerValue }) {
    Object.assign(this, { setStateValue, setTriggerValue });
    this.model.textContent = data.model;
    if (data.presenting !== this.given) this.show(data.presenting);
    this.given = data.presenting;
  }

  change(presenting) {
    this.show(presenting);
    this.setStateValue("presenting", presenting);
    if (presenting) this.root.requestFullscreen?.().catch(() => {}); // not everywhere, and then the window has to do
    else if (document.fullscreenElement === this.root) document.exitFullscreen().catch(() => {});
  }

  show(presenting) {
    if (presenting && !this.presenting) this.dropFocus();
    this.presenting = presenting;
    this.root.toggleAttribute("data-presenting", presenting);
    if (!presenting) {
      this.root.removeAttribute("data-darkened");
      this.showMaps(true);
    }
    this.stage({});
    this.button.textContent = presenting ? "Leave" : "Present";
    this.button.title = presenting ? "Leave (Escape). Press ? for the keys." : "Show the maps as a slide (p)";
    this.button.classList.toggle("presenting", presenting);
    this.model.hidden = this.ground.hidden = !presenting;
  }

  // Nobody before a slide asks where the focus is.
  dropFocus() {
    let focused = document.activeElement;
    while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
    focused?.blur();
  }

  noticeScreen() {
    const filling = document.fullscreenElement !== null;
    if (this.filling && !filling && this.presenting) this.change(false);
    this.filling = filling && (this.filling || document.fullscreenElement === this.root);
  }

  get mapsShown() {
    return !this.root.hasAttribute("data-maps-hidden");
  }

  showMaps(shown) {
    if (shown === this.mapsShown) return;
    this.root.toggleAttribute("data-maps-hidden", !shown);
    document.dispatchEvent(new Event("camscope-maps"));
  }

  // Whether someone took it for theirs alone.
  stage(detail) {
    return !document.dispatchEvent(new CustomEvent("camscope-stage", { detail, cancelable: true }));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const path = event.composedPath();
    if (path[0].matches?.(TYPING)) return;
    if (path.some((element) => element.matches?.(AT_WORK))) return;
    const steering = event.key === " " || event.key === "Enter" || event.key.startsWith("Arrow");
    if (steering && path[0].matches?.(CONTROL)) return;
    const turning = path[0] === document.body && !event.shiftKey; // elsewhere the arrow keys have another meaning
    if (!this.act(event.key, turning)) return;
    event.preventDefault();
    event.stopPropagation(); // the grid and Streamlit have keys of their own
  }

  // Whether the key means something now.
  act(key, turning) {
    if (key === "t") this.changeTheme();
    else if (key === "x") return this.switchPlanted();
    else if (key === "?") this.stage({ keys: true });
    else if (!this.presenting) {
      if (key !== "p") return false;
      this.change(true);
    } else if (key === "Escape" || key === "p") this.change(false);
    else if (key === " ") this.showMaps(!this.mapsShown);
    else if (key === "b") this.root.toggleAttribute("data-darkened");
    else if (key === "ArrowRight" || key === "ArrowLeft") this.stage({ step: key === "ArrowLeft" ? -1 : 1 });
    else if (turning && key === "ArrowDown") return this.stage({ slice: 1 });
    else if (turning && key === "ArrowUp") return this.stage({ slice: -1 });
    else if (key === "Enter" || key === "Backspace") this.stage({ build: key === "Backspace" ? -1 : 1 });
    else if (/^[1-9]$/.test(key)) this.pick({ number: Number(key) });
    else if (key === "PageDown" || key === "PageUp") this.pick({ step: key === "PageUp" ? -1 : 1 });
    else if (key === "n" || key === "N") this.setTriggerValue("scene", key === "N" ? -1 : 1);
    else return false;
    return true;
  }

  // With the moment, since what is told while a part of the page is drawn again may be told twice.
  pick(picked) {
    this.setTriggerValue("picked", { ...picked, at: performance.now() });
  }

  // On the page Truth, what is planted in the picture goes, or comes back.
  switchPlanted() {
    const planted = document.querySelector(".st-key-planted input");
    planted?.click();
    return planted !== null;
  }

  // The other of the dark and the light theme, by Streamlit's own menu, which is not seen meanwhile.
  async changeTheme() {
    const menu = document.querySelector("[data-testid=stMainMenuButton]");
    if (!menu || this.root.hasAttribute("data-changing-theme")) return;
    const find = (theme) => document.querySelector(`[data-testid="stMainMenuItem-theme-${theme}"]`);
    const wait = () => new Promise((done) => requestAnimationFrame(done));
    this.root.setAttribute("data-changing-theme", "");
    const focused = document.activeElement;
    menu.click();
    for (let frames = 0; !find("Light") && frames < 30; frames++) await wait();
    const isChosen = (theme) => find(theme)?.getAttribute("aria-checked") === "true";
    const isDark = isChosen("Dark") || (!isChosen("Light") && matchMedia("(prefers-color-scheme: dark)").matches);
    find(isDark ? "Light" : "Dark")?.click();
    await wait();
    if (find("Light")) menu.click();
    await wait();
    if (focused === document.body) menu.blur();
    else focused?.focus();
    this.root.removeAttribute("data-changing-theme");
  }

  // Streamlit remembers a theme for the page on which it was chosen only: here it is one for all.
  noticeTheme(target) {
    const item = target.closest?.("[data-testid^=stMainMenuItem-theme-]");
    if (!item) return;
    setTimeout(() => {
      const kept = Object.keys(localStorage).find((name) => /^stActiveTheme-.*-v\d+$/.test(name));
      if (!kept) return;
      const version = kept.match(/-v\d+$/)[0];
      const theme = JSON.stringify(item.dataset.testid.split("-").at(-1));
      for (const { href } of document.querySelectorAll("[data-testid=stTopNavLink]")) {
        localStorage.setItem(`stActiveTheme-${new URL(href).pathname}${version}`, theme);
      }
    });
  }

  end() {
    this.ending.abort();
    this.show(false);
    this.button.remove();
    this.model.remove();
    this.ground.remove();
  }
}
