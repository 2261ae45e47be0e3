// Hands marks to the canvas, whenever it is drawn: now, or later. Asks for more only while there are more to come, or
// once the canvas shows something else: a page that rests is left in peace.

const LOOK_AGAIN = 400; // milliseconds

let timer = null;
let listening = null;

export default function mount({ data, setTriggerValue }) {
  const ask = () => {
    clearTimeout(timer);
    timer = setTimeout(() => setTriggerValue("look", Date.now()), LOOK_AGAIN);
  };
  globalThis.camscopeMarks = data;
  document.dispatchEvent(new CustomEvent("camscope-marks"));
  clearTimeout(timer);
  listening?.abort();
  listening = new AbortController();
  const look = () => {
    const asked = globalThis.camscopeQuestion;
    if (data.waiting || (asked && asked !== data.question)) ask();
  };
  document.addEventListener("camscope-question", look, { signal: listening.signal });
  look();
  return () => {
    clearTimeout(timer);
    listening.abort();
  };
}
