// The arithmetic of the canvas: maps and pictures as explain/maps/render.py paints them (a browser test holds the two
// together). SHARED is put in front by __init__.py: what both languages know, from tables to declared settings.

const UNSEEN = 0xffff;

function decode(text, Type) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Type(bytes.buffer);
}

function drawOut(table) {
  const shades = new Uint8Array(SHARED.shades * 3);
  for (let i = 0; i < SHARED.shades; i++) {
    const at = (i * 255) / (SHARED.shades - 1);
    const first = Math.min(Math.floor(at), 254);
    for (let c = 0; c < 3; c++) {
      const low = table[first * 3 + c];
      shades[i * 3 + c] = Math.round(low + (table[first * 3 + 3 + c] - low) * (at - first));
    }
  }
  return shades;
}

const SHADES = Object.fromEntries(
  Object.entries(SHARED.tables).map(([name, table]) => [name, drawOut(decode(table, Uint8Array))]),
);

// Lowest and highest value; of a fine map, without a few at either end, unless zero lies among those.
function findEnds({ values, lowest, highest }, painting) {
  if (painting === "smooth") return [lowest, highest];
  const ordered = values.slice().sort();
  const leftOut = Math.floor(((ordered.length - 1) * SHARED.clipped) / 1000);
  const [low, high] = [ordered[leftOut], ordered[ordered.length - 1 - leftOut]];
  return [low < 0 ? low : lowest, high > 0 ? high : highest];
}

function valueRange(maps, signed) {
  let lowest = Infinity;
  let highest = -Infinity;
  for (const { ends } of maps) {
    lowest = Math.min(lowest, ends[0]);
    highest = Math.max(highest, ends[1]);
  }
  if (!maps.length) return [0, 0];
  const largest = Math.max(-lowest, highest);
  return signed ? [-largest, largest] : [Math.max(lowest, 0), Math.max(highest, 0)];
}

function isFlat([low, high]) {
  return !(high - low > SHARED.flat * Math.max(Math.abs(low), Math.abs(high)));
}

// For every pixel centre along one side: the first of its two cells, the second's share, and the pixels inside the box.
function spread(length, start, stop, cells) {
  const first = new Int32Array(length);
  const share = new Float64Array(length);
  let from = length;
  let to = 0;
  for (let i = 0; i < length; i++) {
    const centre = i + 0.5;
    if (centre >= start && centre < stop) {
      from = Math.min(from, i);
      to = i + 1;
    }
    const at = Math.min(Math.max(((centre - start) / (stop - start)) * cells - 0.5, 0), cells - 1);
    first[i] = Math.min(Math.floor(at), Math.max(cells - 2, 0));
    share[i] = at - first[i];
  }
  return { first, share, from, to };
}

// The shade of every pixel, UNSEEN outside the box: the bilinear upsampling and the normalisation in one.
function shadePixels(map, box, width, height, range, signed) {
  const cells = new Float64Array(map.values.length);
  const [low, high] = range;
  const top = SHARED.shades - 1;
  const flat = isFlat(range);
  let beyond = false; // the range is clipped: then shades are held within the table after the upsampling, not before
  for (let i = 0; i < cells.length; i++) {
    const value = signed ? map.values[i] : Math.max(map.values[i], 0);
    const level = flat ? (signed ? 0.5 : 0) : (value - low) / (high - low);
    beyond ||= level < 0 || level > 1;
    cells[i] = level * top + 0.5;
  }
  const across = spread(width, box[0], box[2], map.width);
  const down = spread(height, box[1], box[3], map.height);
  const shade = new Uint16Array(width * height).fill(UNSEEN);
  const line = new Float64Array(map.width + 1);
  for (let y = down.from; y < down.to; y++) {
    const above = down.first[y] * map.width;
    const below = Math.min(down.first[y] + 1, map.height - 1) * map.width;
    const share = down.share[y];
    for (let x = 0; x < map.width; x++) line[x] = cells[above + x] + (cells[below + x] - cells[above + x]) * share;
    line[map.width] = line[map.width - 1];
    const start = y * width;
    for (let x = across.from; x < across.to; x++) {
      const left = line[across.first[x]];
      const at = left + (line[across.first[x] + 1] - left) * across.share[x];
      shade[start + x] = beyond ? Math.min(Math.max(at, 0), top) : at;
    }
  }
  return shade;
}

