// Tells the server that the line to it has come back. Streamlit says on its outermost element how the line is.

const STATE = "data-test-connection-state";

let watcher = null;
let cut = false;

export default function mount({ setTriggerValue }) {
  const app = document.querySelector(`[${STATE}]`);
  watcher?.disconnect();
  watcher = new MutationObserver(() => {
    const connected = app.getAttribute(STATE) === "CONNECTED";
    if (connected && cut) setTriggerValue("mended", Date.now());
    cut = !connected;
  });
  if (app) watcher.observe(app, { attributeFilter: [STATE] });
  return () => watcher.disconnect();
}
