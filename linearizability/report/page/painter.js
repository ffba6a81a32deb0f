// Draws the timeline on its three canvases: the overview, the axis with its bands, and the lanes.

class Painter {
  constructor(timeline) {
    this.t = timeline;
    this.density = null; // operations that match, by pixel of the overview; null: to be counted
    const {from, to} = timeline.full;
    this.faults = strips(FAULT, from, to, 3);
    this.bands = [...strips(NOTE, from, to, 1), ...strips(LEADER, from, to, 1), ...this.faults];
    this.mix();
  }

  // mix takes the colours from the style sheet, which knows the scheme.
  mix() {
    const style = getComputedStyle(document.documentElement), names = ["surface", "ink", "soft", "rule", "line", "bad", "focus", "read", "read-ground", "write", "write-ink", "delete", "dead", "fault", "leader", "accent", "mono", "sans"];
    this.paint = Object.fromEntries(names.map(name => [name, style.getPropertyValue("--" + name).trim()]));
  }

  draw(seen) {
    this.drawOverview();
    this.drawAxis();
    this.drawLanes(seen);
  }

  // prepare sizes a canvas for the screen's pixels and clears it.
  prepare(canvas, height) {
    const ratio = devicePixelRatio || 1, wide = this.t.wide, size = [Math.round(wide * ratio), Math.round(height * ratio)];
    if (canvas.width !== size[0] || canvas.height !== size[1]) {
      [canvas.width, canvas.height] = size;
      canvas.style.height = height + "px";
    }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = this.paint.surface;
    g.fillRect(0, 0, wide, height);
    return g;
  }

  name(g, text, y) {
    g.font = "11.5px " + this.paint.sans;
    g.textAlign = "right";
    g.fillStyle = this.paint.soft;
    g.fillText(text, this.t.gutter() - 10, y);
    g.textAlign = "left";
  }

  clip(g, height) {
    g.save();
    g.beginPath();
    g.rect(this.t.gutter(), 0, this.t.width(), height);
    g.clip();
  }

  drawOverview() {
    const height = 44, g = this.prepare(this.t.overview, height), left = this.t.gutter(), wide = this.t.width(), {from, to} = this.t.full;
    const place = t => left + (Math.min(Math.max(t, from), to) - from) / (to - from) * wide;
    g.fillStyle = this.paint.fault;
    g.globalAlpha = .18;
    this.faults.flat().forEach(mark => g.fillRect(place(mark.from), 4, Math.max(1, place(mark.to) - place(mark.from)), height - 8));
    g.globalAlpha = 1;
    this.drawDensity(g, place, left, wide, height);
    g.fillStyle = this.paint.bad;
    for (const p of pins.keys()) if (this.t.matched[p]) {
      g.fillRect(place(starts[p]) - 1, 6, 2, height - 12);
      g.beginPath();
      g.arc(place(starts[p]), 6, 3.5, 0, 7);
      g.fill();
    }
    this.drawView(g, place(this.t.from), place(this.t.to), left, wide, height);
    this.name(g, "overview", height / 2 + 4);
  }

  drawDensity(g, place, left, wide, height) {
    const bins = Math.ceil(wide / 2);
    if (!this.density || this.density.length !== bins) {
      this.density = new Float64Array(bins);
      for (let p = 0; p < count; p++) if (this.t.matched[p]) this.density[Math.min(bins - 1, Math.floor((place(starts[p]) - left) / 2))]++;
    }
    const most = this.density.reduce((a, b) => Math.max(a, b), 1);
    g.fillStyle = this.paint.line;
    this.density.forEach((n, i) => {
      const tall = 3 + 25 * Math.sqrt(n / most);
      if (n) g.fillRect(left + i * 2, height - 6 - tall, 1.5, tall);
    });
  }

  // drawView frames the part of the overview that is in view.
  drawView(g, a, b, left, wide, height) {
    if (b - a > wide - 2) return;
    g.fillStyle = this.paint.surface;
    g.globalAlpha = .62;
    g.fillRect(left, 0, a - left, height);
    g.fillRect(b, 0, left + wide - b, height);
    g.globalAlpha = 1;
    g.strokeStyle = this.paint.accent;
    g.lineWidth = 1.5;
    g.strokeRect(a, 1, Math.max(3, b - a), height - 2);
  }

