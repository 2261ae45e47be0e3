// Reports a slider's value while it is being dragged. Streamlit's own slider reports on release only; this watches its
// input and leaves the slider, its keys and its state alone.

const PATIENCE = 1500; // milliseconds after which an answer that has not come is no longer waited for
const SETTLED = 60; // milliseconds after a release until the slider's input holds its last value

const watchers = new WeakMap();

export default function mount({ parentElement, data, setStateValue }) {
  if (!watchers.has(parentElement)) {
    watchers.set(parentElement, new Watcher());
    const sign = document.createElement("span");
    Object.assign(sign, { hidden: true }).dataset.testid = "live-sliders";
    parentElement.append(sign);
  }
  const watcher = watchers.get(parentElement);
  watcher.update(data.keys, setStateValue);
  return () => {
    watcher.end();
    watchers.delete(parentElement);
  };
}

// The class that Streamlit gives to a widget's container.
function nameClass(key) {
  return `st-key-${key.trim().replace(/[^a-zA-Z0-9_-]/g, "-")}`;
}

class Watcher {
  constructor() {
    this.keys = [];
    this.drag = null;
    this.waiting = 0;
    this.ending = new AbortController();
    const options = { signal: this.ending.signal, capture: true };
    document.addEventListener("pointerdown", (event) => this.begin(event), options);
    for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => this.release(), options);
    this.changes = new MutationObserver(() => this.offer());
  }

  // Streamlit calls this at the end of the run that a report has caused: the next may go.
  update(keys, setStateValue) {
    this.keys = keys;
    this.setStateValue = setStateValue;
    clearTimeout(this.waiting);
    this.waiting = 0;
    this.offer();
  }

  begin({ target }) {
    const key = this.keys.find((name) => target.closest?.(`.${CSS.escape(nameClass(name))}`));
    const input = key && target.closest(`.${CSS.escape(nameClass(key))}`).querySelector("input[type=range]");
    if (!input) return;
    const from = Number(input.value);
    this.drag = { id: `${Date.now()}`, key, input, from, sent: from };
    this.changes.observe(input, { attributes: true, attributeFilter: ["value", "aria-valuetext"] });
  }

  // The slider itself reports the exact value now, unless it is back where it began: then it sees no change, and what
  // was reported last would stand. Its input follows the pointer a moment later.
  release() {
    const { drag } = this;
    this.drag = null;
    this.changes.disconnect();
    if (drag) setTimeout(() => this.conclude(drag), SETTLED);
  }

  conclude({ id, key, input, from, sent }) {
    if (!this.drag && sent !== from && Number(input.value) === from) this.setStateValue("moving", { id, key, from, value: from });
  }

  // One report at a time: while it is answered, newer values replace each other, and the last one goes next.
  offer() {
    if (!this.drag || this.waiting) return;
    const { id, key, input, from, sent } = this.drag;
    const value = Number(input.value);
    if (value === sent) return;
    this.drag.sent = value;
    this.waiting = setTimeout(() => {
      this.waiting = 0;
      this.offer();
    }, PATIENCE);
    this.setStateValue("moving", { id, key, from, value });
  }

  end() {
    this.release();
    clearTimeout(this.waiting);
    this.ending.abort();
  }
}
