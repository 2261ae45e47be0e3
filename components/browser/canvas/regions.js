// What lies inside an outline, as explain/pictures/region.py counts it, and lines of equal value.

function measureGrid({ width, height }) {
  const longest = Math.max(width, height);
  const count = (side) => Math.max(1, Math.floor((SHARED.samples * side) / longest + 0.5));
  return { columns: count(width), rows: count(height) };
}

// The runs of samples inside a polygon, by the even-odd rule: calls visit(row, first, end) for each.
function visitInside(polygon, size, visit) {
  const { columns, rows } = measureGrid(size);
  const clampColumn = (x) => Math.min(Math.max(Math.ceil((x * columns) / size.width - 0.5), 0), columns);
  for (let row = 0; row < rows; row++) {
    const y = ((row + 0.5) * size.height) / rows;
    const crossings = [];
    polygon.forEach(([x1, y1], index) => {
      const [x2, y2] = polygon[(index + 1) % polygon.length];
      if (y1 <= y !== y2 <= y) crossings.push(x1 + ((y - y1) * (x2 - x1)) / (y2 - y1));
    });
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const [first, end] = [clampColumn(crossings[i]), clampColumn(crossings[i + 1])];
      if (end > first) visit(row, first, end);
    }
  }
}

// A map's positive part at the samples, summed from the left, so that a run of them costs one subtraction.
class Sums {
  constructor(map, box, size) {
    this.size = size;
    const { columns, rows } = measureGrid(size);
    const across = spread(columns, (box[0] * columns) / size.width, (box[2] * columns) / size.width, map.width);
    const down = spread(rows, (box[1] * rows) / size.height, (box[3] * rows) / size.height, map.height);
    this.stride = columns + 1;
    this.sums = new Float64Array(rows * this.stride);
    this.total = 0;
    const cells = map.values.map((value) => Math.max(value, 0));
    const line = new Float64Array(map.width + 1);
    for (let y = down.from; y < down.to; y++) {
      const above = down.first[y] * map.width;
      const below = Math.min(down.first[y] + 1, map.height - 1) * map.width;
      for (let x = 0; x < map.width; x++) {
        line[x] = cells[above + x] + (cells[below + x] - cells[above + x]) * down.share[y];
      }
      line[map.width] = line[map.width - 1];
      let sum = 0;
      for (let x = 0; x < columns; x++) {
        if (x >= across.from && x < across.to) {
          const left = line[across.first[x]];
          sum += left + (line[across.first[x] + 1] - left) * across.share[x];
        }
        this.sums[y * this.stride + x + 1] = sum;
      }
      this.total += sum;
    }
  }

  // The share inside a polygon, 0…1; null where nothing is above zero.
  getShare(polygon, size) {
    if (!(this.total > 0)) return null;
    let sum = 0;
    visitInside(polygon, size, (row, first, end) => {
      sum += this.sums[row * this.stride + end] - this.sums[row * this.stride + first];
    });
    return sum / this.total;
  }
}

function measureArea(polygon, size) {
  const { columns, rows } = measureGrid(size);
  let count = 0;
  visitInside(polygon, size, (row, first, end) => {
    count += end - first;
  });
  return count / (columns * rows);
}

function isInside([x, y], polygon) {
  let inside = false;
  polygon.forEach(([x1, y1], index) => {
    const [x2, y2] = polygon[(index + 1) % polygon.length];
    if (y1 <= y !== y2 <= y && x >= x1 + ((y - y1) * (x2 - x1)) / (y2 - y1)) inside = !inside;
  });
  return inside;
}

function findPeak(map, box) {
  const index = map.values.indexOf(map.highest);
  const [row, column] = [Math.floor(index / map.width), index % map.width];
  return [
    box[0] + ((column + 0.5) * (box[2] - box[0])) / map.width,
    box[1] + ((row + 0.5) * (box[3] - box[1])) / map.height,
  ];
}

// Lines of equal value as SVG paths in the picture's pixels, by marching squares between up to 64 nodes a side.
function drawContours(map, box, thresholds, signed) {
  const count = (cells) => Math.min(Math.max(cells * 8, 32), 64) + 1;
  const [across, down] = [count(map.width), count(map.height)];
  const [stepX, stepY] = [(box[2] - box[0]) / (across - 1), (box[3] - box[1]) / (down - 1)];
  const nodes = new Float64Array(across * down);
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      nodes[y * across + x] = interpolate(map, x / (across - 1), y / (down - 1), signed);
    }
  }
  return thresholds.map((threshold) => {
    const path = [];
    const cross = (x1, y1, x2, y2) => {
      const [a, b] = [nodes[y1 * across + x1], nodes[y2 * across + x2]];
      const share = (threshold - a) / (b - a);
      const at = (from, to, start, step) => (start + (from + (to - from) * share) * step).toFixed(2);
      return `${at(x1, x2, box[0], stepX)} ${at(y1, y2, box[1], stepY)}`;
    };
    for (let y = 0; y + 1 < down; y++) {
      for (let x = 0; x + 1 < across; x++) {
        const corners = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]];
        const above = corners.map(([i, j]) => nodes[j * across + i] >= threshold);
        const ends = [];
        for (let edge = 0; edge < 4; edge++) {
          const next = (edge + 1) % 4;
          if (above[edge] !== above[next]) ends.push(cross(...corners[edge], ...corners[next]));
        }
        for (let i = 0; i + 1 < ends.length; i += 2) path.push(`M${ends[i]}L${ends[i + 1]}`);
      }
    }
    return path.join("");
  });
}
