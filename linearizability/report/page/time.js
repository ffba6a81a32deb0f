// Times, in nanoseconds from the first invocation, as text.

const number = (value, decimals) => value.toLocaleString("en-US", {minimumFractionDigits: decimals, maximumFractionDigits: decimals});
const amount = value => value.toLocaleString("en-US");
const UNITS = [["ns", 1], ["µs", 1e3], ["ms", 1e6], ["s", 1e9]];

// exact writes a time to the nanosecond, without zeros at its end.
function exact(t) {
  if (!isFinite(t)) return "never";
  const [unit, per] = UNITS[Math.abs(t) >= 1e6 ? 2 : Math.abs(t) >= 1e3 ? 1 : 0];
  return (t / per).toLocaleString("en-US", {maximumFractionDigits: Math.round(Math.log10(per))}) + " " + unit;
}

// rough writes a length of time to three digits.
function rough(t) {
  const [unit, per] = UNITS.findLast(([, per]) => Math.abs(t) >= per) || UNITS[0];
  return (t / per).toLocaleString("en-US", {maximumSignificantDigits: 3}) + " " + unit;
}

// ticks returns round times between two, about one for each gap of pixels, with their texts.
function ticks(from, to, pixels, gap) {
  const raw = Math.max((to - from) / Math.max(pixels / gap, 1), 1);
  const ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find(m => m * ten >= raw) * ten;
  const [unit, per] = UNITS.findLast(([, per]) => step >= per && (per < 1e9 || step >= 1e9)) || UNITS[0];
  const list = [];
  for (let i = Math.ceil(from / step); i * step <= to && list.length < 200; i++) {
    list.push({t: i * step, text: number(i * step / per + 0, step < per ? 1 : 0) + " " + unit});
  }
  return list;
}
