// Times as text: nanoseconds of simulated time.

const UNITS = [["ns", 1], ["µs", 1e3], ["ms", 1e6], ["s", 1e9]];

// stamp writes a moment to the microsecond, as the trace does but in seconds.
const stamp = t => (t / 1e9).toFixed(6) + " s";

// rough writes a length of time to three digits.
function rough(t) {
  const [unit, per] = UNITS.findLast(([, per]) => Math.abs(t) >= per) || UNITS[0];
  return (t / per).toLocaleString("en-US", {maximumSignificantDigits: 3}) + " " + unit;
}

// moment writes a moment no finer than the view tells apart.
function moment(t, length) {
  const decimals = Math.min(9, Math.max(1, 3 - Math.floor(Math.log10(length / 1e9))));
  return (t / 1e9).toFixed(decimals) + " s";
}

// parseTime reads "12.4s", "300ms" or "12.4", which are seconds; NaN if it is none.
function parseTime(text) {
  const found = /^\s*(\d+(?:\.\d*)?|\.\d+)\s*(ns|us|µs|ms|s|)\s*$/.exec(text);
  if (!found) return NaN;
  const unit = found[2] === "us" ? "µs" : found[2] || "s";
  return parseFloat(found[1]) * UNITS.find(([name]) => name === unit)[1];
}

// ticks returns round times between two, about one for each gap of pixels.
function ticks(from, to, pixels, gap) {
  const raw = Math.max((to - from) / Math.max(pixels / gap, 1), 1), ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find(m => m * ten >= raw) * ten, decimals = Math.max(0, 9 - Math.floor(Math.log10(step))), list = [];
  for (let i = Math.ceil(Math.max(from, 0) / step); i * step <= to && list.length < 200; i++) list.push({t: i * step, text: (i * step / 1e9).toFixed(decimals) + " s"});
  return list;
}
