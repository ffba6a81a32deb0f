// Drawing: the overview, the head with time and faults, and the lanes.

const OVERVIEW = 46, AXIS = 20, WORLD = 14;
const PIN = 7; // the radius of a number in a contradiction

class Painter {
  constructor(view) {
    this.v = view;
    this.hits = []; // what can be pointed at: boxes and lines with their event
    this.base = document.createElement("canvas"); // the lanes without what a step changes
    this.mix();
  }

  // mix reads the colours off the style sheet.
  mix() {
    const style = getComputedStyle(document.documentElement), names = ["ground", "surface", "sunken", "ink", "soft", "rule", "line", "accent", "focus", "bad", "good", "open", "fault", "read", "write", "write-ink", "delete", "dead",
      "leader", "follower", "candidate", "pre-candidate", "learner", "down", "exited", "leader-ink", "follower-ink", "append", "response", "vote", "beat", "snapshot", "other", "disk", "sync", "disk-other", "sans", "mono"];
    this.paint = Object.fromEntries(names.map(name => [name, style.getPropertyValue("--" + name).trim()]));
    this.terms = [1, 2, 3, 4, 5, 6].map(i => style.getPropertyValue("--term-" + i).trim());
    this.forget();
  }
  forget() { this.whole = this.drawn = null; }

  // fit sizes a canvas to its place and returns what draws on it, in pixels of the page.
  fit(canvas, wide, high) {
    const fine = devicePixelRatio || 1;
    if (canvas.width !== Math.round(wide * fine) || canvas.height !== Math.round(high * fine)) {
      canvas.width = Math.round(wide * fine);
      canvas.height = Math.round(high * fine);
    }
    canvas.style.width = wide + "px";
    canvas.style.height = high + "px";
    const g = canvas.getContext("2d");
    g.setTransform(fine, 0, 0, fine, 0, 0);
    g.clearRect(0, 0, wide, high);
    return g;
  }

  draw(room) {
    const {v} = this;
    this.hits = [];
    this.headHits = [];
    this.drawOverview(this.fit(v.overview, v.wide, OVERVIEW));
    this.drawHead(this.fit(v.head, v.wide, this.headHigh));
    const g = this.fit(v.canvas, v.wide, room);
    if (this.isFresh(room)) this.hits = this.kept.hits;
    else this.kept = {...this.paintLanes(room), hits: this.hits};
    g.drawImage(this.base, 0, 0, v.wide, room);
    g.translate(0, -v.scrolled);
    this.clip(g, () => {
      new Arrows(this).drawCurrent(g);
      this.drawCursor(g, 0, Math.max(v.lanes.total, room) + v.scrolled);
    });
    const below = v.lanes.total - room - v.scrolled;
    if (below > 6) this.tellBelow(g, room + v.scrolled);
    return this.kept;
  }

  // tellBelow says that there are more lanes than the window shows.
  tellBelow(g, bottom) {
    g.fillStyle = this.paint.surface;
    g.fillRect(0, bottom - 15, this.v.gutter() - 2, 15);
    this.text(g, "▾ more lanes", 6, bottom - 4, this.paint.accent, "600 10.5px " + this.paint.sans);
  }

  // isFresh says that the lanes need not be painted again: a step changes only what is drawn above them.
  isFresh(room) {
    const {v} = this, now = [v.from, v.to, v.wide, room, v.scrolled, devicePixelRatio].join();
    const isSame = this.drawn === now;
    this.drawn = now;
    return isSame;
  }

  paintLanes(room) {
    const {v} = this, g = this.fit(this.base, v.wide, room);
    g.translate(0, -v.scrolled);
    this.range = [placeAt(v.from), placeAt(v.to + 1)];
    this.drawBehind(g);
    for (let n = 1; n <= record.nodes; n++) this.drawNode(g, n);
    this.drawClients(g);
    const drawn = new Arrows(this).draw(g);
    new Marks(this).draw(g);
    this.clip(g, () => { for (let n = 1; n <= record.nodes; n++) for (const span of this.spansOf(n)) this.nameSpan(g, span, v.lanes.nodeTop(n) + BAR_TOP); });
    return drawn;
  }

  // sizeHead gives overview and head their heights, before the lanes share what is left.
  sizeHead() {
    this.headHigh = AXIS + WORLD + this.v.lanes.faultsHigh;
    this.v.overview.style.height = OVERVIEW + "px";
    this.v.head.style.height = this.headHigh + "px";
  }

