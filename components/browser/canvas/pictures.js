// Pictures as the browser keeps them: fetched once by content, with halvings for drawing them small.

const NATIVE_PIXELS = 1 << 19; // up to here a whole picture is always painted at its own resolution
const PIXELS_KEPT = 1 << 26;

const APP = new URL("..", import.meta.url); // where the app lies: this script is in its folder of files, as pictures are
const pictures = new Map();

// A decoded picture and its halvings, each made when first wanted.
class Picture {
  constructor(bitmap) {
    this.bitmap = bitmap;
    this.width = bitmap.width;
    this.height = bitmap.height;
    this.levels = [];
  }

  // The smallest level that still has a pixel for each of the screen's, were the whole picture that wide on it.
  chooseLevel(screenWidth) {
    if (this.width * this.height <= NATIVE_PIXELS) return 0;
    return Math.max(0, Math.floor(Math.log2(this.width / Math.max(screenWidth, 1))));
  }

  getLevel(number) {
    const [width, height] = [this.width, this.height].map((side) => Math.max(1, side >> number));
    this.levels[number] ??= new Level(this.bitmap, width, height);
    return this.levels[number];
  }
}

class Level {
  constructor(bitmap, width, height) {
    this.width = width;
    this.height = height;
    this.surface = bitmap;
    if (width < bitmap.width || height < bitmap.height) {
      this.surface = new OffscreenCanvas(width, height);
      const context = this.surface.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(bitmap, 0, 0, width, height);
    }
  }

  // Draw what `frame` shows of the picture, whose own size is `size`, over the whole of a surface.
  draw(context, frame, size, quality) {
    const { visible } = frame;
    const [across, down] = [this.width / size.width, this.height / size.height];
    context.imageSmoothingEnabled = frame.width < visible.width * across * 4; // beyond, the pixels themselves are shown
    context.imageSmoothingQuality = quality;
    context.drawImage(
      this.surface,
      ...[visible.x * across, visible.y * down, visible.width * across, visible.height * down],
      ...[0, 0, frame.width, frame.height],
    );
  }
}

function loadPicture({ url, key }) {
  let entry = pictures.get(key);
  pictures.delete(key);
  if (!entry) {
    entry = { size: 0 };
    entry.loading = fetch(new URL(url, APP))
      .then((answer) => (answer.ok ? answer.blob() : Promise.reject(new Error(`${answer.status}`))))
      .then((blob) => createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" }))
      .then((bitmap) => {
        entry.size = bitmap.width * bitmap.height;
        return new Picture(bitmap);
      });
    entry.loading.catch(() => pictures.delete(key));
  }
  pictures.set(key, entry);
  forgetOldest(key);
  return entry.loading;
}

function forgetOldest(kept) {
  let held = [...pictures.values()].reduce((sum, { size }) => sum + size, 0);
  for (const [key, { size }] of pictures) {
    if (held <= PIXELS_KEPT) return;
    if (key === kept) continue;
    pictures.delete(key);
    held -= size;
  }
}
