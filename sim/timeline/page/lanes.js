// Lanes: where nodes and clients are drawn, from top to bottom.

const NODE_LEAST = 44, NODE_MOST = 78, ROW_LEAST = 9, ROW_MOST = 14, CLIENT_GAP = 3;
const FAULTS_HIGH = 62, FAULT_LEAST = 4, FAULT_MOST = 12;
const BAR = 14, TERM = 3, BAR_TOP = 6; // the bar of a node within its lane: role, and under it the term
const DISK_TOP = BAR_TOP + BAR + TERM + 3, DISK = 9;

class Lanes {
  constructor() {
    this.clients = Array.from({length: record.clients}, (_, i) => ({client: i + 1, rows: []}));
    for (const o of [...operations].sort((a, b) => a.from - b.from || a.place - b.place)) if (this.clients[o.client - 1]) this.seat(this.clients[o.client - 1].rows, o);
    this.packFaults();
  }

  // seat puts an operation into the first row of its client that is free. One that never returned gives way to the next.
  seat(rows, o) {
    let r = rows.findIndex(row => row.busy <= o.from);
    if (r < 0) r = rows.push({ops: [], busy: 0, number: rows.length}) - 1;
    const row = rows[r], before = row.ops.at(-1);
    if (before && before.to === Infinity) before.shown = o.from;
    o.row = r;
    o.shown = o.to;
    row.ops.push(o);
    row.busy = o.to === Infinity ? o.from + 2e9 : o.to;
  }

  // packFaults gives each fault the first row that is free all its time.
  packFaults() {
    const busy = [];
    for (const f of faults) {
      let r = busy.findIndex(until => until <= f.at);
      if (r < 0) r = busy.push(0) - 1;
      f.row = r;
      busy[r] = Math.max(Math.min(f.end, end), f.at + end / 400);
    }
    this.faultsHigh = faults.length === 0 ? 4 : Math.max(busy.length * FAULT_LEAST, Math.min(busy.length * FAULT_MOST, FAULTS_HIGH)) + 4;
  }

  // faultRows returns the rows that have faults in a stretch, with their heights: the fewer, the more room each has.
  faultRows(from, to) {
    const rows = [...new Set(faults.filter(f => f.at <= to && f.end >= from).map(f => f.row))].sort((a, b) => a - b);
    return {of: new Map(rows.map((row, place) => [row, place])), high: Math.min(FAULT_MOST, Math.floor((this.faultsHigh - 4) / Math.max(rows.length, 1)))};
  }

  // use finds the rows of a client that have calls in a stretch: the others take no room.
  use(c, from, to) {
    c.used = c.rows.filter(row => row.ops.some(o => o.from <= to && o.shown >= from));
    c.places = new Map(c.used.map((row, place) => [row.number, place]));
    return Math.max(c.used.length, 1);
  }

  // layOut spreads the lanes over a height for a stretch of time, and returns how high they are in all. Nodes keep their place.
  layOut(high, from, to) {
    const rows = this.clients.reduce((sum, c) => sum + this.use(c, from, to), 0), gaps = this.clients.length * CLIENT_GAP + 8;
    this.rowHigh = Math.max(ROW_LEAST, Math.min(ROW_MOST, Math.floor((high - gaps - record.nodes * NODE_LEAST) / rows)));
    this.nodeHigh = Math.max(NODE_LEAST, Math.min(NODE_MOST, Math.floor((high - gaps - this.clients.length * 2 * ROW_MOST) / record.nodes)));
    this.clientsTop = record.nodes * this.nodeHigh + 4;
    let top = this.clientsTop + 2;
    for (const c of this.clients) {
      c.top = top;
      top += this.clientHigh(c) + CLIENT_GAP;
    }
    return this.total = top;
  }

  nodeTop(n) { return (n - 1) * this.nodeHigh; }
  clientTop(c) { return this.clients[c - 1] ? this.clients[c - 1].top : 0; }
  rowTop(o) { return this.clientTop(o.client) + (this.clients[o.client - 1].places.get(o.row) || 0) * this.rowHigh; }
  clientHigh(c) { return Math.max(Math.max(c.used.length, 1) * this.rowHigh, 12); }
  // anchor is where messages between two nodes touch the bar of the first.
  anchor(n, other) { return this.nodeTop(n) + (other > n ? BAR_TOP + BAR + TERM : BAR_TOP); }
  // of returns what is at a height: a node or a client.
  of(y) {
    if (y < 0) return {};
    if (y < this.clientsTop) return {node: Math.min(record.nodes, Math.floor(y / this.nodeHigh) + 1)};
    const c = this.clients.findLast(c => c.top <= y);
    return c ? {client: c.client} : {};
  }
}