  clip(g, act) {
    const {v} = this;
    g.save();
    g.beginPath();
    g.rect(v.gutter(), 0, v.width(), 1e6);
    g.clip();
    act();
    g.restore();
  }

  text(g, text, x, y, colour, font, align) {
    g.fillStyle = colour;
    g.font = font;
    g.textAlign = align || "left";
    g.fillText(text, x, y);
    g.textAlign = "left";
  }
  termColour(term) { return this.terms[((term % this.terms.length) + this.terms.length) % this.terms.length]; }

  // The overview shows the whole life: who was what, faults, how much happened, and the view as a window.
  drawOverview(g) {
    const {v, paint} = this, left = v.gutter(), wide = v.width();
    if (!this.whole || this.whole.width !== Math.round(wide * (devicePixelRatio || 1))) this.whole = this.paintWhole(wide);
    g.drawImage(this.whole, left, 0, wide, OVERVIEW);
    this.text(g, "whole life", 8, 18, paint.soft, "11.5px " + paint.sans);
    this.text(g, (end / 1e9).toFixed(1) + " s", 8, 33, paint.soft, "11.5px " + paint.sans);
    const a = left + this.share(v.from) * wide, b = Math.max(a + 3, left + this.share(v.to) * wide);
    g.fillStyle = paint.ground;
    g.globalAlpha = .45;
    g.fillRect(left, 0, a - left, OVERVIEW);
    g.fillRect(b, 0, left + wide - b, OVERVIEW);
    g.globalAlpha = 1;
    g.strokeStyle = paint.focus;
    g.lineWidth = 1.5;
    g.strokeRect(a + .5, 1, b - a - 1, OVERVIEW - 2);
  }
  share(t) { return (t + this.v.pad) / (end + 2 * this.v.pad); }

  paintWhole(wide) {
    const {paint} = this, canvas = document.createElement("canvas"), g = this.fit(canvas, wide, OVERVIEW), x = t => this.share(Math.min(t, end)) * wide, high = Math.min(6, 28 / record.nodes);
    g.fillStyle = paint.sunken;
    g.fillRect(0, 0, wide, OVERVIEW);
    for (let n = 1; n <= record.nodes; n++) for (const span of spans[n]) {
      g.fillStyle = paint[span.role] || paint.follower;
      g.fillRect(x(span.from), 2 + (n - 1) * high, Math.max(.6, x(span.to) - x(span.from)), high - 1);
    }
    g.fillStyle = paint.fault;
    for (const f of faults) {
      g.globalAlpha = .35;
      g.fillRect(x(f.at), 31, Math.max(1, x(f.end) - x(f.at)), 4);
    }
    g.globalAlpha = 1;
    this.paintDensity(g, wide);
    if (failed >= 0) {
      g.fillStyle = paint.bad;
      g.fillRect(x(at[failed]) - 1, 0, 2.5, OVERVIEW);
    }
    return canvas;
  }

  // paintDensity draws how many of the events that pass the filters happened when.
  paintDensity(g, wide) {
    const bins = new Uint32Array(Math.ceil(wide / 2) + 1), {passes} = this.v.filters;
    let most = 1;
    for (let i = 0; i < count; i++) if (passes[i]) most = Math.max(most, ++bins[Math.floor(this.share(at[i]) * wide / 2)]);
    g.fillStyle = this.paint.soft;
    bins.forEach((times, b) => { if (times) g.fillRect(b * 2, OVERVIEW - Math.max(1, times / most * 10), 1.6, 10); });
  }

  // The head shows time, what happened to the world at large, and the faults.
  drawHead(g) {
    const {v, paint} = this;
    this.text(g, "time", 8, 14, paint.soft, "11.5px " + paint.sans);
    this.text(g, "world", 8, AXIS + 11, paint.soft, "11.5px " + paint.sans);
    if (faults.length) this.text(g, "faults", 8, AXIS + WORLD + 11, paint.fault, "600 11.5px " + paint.sans);
    g.fillStyle = paint.rule;
    g.fillRect(0, AXIS - .5, v.wide, 1);
    this.clip(g, () => {
      for (const tick of ticks(v.from, v.to, v.width(), 110)) {
        g.fillStyle = paint.line;
        g.fillRect(v.x(tick.t), AXIS - 5, 1, 5);
        this.text(g, tick.text, v.x(tick.t) + 4, 14, paint.soft, "11.5px " + paint.sans);
      }
      this.drawFaults(g);
      this.drawWorld(g);
      this.drawCursor(g, AXIS, this.headHigh);
    });
  }