  drawAxis() {
    const height = 24 + this.bands.length * 16, g = this.prepare(this.t.axis, height);
    this.bands.forEach((row, r) => { if (r === 0 || this.bands[r - 1][0].kind !== row[0].kind) this.name(g, STRIPS[row[0].kind], 14 + r * 16); });
    this.clip(g, height);
    this.bands.forEach((row, r) => row.forEach((mark, i) => this.drawBand(g, mark, i % 2, 3 + r * 16)));
    g.restore();
    g.fillStyle = this.paint.soft;
    g.textAlign = "center";
    for (const tick of this.ticks()) {
      const at = this.t.x(tick.t);
      if (at > this.t.gutter() + 8 && at < this.t.right() - 24) g.fillText(tick.text, at, height - 8);
      g.fillRect(at, height - 4, 1, 4);
    }
  }

  ticks() { return ticks(this.t.from, this.t.to, this.t.width(), 120); }

  drawBand(g, mark, isOdd, above) {
    if (mark.to < this.t.from || mark.from > this.t.to) return;
    const a = Math.max(this.t.gutter(), this.t.x(mark.from)), b = Math.min(this.t.right(), this.t.x(mark.to)), isFault = mark.kind === FAULT;
    g.fillStyle = isFault ? this.paint.fault : this.paint.leader;
    g.globalAlpha = isFault ? .3 : isOdd ? .42 : .24;
    g.fillRect(a, above, Math.max(1.5, b - a - 1), 13);
    g.globalAlpha = 1;
    g.fillStyle = this.paint.ink;
    if (b - a > 30) g.fillText(cut(markText(mark), (b - a - 8) / 6), a + 4, above + 10.5);
  }

  drawLanes(seen) {
    const t = this.t, g = this.prepare(t.canvas, seen), high = t.rowHeight();
    const first = Math.max(0, Math.floor(t.scrolled / high) - 1), past = Math.min(t.rows.length, Math.ceil((t.scrolled + seen) / high) + 1);
    t.drawn = 0;
    this.drawNames(g, first, past, high);
    this.clip(g, seen);
    this.drawBehind(g, seen);
    g.font = `${high > 18 ? 11.5 : 10}px ${this.paint.mono}`;
    const above = []; // drawn last, so that nothing hides it
    for (let r = first; r < past; r++) this.drawLane(g, r, high - 5, above);
    above.forEach(bar => this.drawPinned(g, bar));
    g.restore();
    if (t.rows.length === 0) {
      g.fillStyle = this.paint.soft;
      g.font = "14px " + this.paint.sans;
      g.fillText("No operation matches the filters.", t.gutter(), 34);
    }
  }

  drawNames(g, first, past, high) {
    for (let r = first; r < past; r++) {
      const {client} = this.t.rows[r], top = this.t.rowTop(r);
      g.fillStyle = this.paint.rule;
      g.fillRect(this.t.gutter(), top + high, this.t.width(), .5);
      if (r === first || this.t.rows[r - 1].client !== client) this.name(g, cut(record.clients[client], (this.t.gutter() - 14) / 6.3), top + high / 2 + 4);
    }
  }

  drawBehind(g, seen) {
    const {t} = this;
    g.fillStyle = this.paint.fault;
    g.globalAlpha = .1;
    for (const mark of this.faults.flat()) if (mark.to >= t.from && mark.from <= t.to) {
      const a = Math.max(t.gutter(), t.x(mark.from));
      g.fillRect(a, 0, Math.min(t.right(), t.x(mark.to)) - a, seen);
    }
    g.globalAlpha = 1;
    g.fillStyle = this.paint.rule;
    for (const tick of this.ticks()) g.fillRect(t.x(tick.t), 0, .7, seen);
  }

