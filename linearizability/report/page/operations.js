// The operations of the record, by their place in the page. An operation is its place: a number from 0 on.

const record = JSON.parse(document.getElementById("record").textContent);

const KINDS = ["", "get", "put", "delete", "append", "transaction"];
const OUTCOMES = ["unknown", "done", "condition failed", "refused"];
const UNKNOWN = 0, FAILED = 2, REFUSED = 3;
const FAULT = 1, LEADER = 2, NOTE = 3;
const STRIPS = {[FAULT]: "faults", [LEADER]: "leader", [NOTE]: "notes"};

const cols = record.ops;
const count = cols.index.length;
const starts = Float64Array.from(cols.invoke);
const ends = Float64Array.from(cols.length, (length, p) => length < 0 ? Infinity : cols.invoke[p] + length);
const places = new Map(); // index in the history -> place in the page
cols.index.forEach((index, p) => places.set(index, p));
const inTime = Uint32Array.from({length: count}, (_, p) => p).sort((a, b) => starts[a] - starts[b] || a - b);

const pins = new Map(); // place -> [{card, number}]
record.cards.forEach((card, c) => card.ops.slice(0, card.focus).forEach((index, n) => {
  const p = places.get(index);
  pins.set(p, [...(pins.get(p) || []), {card: c + 1, number: n + 1}]);
}));

const isRead = p => cols.readOnly[p] === 1; // it could not write
const callOf = p => record.strings[cols.call[p]];
const resultOf = p => record.strings[cols.result[p]];
const clientOf = p => record.clients[cols.client[p]];
const keyOf = p => record.keys[cols.key[p]];
const whereOf = p => (keyOf(p).group ? "" : "key ") + cut(keyOf(p).name, 80);
const shortOf = p => isRead(p)
  ? callOf(p) + (cols.outcome[p] === 1 ? " → " + resultOf(p) : " " + OUTCOMES[cols.outcome[p]])
  : callOf(p) + (cols.outcome[p] === UNKNOWN ? " ?" : cols.outcome[p] === FAILED ? " ≠" : cols.outcome[p] === REFUSED ? " ✕" : "");

function classOf(p) {
  const kind = isRead(p) ? "read" : cols.kind[p] === 3 ? "delete" : "write";
  return kind + (["  unknown", "", " failed", " refused"][cols.outcome[p]] || "");
}