  drawFaults(g) {
    const {v, paint} = this, {of, high} = v.lanes.faultRows(v.from, v.to);
    for (const f of faults) {
      if (f.at > v.to || f.end < v.from) continue;
      const a = Math.max(v.x(f.at), v.gutter() - 4), b = Math.max(a + 2.5, Math.min(v.x(f.end), v.right() + 4)), top = AXIS + WORLD + 1 + of.get(f.row) * high;
      g.fillStyle = paint.fault;
      g.globalAlpha = v.filters.passes[f.from] ? .3 : .08;
      g.fillRect(a, top, b - a, high - 1);
      g.globalAlpha = 1;
      g.fillRect(a, top, 2, high - 1);
      this.headHits.push({x0: a - 2, x1: b + 2, y0: top, y1: top + high, i: f.from, fault: f});
      const label = faultName(f) + (f.says ? ": " + f.says : "");
      if (high > 8 && b - a > 34) this.inside(g, label, a + 5, top + high - 3.5, b - a - 7, paint.ink, "10.5px " + paint.sans);
    }
  }

  // inside writes as much of a text as fits.
  inside(g, text, x, y, wide, colour, font) {
    g.font = font;
    const fits = Math.floor(wide / 5.7);
    if (fits < 2) return;
    this.text(g, text.length > fits ? text.slice(0, fits - 1) + "…" : text, x, y, colour, font);
  }

  drawWorld(g) {
    const {v, paint} = this, [from, past] = [placeAt(v.from), placeAt(v.to + 1)];
    let covered = -1;
    for (let i = from; i < past; i++) {
      if (kind[i] !== K.probe || !v.filters.passes[i]) continue;
      const x = v.x(at[i]);
      if (x > covered) this.star(g, x, AXIS + WORLD / 2, 4.5, paint.good);
      covered = Math.max(covered, x + 1);
      this.headHits.push({x0: x - 5, x1: x + 5, y0: AXIS, y1: AXIS + WORLD, i});
    }
    if (record.safety >= v.from && record.safety <= v.to && record.safety <= end) this.text(g, "│ faults end, all must recover", v.x(record.safety), AXIS + 11, paint.soft, "10.5px " + paint.sans);
    if (failed < 0) return;
    const x = v.x(at[failed]), label = "✕ " + failure.kind, wide = label.length * 6.6 + 10, left = x + wide > v.right() ? x - wide : x;
    g.fillStyle = paint.bad;
    g.fillRect(left, AXIS, wide, WORLD);
    this.text(g, label, left + 5, AXIS + 11, paint.surface, "700 11px " + paint.sans);
    this.headHits.push({x0: left, x1: left + wide, y0: AXIS, y1: AXIS + WORLD, i: failed});
  }

  star(g, x, y, r, colour) {
    g.fillStyle = colour;
    g.beginPath();
    for (let k = 0; k < 8; k++) g.lineTo(x + Math.cos(k * Math.PI / 4) * (k % 2 ? r * .42 : r), y + Math.sin(k * Math.PI / 4) * (k % 2 ? r * .42 : r));
    g.fill();
  }

  drawBehind(g) {
    const {v, paint} = this, {lanes} = v, tall = Math.max(lanes.total, 2000);
    this.clip(g, () => {
      g.fillStyle = paint.rule;
      for (const tick of ticks(v.from, v.to, v.width(), 110)) g.fillRect(v.x(tick.t), 0, .6, tall);
      g.fillStyle = paint.fault;
      for (const f of faults) {
        if (f.at > v.to || f.end < v.from || !v.filters.passes[f.from]) continue;
        const a = v.x(f.at), b = Math.max(a + 1, v.x(Math.min(f.end, v.to)));
        g.globalAlpha = f.node ? .16 : .045;
        if (f.node) g.fillRect(a, lanes.nodeTop(f.node), b - a, lanes.nodeHigh);
        else g.fillRect(a, 0, b - a, lanes.clientsTop);
      }
      g.globalAlpha = 1;
    });
    g.fillStyle = paint.rule;
    for (let n = 1; n <= record.nodes; n++) g.fillRect(0, lanes.nodeTop(n) + lanes.nodeHigh - .5, v.wide, .7);
    g.fillStyle = paint.line;
    g.fillRect(0, lanes.clientsTop - 1, v.wide, 1);
  }

