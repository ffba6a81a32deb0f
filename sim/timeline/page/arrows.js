// Messages as arrows. Where there are more than can be told apart, the rarest types are drawn as arrows and the rest as density.

const ARROWS_MAX = 700;
const isBeat = ([type]) => familyOf(type) === "beat" ? 1 : 0;

class Arrows {
  constructor(painter) { Object.assign(this, {p: painter, v: painter.v, paint: painter.paint}); }

  draw(g) {
    const found = this.inView(), {chosen, rest} = this.choose(found), {v} = this;
    let arrows = 0;
    const crowd = [];
    this.p.clip(g, () => {
      for (const m of found) if (chosen.has(whatOf(m.send))) arrows++;
      else crowd.push(m);
      this.drawDensity(g, crowd);
      for (const m of found) if (chosen.has(whatOf(m.send))) this.drawMessage(g, m);
      this.drawRequests(g);
    });
    return {arrows, inView: found.length, rest};
  }

  inView() {
    const {v} = this, {passes} = v.filters, list = [], seen = m => passes[m.send] || m.arrive >= 0 && passes[m.arrive];
    let low = 0, high = messages.length;
    for (const least = v.from - slowest; low < high;) {
      const middle = (low + high) >> 1;
      if (at[messages[middle].send] < least) low = middle + 1;
      else high = middle;
    }
    for (let k = low; k < messages.length && at[messages[k].send] <= v.to; k++) {
      const m = messages[k];
      if ((m.arrive < 0 ? at[m.send] : at[m.arrive]) >= v.from && seen(m)) list.push(m);
    }
    return list;
  }

  // choose returns the types that are drawn as arrows: rarest first, heartbeats last.
  choose(found) {
    const counts = new Map();
    for (const m of found) counts.set(whatOf(m.send), (counts.get(whatOf(m.send)) || 0) + 1);
    const chosen = new Set(), rest = [];
    let room = ARROWS_MAX;
    for (const [type, times] of [...counts].sort((a, b) => isBeat(a) - isBeat(b) || a[1] - b[1])) {
      room -= times;
      if (room >= 0) chosen.add(type);
      else rest.push(type);
    }
    return {chosen, rest};
  }

  // drawDensity draws how many messages leave and reach each node, by time.
  drawDensity(g, crowd) {
    if (!crowd.length) return;
    const {v} = this, bins = Math.ceil(v.width() / 2) + 1, times = Array.from({length: record.nodes + 1}, () => new Uint32Array(bins));
    let most = 1;
    const add = i => {
      const b = Math.floor((v.x(at[i]) - v.gutter()) / 2);
      if (b >= 0 && b < bins && node[i] <= record.nodes) most = Math.max(most, ++times[node[i]][b]);
    };
    for (const m of crowd) {
      add(m.send);
      if (m.arrive >= 0) add(m.arrive);
    }
    const room = v.lanes.nodeHigh - BAR_TOP - BAR - TERM - 2;
    g.fillStyle = this.paint.append;
    g.globalAlpha = .28;
    for (let n = 1; n <= record.nodes; n++) {
      const bottom = v.lanes.nodeTop(n) + v.lanes.nodeHigh - 1;
      times[n].forEach((many, b) => { if (many) g.fillRect(v.gutter() + b * 2, bottom - Math.max(1, Math.sqrt(many / most) * room), 2, Math.max(1, Math.sqrt(many / most) * room)); });
    }
    g.globalAlpha = 1;
  }

  ends(m) {
    const {v} = this, {lanes} = v, from = node[m.send], to = peer[m.send], x1 = v.x(at[m.send]), y1 = lanes.anchor(from, to);
    if (m.arrive >= 0) return [x1, y1, v.x(at[m.arrive]), lanes.anchor(to, from)];
    return [x1, y1, x1 + 7, y1 + (to > from ? 12 : -12)]; // a stub: it never arrived
  }