// The map's value at a place of the picture, NaN outside the box.
function sampleMap(map, box, x, y, signed) {
  if (x < box[0] || x >= box[2] || y < box[1] || y >= box[3]) return NaN;
  return interpolate(map, (x - box[0]) / (box[2] - box[0]), (y - box[1]) / (box[3] - box[1]), signed);
}

// Between the middles of the cells; `across` and `down` go from 0 to 1 over the box.
function interpolate(map, across, down, signed) {
  const u = Math.min(Math.max(across * map.width - 0.5, 0), map.width - 1);
  const v = Math.min(Math.max(down * map.height - 0.5, 0), map.height - 1);
  const [x0, y0] = [Math.floor(u), Math.floor(v)];
  const [x1, y1] = [Math.min(x0 + 1, map.width - 1), Math.min(y0 + 1, map.height - 1)];
  const cell = (column, row) => {
    const value = map.values[row * map.width + column];
    return signed ? value : Math.max(value, 0);
  };
  const above = cell(x0, y0) + (cell(x1, y0) - cell(x0, y0)) * (u - x0);
  const below = cell(x0, y1) + (cell(x1, y1) - cell(x0, y1)) * (u - x0);
  return above + (below - above) * (v - y0);
}

// How strongly a shade speaks, 0…1: its place on the colour bar; in the signed view, its distance from the middle.
function measureStrength(shade, signed) {
  const level = shade / (SHARED.shades - 1);
  return signed ? Math.abs(2 * level - 1) : level;
}

// In which style a map is drawn: "auto" means one of the others, and a fine map has no contours.
function settleStyle(view, grey, painting) {
  const style = view.style === "auto" ? (grey ? "contours" : "fading") : view.style;
  return style === "contours" && painting === "fine" ? "fading" : style;
}

function chooseTable(view, style) {
  if (!view.signed) return view.colour_table;
  return style === "even" ? "diverging" : "parting";
}

// How much of the picture a shade covers where opacity is 1.
function findCover(shade, view, style) {
  const strength = measureStrength(shade, view.signed);
  if (style === "contours" || strength < view.threshold) return 0;
  return style === "even" ? 1 : strength;
}

// By how much a map that is nearly blank is drawn paler. One range for several maps, and the signed view, show by their
// colours how weak it is.
function weighStrength(view, strength) {
  return view.signed || view.scale === "shared" ? 1 : strength;
}

// By shade: its colour, what it leaves of a pixel, in 1/65536, and what it adds to it, in 1/65536 of a level.
function weighColours(view, style, weight) {
  const shades = SHADES[chooseTable(view, style)];
  const count = SHARED.shades;
  const cover = Float64Array.from({ length: count }, (_, i) => findCover(i, view, style) * view.opacity * weight);
  const keep = Int32Array.from(cover, (share) => Math.round((1 - share) * 65536));
  const channels = [0, 1, 2].map((c) =>
    Int32Array.from(cover, (share, i) => Math.round(shades[i * 3 + c] * share * 65536) + 32768),
  );
  return { shades, cover, keep, channels, isClear: cover.every((share) => share === 0) };
}

function blend(out, pixels, unseen, shade, { keep, channels: [red, green, blue] }) {
  for (let i = 0; i < out.length; i++) {
    const s = shade[i];
    if (s === UNSEEN) {
      out[i] = unseen[i];
      continue;
    }
    const pixel = pixels[i];
    const kept = keep[s];
    out[i] =
      0xff000000 |
      (((((pixel >> 16) & 255) * kept + blue[s]) >> 16) << 16) |
      (((((pixel >> 8) & 255) * kept + green[s]) >> 16) << 8) |
      (((pixel & 255) * kept + red[s]) >> 16);
  }
}