  drawNode(g, n) {
    const {v, paint} = this, top = v.lanes.nodeTop(n);
    this.text(g, nodeName(n), 8, top + BAR_TOP + 12, paint.ink, "650 13px " + paint.sans);
    if (n > record.founders) this.text(g, "spare", 30, top + BAR_TOP + 12, paint.soft, "11px " + paint.sans);
    if (v.lanes.nodeHigh > 40) this.text(g, "disk", 8, top + DISK_TOP + 9, paint.soft, "10.5px " + paint.sans);
    this.clip(g, () => {
      for (const span of this.spansOf(n)) this.drawSpan(g, span, top + BAR_TOP);
      this.drawPauses(g, n, top + BAR_TOP);
    });
  }

  // drawSpan draws a stretch in one role and term: the role as the bar, lighter in every other term, and the term as a strip under it.
  drawSpan(g, span, top) {
    const {paint} = this, [a, b] = this.reach(span), isDown = span.role === "down" || span.role === "exited";
    g.fillStyle = paint[span.role] || paint.follower;
    g.globalAlpha = !isDown && span.term % 2 ? .78 : 1;
    g.fillRect(a, top, b - a, BAR);
    g.globalAlpha = 1;
    if (isDown) return this.hatch(g, a, b, top, paint.bad);
    g.fillStyle = this.termColour(span.term);
    g.fillRect(a, top + BAR, b - a, TERM);
  }

  spansOf(n) { return spans[n].filter(span => span.from <= this.v.to && span.to >= this.v.from); }
  reach(span) {
    const {v} = this, a = Math.max(v.x(span.from), v.gutter() - 2);
    return [a, Math.min(Math.max(v.x(Math.min(span.to, end)), a + 1), v.right() + 2)];
  }

  // nameSpan writes role and term above what crosses the bar, behind the mark that stands at its beginning.
  nameSpan(g, span, top) {
    const {paint} = this, [a, b] = this.reach(span), isDown = span.role === "down" || span.role === "exited", left = a + (kind[span.i] === K.start ? 13 : isDown ? 9 : 4), wide = b - left;
    const text = isDown ? span.role : wide > 12 * 6 + span.role.length * 5.7 ? span.role + " · term " + span.term : wide > 42 ? "term " + span.term : String(span.term);
    if (wide < text.length * 5.8) return;
    g.font = "600 11px " + paint.sans;
    g.fillStyle = isDown ? paint.surface : paint[span.role] || paint.follower;
    g.globalAlpha = .85;
    g.fillRect(left - 2, top + 1, g.measureText(text).width + 4, BAR - 2);
    g.globalAlpha = 1;
    this.text(g, text, left, top + 11, isDown ? paint.bad : paint[span.role === "leader" ? "leader-ink" : "follower-ink"], "600 11px " + paint.sans);
  }

  hatch(g, a, b, top, colour) {
    g.save();
    g.beginPath();
    g.rect(a, top, b - a, BAR + TERM);
    g.clip();
    g.strokeStyle = colour;
    g.globalAlpha = .5;
    g.lineWidth = 1;
    g.beginPath();
    for (let x = a - 20 - (a % 6); x < b + 20; x += 6) { g.moveTo(x, top + BAR + TERM); g.lineTo(x + BAR + TERM, top); }
    g.stroke();
    g.restore();
  }

  drawPauses(g, n, top) {
    const {v, paint} = this;
    for (const f of faults) {
      if (f.kind !== "pause" || f.node !== n || f.at > v.to || f.end < v.from) continue;
      const a = Math.max(v.x(f.at), v.gutter() - 2), b = Math.min(v.x(Math.min(f.end, end)), v.right() + 2);
      g.fillStyle = paint.surface;
      g.globalAlpha = .72;
      g.fillRect(a, top + 3, b - a, BAR - 6);
      g.globalAlpha = 1;
      this.inside(g, "paused", a + 4, top + 10.5, b - a - 5, paint.open, "650 10.5px " + paint.sans);
    }
  }

