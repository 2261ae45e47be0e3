// Hands marks to the canvas, whenever it is drawn: now, or later.

export default function mount({ data }) {
  globalThis.camscopeMarks = data;
  document.dispatchEvent(new CustomEvent("camscope-marks"));
}
