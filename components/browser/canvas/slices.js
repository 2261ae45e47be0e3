// Slices of a series as the browser keeps them: fetched once as the file's own numbers, and made greys of here, so that
// neither a step nor a window waits for the server. The greys are those of explain/volumes (a browser test holds the
// two together).

const SLICE_BYTES_KEPT = 96 << 20;
const LEVELS_OF_16_BITS = 65536;
const TYPES = { int16: Int16Array, uint16: Uint16Array, float32: Float32Array };

const slices = new Map(); // by key, the one wanted longest ago first

async function readNumbers({ url, type }) {
  const answer = await fetch(new URL(url, APP));
  if (!answer.ok) throw new Error(`${answer.status}`);
  if (type === "png") {
    const picture = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    return { bitmap: await createImageBitmap(await answer.blob(), picture) };
  }
  const unpacked = answer.body.pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(unpacked).arrayBuffer();
  return { numbers: new TYPES[type](bytes) };
}

function countBytes({ held }) {
  return held?.numbers?.byteLength ?? (held ? held.bitmap.width * held.bitmap.height * 4 : 0);
}

// The lowest and the highest of whole numbers, as they are held.
function findReach(numbers) {
  let [low, high] = [numbers[0], numbers[0]];
  for (const number of numbers) {
    if (number < low) low = number;
    else if (number > high) high = number;
  }
  return [low, high];
}

// A slice's numbers, or its picture; null while they are on their way.
function getSlice(described) {
  return slices.get(described.key)?.held ?? null;
}

// Have a slice fetched, where it is not here yet.
function fetchSlice(described) {
  let entry = slices.get(described.key);
  slices.delete(described.key);
  if (!entry) {
    entry = { held: null };
    entry.loading = readNumbers(described).then((held) => (entry.held = held));
    // Its address may be a former one, and a new one is on its way.
    entry.loading.catch(() => slices.get(described.key) === entry && slices.delete(described.key));
  }
  slices.set(described.key, entry);
  dropSlices(described.key);
  return entry.loading;
}

function dropSlices(kept) {
  let held = [...slices.values()].reduce((sum, entry) => sum + countBytes(entry), 0);
  for (const [key, entry] of slices) {
    if (held <= SLICE_BYTES_KEPT) return;
    if (key === kept) continue;
    slices.delete(key);
    held -= countBytes(entry);
  }
}

// Values of the file's units as greys 0…1, by the standard's names (PS3.3 C.11.2.1).
function makeShader({ centre, width, function: kind, table }) {
  if (table) {
    const greys = decodeTable(table);
    return (value) => greys[Math.min(Math.max(roundHalfEven(value - table.first), 0), greys.length - 1)] / 255;
  }
  const clip = (share) => (share > 0 ? (share < 1 ? share : 1) : 0);
  if (kind === "SIGMOID") return (value) => 1 / (1 + Math.exp(Math.min(Math.max((-4 * (value - centre)) / width, -80), 80)));
  if (kind === "LINEAR_EXACT") return (value) => clip((value - centre) / width + 0.5);
  if (width <= 1) return (value) => (value > centre - 0.5 ? 1 : 0);
  return (value) => clip((value - (centre - 0.5)) / (width - 1) + 0.5);
}

function decodeTable(table) {
  table.decoded ??= decode(table.greys, Uint8Array);
  return table.decoded;
}

// What makes pixels of a slice's numbers: for whole numbers a table of those that there are, which is as fast as a picture
// has pixels, whatever the window is made of. A scan has a few thousand of the 65,536, and a hand on the window has them
// worked out anew each frame.
class Lens {
  constructor(described, window, inverted, padding) {
    const { slope, intercept, type, turned } = described;
    const shader = makeShader(window);
    const turn = turned !== inverted;
    this.type = type;
    this.shade = (number) => {
      if (!Number.isFinite(number) || (padding && number >= padding[0] && number <= padding[1])) return 0xff000000;
      const grey = shader(Math.fround(Math.fround(number * Math.fround(slope)) + Math.fround(intercept)));
      const level = roundHalfEven((turn ? 1 - grey : grey) * 255);
      return (0xff000000 | (level << 16) | (level << 8) | level) >>> 0;
    };
    if (type === "float32") return;
    this.table = new Uint32Array(LEVELS_OF_16_BITS);
    this.known = [0, -1];
  }