  drawClients(g) {
    const {v, paint} = this;
    for (const c of v.lanes.clients) {
      this.text(g, clientName(c.client), 8, c.top + 11, paint.ink, "600 12px " + paint.sans);
      g.fillStyle = paint.rule;
      g.fillRect(v.gutter(), c.top + v.lanes.clientHigh(c) + 1, v.width(), .6);
      this.clip(g, () => c.used.forEach((row, r) => this.drawRow(g, row.ops, c.top + r * v.lanes.rowHigh)));
    }
  }

  // drawRow leaves out what ends under a pixel that is drawn already.
  drawRow(g, ops, top) {
    const {v} = this;
    let covered = -1;
    for (const o of ops) {
      if (o.from > v.to) break;
      const a = v.x(o.from), b = Math.max(a + 2, v.x(Math.min(o.shown, v.to + v.grain() * 20, o.to === Infinity ? Math.min(end, o.from + Math.max(2e9, (v.to - v.from) / 3)) : Infinity)));
      if (b < v.gutter() || b <= covered && !o.pins.length) continue;
      covered = b;
      this.drawCall(g, o, Math.max(a, v.gutter() - 4), b, top);
    }
  }

  // drawCall draws a bar by outcome: done is filled, a failed condition dashed, refused dotted, unknown fades out.
  drawCall(g, o, a, b, top) {
    const {v, paint} = this, high = v.lanes.rowHigh - (v.lanes.rowHigh > 11 ? 3 : 1), isRead = o.action.startsWith("get"), isDelete = o.action.startsWith("delete"), isMember = !o.key;
    const colour = o.outcome === "refused" ? paint.dead : isMember ? paint.soft : isRead ? paint.read : isDelete ? paint.delete : paint.write;
    const passes = v.filters.passes[o.invoke] || o.return >= 0 && v.filters.passes[o.return], isFull = o.outcome === "done";
    g.globalAlpha = passes ? 1 : .18;
    if (o.outcome === "unknown") {
      g.fillStyle = g.createLinearGradient(a, 0, b, 0);
      g.fillStyle.addColorStop(0, paint.open);
      g.fillStyle.addColorStop(1, "transparent");
    } else {
      g.fillStyle = isFull || b - a < 4 ? colour : paint.surface;
    }
    g.fillRect(a, top, b - a, high);
    if (!isFull && o.outcome !== "unknown" && b - a >= 4) this.outline(g, a, b, top, high, colour, o.outcome === "refused" ? [2, 2] : [4, 2.5]);
    const left = a + (o.pins.length ? PIN + 2 : 3); // behind the number
    if (b - left > 11 && high > 8) this.inside(g, callOf(o) + (o.call || o.outcome !== "done" ? " → " + resultOf(o) : ""), left, top + high - 2, b - left - 1, isFull ? paint["write-ink"] : paint.ink, "10px " + paint.mono);
    g.globalAlpha = 1;
    this.hits.push({x0: a - 1, x1: b + 1, y0: top, y1: top + high, i: o.invoke, operation: o});
    if (o.pins.length) this.pin(g, o, a, top + high / 2);
  }

  outline(g, a, b, top, high, colour, dash) {
    g.strokeStyle = colour;
    g.lineWidth = 1;
    g.setLineDash(dash);
    g.strokeRect(a + .5, top + .5, b - a - 1, high - 1);
    g.setLineDash([]);
  }

  // pin numbers an operation that contradicts others, as the report of the check does.
  pin(g, o, x, y) {
    const {paint} = this;
    g.fillStyle = paint.bad;
    g.beginPath();
    g.arc(x, y, PIN, 0, 7);
    g.fill();
    this.text(g, String(o.pins[0].number), x, y + 3.5, paint.surface, "700 10px " + paint.sans, "center");
  }

  drawCursor(g, top, bottom) {
    const {v, paint} = this;
    const line = (t, colour, wide, dash) => {
      if (t < v.from || t > v.to) return;
      g.strokeStyle = colour;
      g.lineWidth = wide;
      g.setLineDash(dash);
      g.beginPath();
      g.moveTo(v.x(t), top);
      g.lineTo(v.x(t), bottom);
      g.stroke();
      g.setLineDash([]);
    };
    line(record.safety <= end ? record.safety : -1, paint.line, 1, [3, 3]);
    if (failed >= 0) line(at[failed], paint.bad, 2.5, []);
    if (v.current >= 0) line(at[v.current], paint.focus, 1.25, []);
  }
}
