// The timeline of the whole history: what is in view, and in which lanes.

const VIEW_ROWS_MAX = 100; // rows of the list of operations in view
const VIEW_LEAST = record.untimed ? 4 : 20; // nanoseconds or places; no view is shorter

class Timeline {
  constructor(host) {
    Object.assign(this, {selected: -1, rows: [], matching: 0, drawn: 0, frames: 0, order: null, queued: false, wide: 0, scrolled: 0});
    this.matched = new Uint8Array(count);
    this.rowOf = new Int32Array(count);
    this.openEnd = new Float64Array(count); // how far the bar of an operation without a return goes: to the next in its lane
    this.last = 0;
    for (let p = 0; p < count; p++) this.last = Math.max(this.last, starts[p], isFinite(ends[p]) ? ends[p] : 0);
    const first = record.untimed && count ? starts[inTime[0]] : 0, pad = Math.max((this.last - first) * .01, 1);
    this.full = {from: first - pad, to: this.last + pad};
    Object.assign(this, this.full);
    this.filters = new Filters(() => this.apply(), order => { this.order = order; this.schedule(); });
    this.build(host);
    this.painter = new Painter(this);
    new Gestures(this);
    this.apply();
  }

  build(host) {
    this.overview = el("canvas", {class: "overview", "aria-hidden": "true"});
    this.axis = el("canvas", {class: "axis-line", "aria-hidden": "true"});
    this.canvas = el("canvas", {tabindex: 0, role: "group", "aria-roledescription": "timeline", "aria-describedby": "timeline-hint", "aria-label": "Operations by client over time"});
    this.spacer = el("div");
    this.lanes = el("div", {class: "lanes"}, this.canvas, this.spacer);
    this.status = el("output", {id: "status", "aria-live": "polite"});
    this.inView = el("tbody");
    this.inViewNote = el("p", {class: "note"});
    const heads = ["Client", "Key", "Operation", "Invoked", "Returned"].map((text, i) => el("th", {scope: "col", class: i > 2 ? "num" : null}, text));
    this.list = el("details", {class: "inview", ontoggle: () => this.schedule()}, el("summary", {}, "Operations in view as a list"),
      el("div", {class: "scroll"}, el("table", {}, el("thead", {}, el("tr", {}, heads)), this.inView)), this.inViewNote);
    const hint = el("span", {id: "timeline-hint"}, "Click into the timeline, then scroll to zoom; drag to move; arrow keys walk from operation to operation; + − 0 zoom.");
    host.replaceChildren(el("div", {class: "panel"}, this.filters.controls(() => this.reset(), this.zoomButtons()), this.overview, this.axis, this.lanes, el("div", {class: "status"}, this.status, hint), this.list));
  }

  zoomButtons() {
    return el("span", {class: "group push", role: "group", "aria-label": "Zoom"}, button("−", () => this.zoom(1.6), {class: "square", id: "zoom-out", "aria-label": "Zoom out"}),
      button("+", () => this.zoom(1 / 1.6), {class: "square", id: "zoom-in", "aria-label": "Zoom in"}), button("Fit", () => this.fit(), {id: "zoom-fit"}));
  }

  reset() {
    this.filters.reset();
    this.fit();
  }

  // apply finds the operations that pass the filters and gives them lanes.
  apply() {
    this.matching = this.filters.mark(this.matched);
    this.layOut();
    this.painter.density = null;
    this.schedule();
  }

  layOut() {
    const byClient = new Map();
    for (const p of inTime) {
      if (!this.matched[p]) continue;
      const client = cols.client[p];
      if (!byClient.has(client)) byClient.set(client, []);
      this.seat(byClient.get(client), p);
    }
    this.rows = [...byClient.keys()].sort((a, b) => a - b).flatMap(client => byClient.get(client));
    this.rows.forEach((row, r) => row.ops.forEach(p => { this.rowOf[p] = r; }));
  }

  // seat puts an operation into the first lane of its client that is free.
  seat(own, p) {
    let row = own.find(row => row.busy <= starts[p]);
    if (!row) own.push(row = {client: cols.client[p], ops: []});
    if (row.ops.length) this.openEnd[row.ops.at(-1)] = starts[p];
    this.openEnd[p] = Infinity;
    row.ops.push(p);
    row.busy = isFinite(ends[p]) ? ends[p] : starts[p] + 1;
  }

  // Geometry, as of the last drawing: asking the document for each operation would cost more than drawing it.
  measure() { Object.assign(this, {wide: this.lanes.clientWidth, scrolled: this.lanes.scrollTop}); }
  gutter() { return this.wide < 560 ? 76 : 116; }
  rowHeight() { return this.rows.length > 40 ? 15 : 22; }
  width() { return Math.max(this.wide - this.gutter() - 10, 50); }
  right() { return this.gutter() + this.width(); }
  x(t) { return this.gutter() + (t - this.from) / (this.to - this.from) * this.width(); }
  timeAt(px) { return this.from + (px - this.gutter()) / this.width() * (this.to - this.from); }
  rowTop(r) { return 3 + r * this.rowHeight() - this.scrolled; }
  endOf(p) { return isFinite(ends[p]) ? ends[p] : this.openEnd[p]; }