// The colours alone, for drawing over a picture in motion: as clear as they leave the picture.
function tint(out, shade, { shades, cover }) {
  const alpha = Uint32Array.from(cover, (share) => Math.round(share * 255) << 24);
  for (let i = 0; i < out.length; i++) {
    const s = shade[i];
    out[i] = s === UNSEEN ? 0 : alpha[s] | (shades[s * 3 + 2] << 16) | (shades[s * 3 + 1] << 8) | shades[s * 3];
  }
}

// What lies below a fine map: the picture in dim grey.
function quieten(pixels) {
  const quiet = new Uint32Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) {
    const level = (findGrey(pixels[i]) * SHARED.quiet) >> 8;
    quiet[i] = 0xff000000 | (level << 16) | (level << 8) | level;
  }
  return quiet;
}

function findGrey(pixel) {
  return (77 * (pixel & 255) + 150 * ((pixel >> 8) & 255) + 29 * ((pixel >> 16) & 255)) >> 8;
}

// Hatch lines lie at whole pixels of the picture, whatever part of it is on the screen.
function findHatch(size) {
  const period = Math.max(4, roundHalfEven(Math.max(size.width, size.height) / SHARED.hatches));
  return { period, thickness: Math.max(1, Math.floor(period / 5)) };
}

function markUnseen(pixels, frame, size) {
  const { width, height, visible } = frame;
  const { period, thickness } = findHatch(size);
  const { gain, lift, hatch } = SHARED.unseen;
  const step = visible.width / width;
  const columns = Int32Array.from({ length: width }, (_, x) => Math.floor(visible.x + (x + 0.5) * step));
  const marked = new Uint32Array(pixels.length);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(visible.y + ((y + 0.5) * visible.height) / height);
    for (let x = 0; x < width; x++) {
      const level = ((findGrey(pixels[y * width + x]) * gain) >> 8) + lift + ((columns[x] + row) % period < thickness ? hatch : 0);
      marked[y * width + x] = 0xff000000 | (level << 16) | (level << 8) | level;
    }
  }
  return marked;
}

function roundHalfEven(value) {
  const whole = Math.floor(value);
  return value - whole === 0.5 ? whole + (whole % 2) : Math.round(value);
}

// A share as per cent, as write_share of explain/percent.py writes it.
function formatShare(share) {
  if (share <= 0) return "0 %";
  if (share >= 1) return "100 %";
  if (share >= 0.01 && share <= 0.99) return `${(share * 100).toFixed(0)} %`;
  const written = (share * 100).toFixed(1);
  if (written === "0.0") return "under 0.1 %";
  return written === "100.0" ? "over 99.9 %" : `${written} %`;
}

function formatNumber(value) {
  const size = Math.abs(value);
  let text = size !== 0 && (size < 1e-4 || size >= 1000) ? value.toExponential(2) : value.toPrecision(3);
  if (size >= 1000 && size < 1e6) text = String(Math.round(Number(value.toPrecision(3))));
  if (text.includes(".")) text = text.replace(/\.?0+(?=e|$)/, "");
  return text.replace("e+", "e").replace(/-/g, "−");
}

// "the upper left", by thirds, as __init__.py names places; x and y go from 0 to 1.
function namePlace(x, y) {
  const third = (at) => Math.min(Math.max(Math.floor(at * 3), 0), 2);
  const across = ["left", "", "right"][third(x)];
  const down = ["upper", "", "lower"][third(y)];
  if (!across) return { upper: "the top", "": "the centre", lower: "the bottom" }[down];
  return `the ${down} ${across}`.replace("  ", " ");
}