  drawMessage(g, m, wide = 1) {
    if (peer[m.send] > record.nodes || node[m.send] > record.nodes) return;
    const [x1, y1, x2, y2] = this.ends(m), family = familyOf(whatOf(m.send));
    g.strokeStyle = wide > 1 ? this.paint.focus : m.fate === LOST ? this.paint.bad : this.paint[family];
    g.lineWidth = wide * (family === "vote" || family === "snapshot" ? 1.5 : 1);
    g.globalAlpha = wide > 1 ? 1 : m.again ? .35 : family === "beat" || family === "other" ? .5 : .8;
    if (m.fate === GONE || m.again) g.setLineDash([2, 2]);
    g.beginPath();
    g.moveTo(x1, y1);
    g.lineTo(x2, y2);
    g.stroke();
    g.setLineDash([]);
    if (m.fate === ARRIVED) this.arrowHead(g, x1, y1, x2, y2, wide);
    else this.cross(g, x2, y2, m.fate === LOST ? this.paint.bad : this.paint.soft);
    g.globalAlpha = 1;
    this.p.hits.push({line: [x1, y1, x2, y2], i: m.send, message: m});
  }

  arrowHead(g, x1, y1, x2, y2, wide) {
    const angle = Math.atan2(y2 - y1, x2 - x1), size = wide > 1 ? 8 : 5.5;
    g.fillStyle = g.strokeStyle;
    g.beginPath();
    g.moveTo(x2, y2);
    for (const turn of [.42, -.42]) g.lineTo(x2 - Math.cos(angle + turn) * size, y2 - Math.sin(angle + turn) * size);
    g.fill();
  }

  cross(g, x, y, colour) {
    g.strokeStyle = colour;
    g.lineWidth = 1.5;
    g.beginPath();
    for (const side of [1, -1]) { g.moveTo(x - 2.5, y - 2.5 * side); g.lineTo(x + 2.5, y + 2.5 * side); }
    g.stroke();
  }

  // drawRequests draws attempts and answers between clients and nodes, if there is room for them.
  drawRequests(g) {
    const {v, paint} = this, [from, past] = this.p.range, {lanes} = v;
    let room = ARROWS_MAX / 4;
    for (let i = from; i < past; i++) if ((kind[i] === K.request || kind[i] === K.reply) && v.filters.passes[i]) room--;
    if (room < 0) return;
    g.strokeStyle = paint.read;
    g.lineWidth = .8;
    g.globalAlpha = .55;
    for (let i = from; i < past; i++) {
      if (kind[i] !== K.request && kind[i] !== K.reply || !v.filters.passes[i] || operationOf[i] < 0) continue;
      const x = v.x(at[i]), top = lanes.nodeTop(node[i]) + BAR_TOP + BAR + TERM, bottom = lanes.rowTop(operations[operationOf[i]]);
      g.setLineDash(kind[i] === K.request ? [1, 3] : [5, 3]);
      g.beginPath();
      g.moveTo(x, bottom);
      g.lineTo(x, top);
      g.stroke();
      this.p.hits.push({line: [x, top, x, bottom], i});
    }
    g.setLineDash([]);
    g.globalAlpha = 1;
  }

  // drawCurrent draws the event that is looked at, whatever else is drawn.
  drawCurrent(g) {
    const {v} = this, i = v.current;
    if (i < 0) return;
    const k = kind[i];
    if (k === K.send || k === K.receive || k === K.lose) {
      const send = k === K.send ? i : partner[i];
      for (const m of messages) if (m.send === send && (k !== K.receive || m.arrive === i)) this.drawMessage(g, m, 2.4);
    }
    if (node[i] && node[i] <= record.nodes) {
      g.strokeStyle = this.paint.focus;
      g.lineWidth = 2;
      g.beginPath();
      g.arc(v.x(at[i]), v.lanes.nodeTop(node[i]) + BAR_TOP + BAR / 2, 6, 0, 7);
      g.stroke();
    }
    const o = operations[operationOf[i]];
    if (o) g.strokeStyle = this.paint.focus, g.lineWidth = 2, g.strokeRect(v.x(o.from) - 1, v.lanes.rowTop(o) - 1, Math.max(4, v.x(Math.min(o.shown, end)) - v.x(o.from) + 2), v.lanes.rowHigh);
  }
}