  show(from, to) {
    const whole = this.full.to - this.full.from, length = Math.min(Math.max(to - from, VIEW_LEAST), Math.max(whole, VIEW_LEAST));
    this.from = Math.min(Math.max((from + to - length) / 2, this.full.from), Math.max(this.full.to - length, this.full.from));
    this.to = this.from + length;
    this.schedule();
  }

  fit() { this.show(this.full.from, this.full.to); }

  move(share) { this.show(this.from + share * (this.to - this.from), this.to + share * (this.to - this.from)); }

  // zoom changes the length of the view around a time, the selected operation or the middle.
  zoom(factor, around) {
    const at = starts[this.selected], isSeen = at > this.from && at < this.to, t = around ?? (isSeen ? at : (this.from + this.to) / 2);
    this.show(t - (t - this.from) * factor, t + (this.to - t) * factor);
  }

  schedule() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => { this.queued = false; this.draw(); });
  }

  draw() {
    const tall = Math.max(this.rows.length * this.rowHeight() + 6, 60), seen = Math.min(tall, Math.max(120, Math.min(innerHeight * .62, 620)));
    this.spacer.style.height = Math.max(0, tall - seen) + "px";
    this.lanes.style.height = seen + "px";
    this.measure();
    this.painter.draw(seen);
    this.frames++;
    this.tell();
    if (this.list.open) this.listInView();
  }

  // tell says what is in view, to people and to those who drive the page.
  tell() {
    const {from, to, drawn, frames, rows, matching, canvas} = this, grain = 10 ** Math.max(0, Math.floor(Math.log10(to - from)) - 3);
    const about = t => exact(Math.round(t / grain) * grain);
    const what = matching === count ? `${amount(count)} operations` : `${amount(matching)} matching operations of ${amount(count)}`;
    this.status.textContent = matching === 0 ? `No operation matches the filters; the page holds ${amount(count)}.`
      : `${about(Math.max(from, starts[inTime[0]]))} to ${about(Math.min(to, this.last))}: ${amount(drawn)} of ${what} in view, ${amount(rows.length)} lane${rows.length === 1 ? "" : "s"}`;
    Object.assign(canvas.dataset, {drawn, frames, from: Math.round(from), to: Math.round(to)});
    const p = this.selected;
    if (p >= 0 && this.matched[p]) Object.assign(canvas.dataset, {selectedX: Math.max(this.x(starts[p]), this.gutter()), selectedY: this.rowTop(this.rowOf[p] + .5)});
  }

  listInView() {
    const found = inTime.filter(p => this.matched[p] && starts[p] <= this.to && ends[p] >= this.from), more = found.length - VIEW_ROWS_MAX;
    this.inView.replaceChildren(...Array.from(found.slice(0, VIEW_ROWS_MAX), p => el("tr", {"data-index": cols.index[p]}, el("td", {}, clientOf(p)), el("td", {class: "mono"}, cut(keyOf(p).name, 40)),
      el("td", {}, button(callOf(p) + " → " + resultOf(p), event => select(p, event.currentTarget), {class: "plain mono"})), el("td", {class: "num"}, exact(starts[p])), el("td", {class: "num"}, exact(ends[p])))));
    this.inViewNote.textContent = more > 0 ? `${amount(more)} more are in view: zoom in or filter to list them.` : "";
  }

  // into moves the view so that it shows an operation.
  into(p) {
    const length = this.to - this.from, end = isFinite(ends[p]) ? ends[p] : starts[p], above = this.rowOf[p] * this.rowHeight();
    if (starts[p] < this.from || end > this.to) this.show(starts[p] - length * .3, starts[p] + length * .7);
    if (above < this.lanes.scrollTop || above + this.rowHeight() + 6 > this.lanes.scrollTop + this.lanes.clientHeight) this.lanes.scrollTop = above - this.lanes.clientHeight / 2;
  }

  // What the rest of the page asks for.
  reveal(p) {
    if (!this.matched[p]) this.reset();
    const length = Math.min(this.to - this.from, Math.max((isFinite(ends[p]) ? ends[p] - starts[p] : 0) * 30, (this.full.to - this.full.from) / 200));
    this.show(starts[p] - length / 2, starts[p] + length / 2);
    this.into(p);
    this.scrollHere();
    select(p, this.canvas);
    this.canvas.focus({preventScroll: true});
  }

  showCard(c) {
    this.reset();
    if (record.cards[c].key >= 0) this.filters.chooseKey(record.cards[c].key);
    this.show(record.cards[c].from, record.cards[c].to);
    this.scrollHere();
  }

  showKey(key) {
    this.reset();
    this.filters.chooseKey(key);
    this.scrollHere();
  }

  scrollHere() { document.getElementById("timeline").scrollIntoView({block: "start"}); }
}
