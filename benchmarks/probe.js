// What a person sees and when, measured in the page itself. benchmarks/browser.py adds this to every page before it loads.

window.probe = (() => {
  const traffic = { sent: 0, received: 0, fetched: 0 };
  const messages = []; // [time, bytes]: positive where received, negative where sent

  const count = (data) => (typeof data === "string" ? data.length : (data.byteLength ?? data.size));
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        traffic.received += count(data);
        messages.push([performance.now(), count(data)]);
      });
    }

    send(data) {
      traffic.sent += count(data);
      messages.push([performance.now(), -count(data)]);
      super.send(data);
    }
  };
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) traffic.fetched += entry.transferSize;
  }).observe({ type: "resource", buffered: true });

  let kept = null;
  // The grid on the page; it lies in a component's shadow root.
  function findGrid() {
    if (kept?.isConnected) return kept;
    kept = null;
    for (const element of document.querySelectorAll(".st-key-grid *")) {
      kept ??= element.shadowRoot?.querySelector("[data-testid=canvas-grid]") ?? null;
    }
    return kept;
  }

  function findPanes(name) {
    return [...(findGrid()?.querySelectorAll(`[data-pane="${name}"]`) ?? [])];
  }

  // How often each of a method's maps has been painted; null where there is no such column.
  function look(names) {
    return new Map(names.map((name) => [name, findPanes(name).map((pane) => [pane, pane.dataset.version])]));
  }

  function isPainted(now) {
    return now.length > 0 && now.every(([, version]) => version !== "0");
  }

  // Every map of the method stands there, and none is what it was.
  function isNew(now, before) {
    const same = ([pane, version]) => before.some((entry) => entry[0] === pane && entry[1] === version);
    return isPainted(now) && !now.some(same);
  }

  function nextFrame() {
    return new Promise((done) => requestAnimationFrame(() => done(performance.now())));
  }

  // Until what was asked has been answered, and nothing has come for a while.
  async function rest() {
    const asked = performance.now();
    const isAtRest = () => {
      const [at, bytes] = messages.at(-1) ?? [0, 1];
      return bytes > 0 && performance.now() - Math.max(at, asked) > 300;
    };
    while (!isAtRest() && performance.now() - asked < 20000) await nextFrame();
  }

  let waiting = null;
  // From the next event of this kind until every map of these methods has changed, and two frames more.
  function arm(kind, names) {
    const before = look(names);
    const began = { ...traffic };
    waiting = (async () => {
      const started = await new Promise((done) =>
        addEventListener(kind, (event) => done(event.timeStamp), { capture: true, once: true }),
      );
      const isOver = () => [...look(names)].every(([name, now]) => isNew(now, before.get(name)));
      let now = await nextFrame();
      while (!isOver()) {
        if (now - started > 8000) return null;
        now = await nextFrame();
      }
      const painted = now;
      await nextFrame();
      now = await nextFrame();
      const mine = messages.filter(([at]) => at >= started && at <= painted);
      const sent = mine.find(([, bytes]) => bytes < 0)?.[0] ?? started;
      const received = mine.findLast(([, bytes]) => bytes > 0)?.[0] ?? sent;
      return {
        ms: now - started,
        toSend: sent - started,
        toAnswer: received - sent,
        toPaint: now - received,
        bytes: Object.keys(traffic).reduce((sum, way) => sum + traffic[way] - began[way], 0),
      };
    })();
  }

  let recording = null;
  // The work of every frame in which the grid changes, from its start to when style, layout and paint are done.
  function record() {
    const root = findGrid().getRootNode();
    const frames = [];
    const updates = [];
    const channel = new MessageChannel();
    let changed = false;
    let start = 0;
    const observer = new MutationObserver(() => (changed = true));
    observer.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
    channel.port1.onmessage = () => {
      if (changed) frames.push({ start, work: performance.now() - start });
      changed = false;
    };
    recording = { frames, updates, began: { ...traffic }, on: true };
    const mine = recording;
    const loop = (at) => {
      if (!mine.on) return observer.disconnect();
      start = at;
      channel.port2.postMessage(0);
      requestAnimationFrame(loop);
    };
    requestAnimationFrame(loop);
  }

  // Also note when every map of the method is another than when last noted.
  function follow(name) {
    record();
    const mine = recording;
    let before = look([name]).get(name);
    const loop = () => {
      if (!mine.on) return;
      const now = look([name]).get(name);
      if (isNew(now, before)) {
        mine.updates.push(performance.now());
        before = now;
      }
      requestAnimationFrame(loop);
    };
    requestAnimationFrame(loop);
  }

  async function stop() {
    await nextFrame();
    await nextFrame();
    recording.on = false;
    const { frames, updates, began } = recording;
    return {
      work: frames.map(({ work }) => work),
      gaps: frames.slice(1).map(({ start }, index) => start - frames[index].start),
      updates,
      bytes: Object.keys(traffic).reduce((sum, way) => sum + traffic[way] - began[way], 0),
    };
  }

  return { traffic, findGrid, findPanes, look, isPainted, rest, arm, record, follow, stop, waitForIt: () => waiting };
})();
