// Marks on the lanes of nodes: lives, disk, snapshots, what raft says, what was applied.

class Marks {
  constructor(painter) { Object.assign(this, {p: painter, v: painter.v, paint: painter.paint}); }

  draw(g) {
    this.covered = new Map(); // of each kind of mark on each lane, the pixel that is drawn already
    this.free = new Map();    // of each lane, where the last label ends
    const [from, past] = this.p.range, {passes} = this.v.filters;
    const by = {[K.disk]: this.disk, [K.snapshot]: this.snapshot, [K.raft]: this.raft, [K.apply]: this.apply, [K.start]: this.begins, [K.crash]: this.ends, [K.exit]: this.ends};
    this.p.clip(g, () => {
      for (let i = from; i < past; i++) {
        const act = by[kind[i]];
        if (act && passes[i] && node[i] <= record.nodes) act.call(this, g, i, this.v.x(at[i]), this.v.lanes.nodeTop(node[i]));
      }
    });
  }

  // isCovered says that a mark of this kind is on this pixel already: then another would not be seen.
  isCovered(i, group, x) {
    const key = node[i] + group, pixel = Math.floor(x);
    if (this.covered.get(key) === pixel) return true;
    this.covered.set(key, pixel);
    return false;
  }

  hit(i, x, y, reach) { this.p.hits.push({x0: x - reach, x1: x + reach, y0: y - reach, y1: y + reach, i}); }

  // disk draws a write as a short tick, a sync as a long one, all else as a tick of another colour.
  disk(g, i, x, top) {
    const what = whatOf(i), group = what === "write" ? "w" : what === "sync" || what === "syncdir" ? "s" : "o", y = top + DISK_TOP;
    if (this.isCovered(i, group, x)) return;
    this.hit(i, x, y + DISK / 2, 3.5);
    g.fillStyle = this.paint[{w: "disk", s: "sync", o: "disk-other"}[group]];
    if (group === "w") g.fillRect(x - .6, y + 4, 1.2, DISK - 4);
    else if (group === "s") g.fillRect(x - .8, y, 1.6, DISK);
    else g.fillRect(x - .6, y + 1, 1.2, DISK - 3);
    if (group !== "s" || this.v.grain() > 400_000) return;
    g.beginPath();
    g.arc(x, y + 1.5, 2, 0, 7);
    g.fill();
  }

  snapshot(g, i, x, top) {
    const y = top + DISK_TOP + DISK / 2;
    if (this.isCovered(i, "snapshot", x)) return;
    this.hit(i, x, y, 6);
    g.fillStyle = this.paint.snapshot;
    g.beginPath();
    for (const [a, b] of [[0, -6], [6, 0], [0, 6], [-6, 0]]) g.lineTo(x + a, y + b);
    g.fill();
    const label = whatOf(i) + " " + amount(numberOf(i, "index")), free = this.free.get(node[i]) || 0;
    if (this.v.grain() > 3e6 || x < free) return;
    this.p.text(g, label, x + 8, y + 4, this.paint.snapshot, "600 10px " + this.paint.sans);
    this.free.set(node[i], x + 14 + label.length * 5.6);
  }

  raft(g, i, x, top) {
    if (this.isCovered(i, "raft", x)) return;
    this.hit(i, x, top + 3, 3);
    g.fillStyle = this.paint.soft;
    g.fillRect(x - 1, top + 2, 2, 2);
  }

  apply(g, i, x, top) {
    if (this.isCovered(i, "apply", x)) return;
    g.fillStyle = this.paint.ink;
    g.globalAlpha = .55;
    g.fillRect(x - .5, top + BAR_TOP + BAR - 4, 1, 4);
    g.globalAlpha = 1;
    this.hit(i, x, top + BAR_TOP + BAR - 2, 3);
  }

  begins(g, i, x, top) {
    g.fillStyle = this.paint.good;
    g.beginPath();
    for (const [a, b] of [[0, -1], [10, BAR / 2], [0, BAR + 1]]) g.lineTo(x + a, top + BAR_TOP + b);
    g.fill();
    this.hit(i, x + 4, top + BAR_TOP + BAR / 2, 8);
  }

  ends(g, i, x, top) {
    const y = top + BAR_TOP + BAR / 2;
    g.strokeStyle = this.paint.surface;
    for (const [colour, wide] of [[this.paint.surface, 5], [kind[i] === K.crash ? this.paint.bad : this.paint.open, 2.5]]) {
      g.strokeStyle = colour;
      g.lineWidth = wide;
      g.beginPath();
      for (const side of [1, -1]) { g.moveTo(x - 5, y - 5 * side); g.lineTo(x + 5, y + 5 * side); }
      g.stroke();
    }
    this.hit(i, x, y, 8);
  }
}