  // Have the table hold all numbers from the lowest to the highest, at the places of their bits.
  fill([low, high]) {
    const { table, shade } = this;
    const [first, last] = this.known;
    if (first <= low && high <= last) return;
    const isNone = first > last;
    this.known = isNone ? [low, high] : [Math.min(low, first), Math.max(high, last)];
    const [from, to] = this.known;
    for (let number = from; number <= to; number++) {
      if (isNone || number < first || number > last) table[number & (LEVELS_OF_16_BITS - 1)] = shade(number);
    }
  }

  // `held` are the numbers that these are of, with what they reach from and to once that was looked for.
  draw(out, numbers, held = { numbers }) {
    const { table, shade } = this;
    if (!table) for (let i = 0; i < out.length; i++) out[i] = shade(numbers[i]);
    else {
      this.fill((held.reach ??= findReach(held.numbers)));
      const places = new Uint16Array(numbers.buffer, numbers.byteOffset, numbers.length);
      for (let i = 0; i < out.length; i++) out[i] = table[places[i]];
    }
  }
}

let lens = null;

// The last lens, where it is the same still: going from slice to slice rarely changes it.
function getLens(described, window, inverted, padding) {
  const { slope, intercept, type, turned } = described;
  const { centre, width, function: kind, table } = window;
  const key = [slope, intercept, type, turned, centre, width, kind, table?.greys, table?.first, inverted, padding].join(" ");
  if (lens?.key !== key) lens = Object.assign(new Lens(described, window, inverted, padding), { key });
  return lens;
}

// A slice as the picture of a row: like Picture, but drawn anew for each step and each window. `source` is its picture,
// or its pixels, of which each needs a surface only where it is enlarged or reduced.
class SlicePicture {
  constructor(source, { width, height }) {
    Object.assign(this, { source, width, height, isSlice: true });
  }

  // Its pixels, where a frame shows them as they are.
  getPixels(frame) {
    const { source, width, height } = this;
    const isWhole = frame.visible.width === width && frame.visible.height === height;
    const isPlain = isWhole && source.data && source.width === width && source.height === height;
    return isPlain && frame.width === width && frame.height === height ? new Uint32Array(source.data.buffer) : null;
  }

  get surface() {
    const { source } = this;
    if (!source.data) return source;
    if (!this.drawn) {
      this.drawn = new OffscreenCanvas(source.width, source.height);
      this.drawn.getContext("2d").putImageData(source, 0, 0);
    }
    return this.drawn;
  }

  chooseLevel(screenWidth) {
    if (this.width * this.height <= NATIVE_PIXELS) return 0;
    return Math.max(0, Math.floor(Math.log2(this.width / Math.max(screenWidth, 1))));
  }

  getLevel(number) {
    const [width, height] = [this.width, this.height].map((side) => Math.max(1, side >> number));
    return { width, height, draw: (...drawn) => this.draw(...drawn) };
  }

  // As Level.draw; the numbers may lie wider apart one way than the other.
  draw(context, frame, size, quality) {
    const { surface } = this;
    const { visible } = frame;
    const [across, down] = [surface.width / size.width, surface.height / size.height];
    const isEnlarged = frame.width >= visible.width * across * 4 && frame.height >= visible.height * down * 4;
    context.imageSmoothingEnabled = !isEnlarged;
    context.imageSmoothingQuality = quality;
    context.drawImage(
      surface,
      ...[visible.x * across, visible.y * down, visible.width * across, visible.height * down],
      ...[0, 0, frame.width, frame.height],
    );
  }
}