  // drawLane draws the operations of a lane that are in view. A bar that ends under a pixel that is drawn already is left out, so that
  // a lane costs no more than it has pixels.
  drawLane(g, r, high, above) {
    const {t} = this, top = t.rowTop(r);
    let covered = -1;
    for (const p of t.rows[r].ops) {
      if (starts[p] > t.to) break;
      if (t.endOf(p) < t.from) continue;
      t.drawn++;
      const a = t.x(starts[p]), b = Math.max(a + 1.5, Math.min(t.right() + 20, t.x(Math.min(t.endOf(p), t.to + (t.to - t.from)))));
      const bar = {p, top, high, a, b, from: Math.max(a, t.gutter() - 4)};
      if (pins.has(p) || p === t.selected) {
        above.push(bar);
      } else if (b > covered) {
        covered = b;
        this.drawBar(g, bar);
      }
    }
  }

  drawBar(g, bar) {
    const {p, top, high, a, b, from} = bar, outcome = cols.outcome[p], reads = isRead(p), wide = b - from;
    const hue = outcome === REFUSED ? this.paint.dead : this.paint[reads ? "read" : cols.kind[p] === 3 ? "delete" : "write"];
    const isFull = !reads && outcome === 1;
    if (outcome === UNKNOWN && wide > 3) {
      g.fillStyle = g.createLinearGradient(a, 0, b, 0);
      g.fillStyle.addColorStop(0, hue);
      g.fillStyle.addColorStop(1, "transparent");
      g.globalAlpha = .6;
      g.fillRect(from, top, wide, high);
      g.globalAlpha = 1;
    } else {
      g.fillStyle = isFull || wide < 4 ? hue : this.paint[outcome === 1 ? "read-ground" : "surface"];
      g.fillRect(from, top, wide, high);
      if (!isFull && wide >= 4) this.outline(g, bar, hue);
    }
    this.label(g, bar, isFull ? this.paint["write-ink"] : this.paint.ink);
    this.place(g, bar);
  }

  outline(g, {p, top, high, b, from}, hue) {
    g.strokeStyle = hue;
    g.lineWidth = 1;
    g.setLineDash(cols.outcome[p] === FAILED ? [4, 2.5] : cols.outcome[p] === REFUSED ? [2, 3] : []);
    g.strokeRect(from + .5, top + .5, b - from - 1, high - 1);
    g.setLineDash([]);
  }

  label(g, {p, top, high, b, from}, ink) {
    const inset = pins.has(p) ? 10 : 4, isTall = high > 14;
    if (b - from < 20) return;
    const text = fitting(p, (b - from - inset - 4) / (isTall ? 6.95 : 6.05));
    g.fillStyle = ink;
    if (text) g.fillText(text, from + inset, top + high - (isTall ? 4.5 : 2));
  }

  // place writes the place of an operation in the chosen order.
  place(g, {p, top, b, from}) {
    const {order} = this.t, at = order && order.at.get(cols.index[p]), isBlocked = order && order.blocked.has(cols.index[p]);
    if (!at && !isBlocked || b - from < 6) return;
    const text = at ? amount(at) : "next?", wide = text.length * 6.4 + 6;
    g.save();
    g.fillStyle = isBlocked ? this.paint.bad : this.paint.ink;
    g.fillRect(b - wide, top - 3, wide, 12);
    g.fillStyle = this.paint.surface;
    g.font = "bold 10px " + this.paint.sans;
    g.fillText(text, b - wide + 3, top + 6.5);
    g.restore();
  }

  // drawPinned draws an operation that is selected or contradicts others.
  drawPinned(g, bar) {
    const {p, top, high, a, b} = bar;
    this.drawBar(g, bar);
    g.lineWidth = 2;
    g.strokeStyle = p === this.t.selected ? this.paint.focus : this.paint.bad;
    g.strokeRect(a, top, Math.max(3, b - a), high);
    if (!pins.has(p)) return;
    g.save();
    g.fillStyle = this.paint.bad;
    g.beginPath();
    g.arc(a, top + high / 2, 7, 0, 7);
    g.fill();
    g.fillStyle = this.paint.surface;
    g.font = "bold 10px " + this.paint.sans;
    g.textAlign = "center";
    g.fillText(String(pins.get(p)[0].number), a, top + high / 2 + 3.5);
    g.restore();
  }
}
