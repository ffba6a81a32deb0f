// The life: its events, by their place from 0 on, and what joins them.

const life = await unpack();
const {record, count, at, kind, node, peer, client, what, first, numbers, ofKind} = life;
const end = Math.max(count ? at[count - 1] : 0, 1);

const K = Object.fromEntries(record.kinds.map(({name}, k) => [name, k]));
const places = record.kinds.map(({fields}) => new Map(fields.map((name, f) => [name, f])));
const whatOf = i => record.strings[what[i]];
const textOf = i => record.strings[life.text[i]];

// numberOf returns a number of an event by name. A negative one stands for a large number, which plainOf writes
// as the trace does, and bigOf as people compare it.
function numberOf(i, name) {
  const f = places[kind[i]].get(name);
  return f === undefined ? 0 : numbers[first[i] + f];
}
const plainOf = n => n < 0 ? BigInt("0x" + record.big[-1 - n]) : n;
const bigOf = n => n < 0 ? record.big[-1 - n] : amount(n);

// placeAt returns the first event at a time or later.
function placeAt(t) {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle] < t) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Messages: each arrival with what was sent, and each sending of which nothing arrived.
const ARRIVED = 0, LOST = 1, GONE = 2;
const partner = new Int32Array(count).fill(-1); // of a sending its first arrival, of an arrival or a loss its sending
const messages = (() => {
  const sent = new Map(), list = [], lost = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    if (kind[i] === K.send) sent.set(numberOf(i, "packet"), i);
    if (kind[i] !== K.receive && kind[i] !== K.lose) continue;
    const from = sent.get(numberOf(i, "packet"));
    if (from === undefined) continue;
    partner[i] = from;
    if (partner[from] < 0) partner[from] = i;
    if (kind[i] === K.lose) lost[from] = 1;
    else list.push({send: from, arrive: i, fate: ARRIVED, again: partner[from] !== i}); // again: a copy that comes later
  }
  for (const i of ofKind[K.send]) if (partner[i] < 0 || lost[i]) list.push({send: i, arrive: -1, fate: lost[i] ? LOST : GONE});
  return list.sort((a, b) => a.send - b.send || a.arrive - b.arrive);
})();
const slowest = messages.reduce((most, m) => m.arrive < 0 ? most : Math.max(most, at[m.arrive] - at[m.send]), 0);

// Operations: which one an event belongs to, -1 if to none.
const operations = record.operations;
const operationOf = new Int32Array(count).fill(-1);
{
  const open = new Map();
  let next = 0;
  for (let i = 0; i < count; i++) {
    if (kind[i] === K.invoke) open.set(numberOf(i, "operation"), next++);
    if (kind[i] >= K.invoke && kind[i] <= K.return) operationOf[i] = open.get(numberOf(i, "operation")) ?? -1;
  }
}
operations.forEach((o, p) => Object.assign(o, {place: p, from: at[o.invoke], to: o.return < 0 ? Infinity : at[o.return], pins: []}));
record.contradictions.forEach((c, n) => c.operations.forEach((p, m) => operations[p].pins.push({contradiction: n, number: m + 1})));

const faults = record.faults;
faults.forEach((f, n) => Object.assign(f, {number: n, at: at[f.from], end: f.to >= 0 ? at[f.to] : f.until > 0 ? f.until : Infinity}));
const failure = record.failure;
const failed = failure && failure.event >= 0 ? failure.event : failure ? Math.max(0, Math.min(count - 1, placeAt(failure.at))) : -1;
