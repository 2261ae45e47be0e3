// All of the script that Streamlit sends with every update. The rest is fetched once, by an address that names its
// content, and kept by the browser.

const slots = new WeakMap();
let script = null;

export default function mount(component) {
  const { parentElement, data } = component;
  if (!slots.has(parentElement)) slots.set(parentElement, { grid: null, gone: false });
  const slot = slots.get(parentElement);
  slot.component = component;
  if (slot.grid) slot.grid.update(component);
  else start(slot, parentElement, data.script);
  return () => {
    slot.gone = true;
    slot.grid?.remove();
    slots.delete(parentElement);
  };
}

// Where the app lies: behind a proxy that takes a path off, the server does not know. Streamlit's own script was found
// there, whatever page is open; without it, the page's own folder is taken.
function findApp() {
  const own = [...document.scripts].map(({ src }) => /^(.*\/)static\/js\/[^/]*$/.exec(src)).find(Boolean);
  return own ? own[1] : document.baseURI;
}

async function start(slot, parentElement, address) {
  script ??= import(new URL(address, findApp()).href);
  try {
    const { Grid } = await script;
    if (slot.gone || slot.grid) return;
    parentElement.replaceChildren();
    slot.grid = new Grid(parentElement);
    slot.grid.update(slot.component);
  } catch (error) {
    console.error(error);
    script = null;
    if (!slot.gone && !slot.grid) parentElement.textContent = "The pictures could not be drawn. Reload the page.";
  }
}
