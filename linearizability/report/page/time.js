// Times as text: nanoseconds from the first invocation, or places in a record that has no clock.

const number = (value, decimals) => value.toLocaleString("en-US", {minimumFractionDigits: decimals, maximumFractionDigits: decimals});
const amount = value => value.toLocaleString("en-US");
const UNITS = [["ns", 1], ["µs", 1e3], ["ms", 1e6], ["s", 1e9]];

// exact writes a time to the nanosecond, without zeros at its end.
function exact(t) {
  if (!isFinite(t)) return "never";
  if (record.untimed) return "#" + amount(Math.round(t));
  const [unit, per] = UNITS[Math.abs(t) >= 1e10 ? 3 : Math.abs(t) >= 1e6 ? 2 : Math.abs(t) >= 1e3 ? 1 : 0];
  return (t / per).toLocaleString("en-US", {maximumFractionDigits: Math.round(Math.log10(per))}) + " " + unit;
}

// lasted writes a length of time to the nanosecond, rough to three digits.
const lasted = t => record.untimed ? inPlaces(t) : exact(t);
const inPlaces = n => amount(n) + (n === 1 ? " place" : " places");
function rough(t) {
  if (record.untimed) return inPlaces(t);
  const [unit, per] = UNITS.findLast(([, per]) => Math.abs(t) >= per) || UNITS[0];
  return (t / per).toLocaleString("en-US", {maximumSignificantDigits: 3}) + " " + unit;
}

// ticks returns round times between two, about one for each gap of pixels, with their texts: all in the unit that suits the largest.
function ticks(from, to, pixels, gap) {
  const raw = Math.max((to - from) / Math.max(pixels / gap, 1), 1);
  const ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find(m => m * ten >= raw) * ten;
  const [unit, per] = UNITS.findLast(([, per]) => Math.max(Math.abs(from), Math.abs(to)) >= per) || UNITS[0];
  const decimals = Math.max(0, Math.round(Math.log10(per / ten))), list = [];
  for (let i = Math.max(Math.ceil(from / step), record.untimed ? 1 : -Infinity); i * step <= to && list.length < 200; i++) {
    list.push({t: i * step, text: record.untimed ? exact(i * step) : number(i * step / per + 0, step >= per ? 0 : step === 10 * ten ? decimals - 1 : decimals) + " " + unit});
  }
  return list;
}
