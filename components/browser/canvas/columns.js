// In how many columns the panes of a row stand.

const NARROWEST = 165; // CSS pixels of a pane: two still stand side by side on a phone
const COMFORTABLE = 260; // and of one in which a map is read with ease
const GAP = 16;

// A row alone has panes as large as two lines of them allow, but no larger than comfortable where they all fit one
// line; the more panes, the smaller, and never larger again. Of several rows each takes one line while there is room,
// so that what is compared stands below each other. The picture leads: where its row wraps it stands beside two lines.
function chooseColumns(count, width, leading, several) {
  const fit = (narrowest) => Math.max(1, Math.floor((width + GAP) / (narrowest + GAP)));
  const most = Math.min(count, fit(NARROWEST));
  if (several) return most;
  const room = (columns) => 2 * (leading && columns > 1 ? columns - 1 : columns);
  const maps = leading ? count - 1 : count;
  let columns = Math.min(most, Math.max(2, fit(COMFORTABLE)));
  while (columns < most && room(columns) < maps) columns += 1;
  return columns;
}
