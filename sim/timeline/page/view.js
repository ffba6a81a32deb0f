// The view: which stretch of the life is in it, and which event is looked at.

const VIEW_LEAST = 1000; // nanoseconds; no view is shorter
const OPENING = 4e9, AROUND = 1.2e9; // what the page opens with: the beginning, or what surrounds the failure

class View {
  constructor(host) {
    Object.assign(this, {current: -1, queued: false, frames: 0, wide: 0, scrolled: 0, listeners: []});
    this.pad = end * .008;
    Object.assign(this, {from: 0, to: Math.min(OPENING, end)});
    this.filters = new Filters(() => this.refilter());
    this.lanes = new Lanes();
    this.build(host);
    this.painter = new Painter(this);
    this.inspector = new Inspector(this, this.side);
    this.list = new List(this, this.listed);
    this.gestures = new Gestures(this);
  }

  build(host) {
    this.overview = el("canvas", {class: "overview", "aria-hidden": "true", title: "The whole life: drag to move the view"});
    this.head = el("canvas", {class: "head", "aria-hidden": "true"});
    this.canvas = el("canvas", {id: "canvas", tabindex: 0, role: "application", "aria-roledescription": "timeline", "aria-describedby": "canvas-hint",
      "aria-label": "Timeline of nodes and clients. Arrow keys step from event to event."});
    this.spacer = el("div");
    this.scroller = el("div", {class: "lanes"}, this.canvas, this.spacer);
    this.status = el("output", {id: "status"});
    this.listed = el("div", {class: "list"});
    this.side = el("aside", {class: "side", "aria-label": "Event and state"});
    const {filters} = this;
    host.replaceChildren(
      el("div", {class: "controls", role: "search", "aria-label": "Filters of events"}, el("span", {class: "group", role: "group", "aria-label": "Kinds of events"}, filters.chips),
        filters.selects, filters.search, button("Reset", () => filters.reset(), {id: "reset", title: "Take all filters away"}), this.zoomButtons()),
      el("div", {class: "stage"}, el("div", {class: "drawn"}, this.overview, this.head, this.scroller, el("div", {class: "status"}, this.status, quickLegend()), this.listed), this.side));
  }

  zoomButtons() {
    return el("span", {class: "group push", role: "group", "aria-label": "Zoom"},
      button("−", () => this.zoom(1.8), {class: "square", id: "zoom-out", "aria-label": "Zoom out", title: "Zoom out (−)"}), button("+", () => this.zoom(1 / 1.8), {class: "square", id: "zoom-in", "aria-label": "Zoom in", title: "Zoom in (+)"}),
      button("Fit", () => this.fit(), {id: "zoom-fit", title: "Show the whole life (0)"}));
  }

  refilter() {
    this.painter.forget();
    this.inspector.tellPlace();
    this.list.draw();
    this.schedule();
  }

  // Geometry, as of the last drawing.
  gutter() { return 74; }
  width() { return Math.max(this.wide - this.gutter() - 8, 50); }
  right() { return this.gutter() + this.width(); }
  x(t) { return this.gutter() + (t - this.from) / (this.to - this.from) * this.width(); }
  timeAt(px) { return this.from + (px - this.gutter()) / this.width() * (this.to - this.from); }
  grain() { return (this.to - this.from) / this.width(); }

  show(from, to) {
    const least = -this.pad, most = end + this.pad, whole = most - least;
    const length = Math.min(Math.max(to - from, VIEW_LEAST), Math.max(whole, VIEW_LEAST));
    this.from = Math.min(Math.max((from + to - length) / 2, least), Math.max(most - length, least));
    this.to = this.from + length;
    this.schedule();
  }
  fit() { this.show(-this.pad, end + this.pad); }
  move(share) { this.show(this.from + share * (this.to - this.from), this.to + share * (this.to - this.from)); }

  // zoom changes the length of the view around a time: that of the event that is looked at, or the middle.
  zoom(factor, around) {
    const here = at[this.current], t = around ?? (here >= this.from && here <= this.to ? here : (this.from + this.to) / 2);
    this.show(t - (t - this.from) * factor, t + (this.to - t) * factor);
  }

  // look makes an event the one that is looked at, and moves the view if it is outside.
  look(i, centred) {
    if (i < 0 || i >= count) return;
    this.current = i;
    const length = this.to - this.from;
    if (centred || at[i] < this.from || at[i] > this.to) this.show(at[i] - length / 2, at[i] + length / 2);
    this.reveal(i);
    this.inspector.draw();
    this.list.draw();
    this.schedule();
  }

  // reveal scrolls to the lane of an event.
  reveal(i) {
    const top = node[i] ? this.lanes.nodeTop(Math.min(node[i], record.nodes)) : client[i] ? this.lanes.clientTop(client[i]) : -1, {scroller} = this;
    const high = node[i] ? this.lanes.nodeHigh : 3 * this.lanes.rowHigh;
    if (top < 0 || scroller.scrollHeight <= scroller.clientHeight) return;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + high > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + high - scroller.clientHeight;
  }

  // step goes to the next event that passes the filters, in a direction.
  step(direction, times = 1) {
    let i = this.current;
    for (let done = 0; done < times; done++) {
      const next = this.filters.next(i + direction, direction);
      if (next < 0) break;
      i = next;
    }
    if (i !== this.current) this.look(i);
  }
  // stepIn stays with the node of the event.
  stepIn(direction) {
    const of = node[this.current];
    if (!of) return this.step(direction);
    const next = this.filters.next1(this.current + direction, direction, of);
    if (next >= 0) this.look(next);
  }
  toEdge(direction) { this.look(direction < 0 ? this.filters.next(0, 1) : this.filters.next(count - 1, -1)); }
  toTime(t) { this.look(Math.min(placeAt(t), count - 1), true); }
  toFailure() {
    if (failed >= 0) {
      this.show(at[failed] - AROUND * .8, at[failed] + AROUND * .2);
      this.look(failed);
    }
  }
  // toContradiction shows all calls of a contradiction, and looks at the last that returned.
  toContradiction(x) {
    const list = x.operations.map(p => operations[p]), from = Math.min(...list.map(o => o.from)), to = Math.max(...list.map(o => o.to === Infinity ? o.from : o.to)), room = (to - from) * .15 + 1e6;
    const last = list.reduce((a, b) => (b.return > a.return ? b : a));
    this.show(from - room, to + room);
    this.look(last.return < 0 ? last.invoke : last.return);
  }
  toOperation(o) {
    const length = Math.max(this.to - this.from, (o.to === Infinity ? 0 : o.to - o.from) * 1.5);
    this.show(o.from - length * .3, o.from + length * .7);
    this.look(o.invoke);
  }

  schedule() {
    if (this.queued) return;
    this.queued = true;
    requestAnimationFrame(() => { this.queued = false; this.draw(); });
  }

  draw() {
    this.painter.sizeHead();
    const room = this.scroller.clientHeight;
    this.wide = this.scroller.clientWidth;
    const total = this.lanes.layOut(room, this.from, this.to);
    this.spacer.style.height = Math.max(0, total - room) + "px";
    this.scrolled = this.scroller.scrollTop;
    const drawn = this.painter.draw(room);
    this.frames++;
    this.tell(drawn);
  }

  // tell says what is in view, to people and to those who drive the page.
  tell({arrows, inView, rest}) {
    const length = this.to - this.from, passing = this.filters.passing;
    const which = passing === count ? plural(count, "event") : `${amount(passing)} of ${plural(count, "event")} pass the filters`;
    const crowd = inView === 0 ? "no messages in view" : arrows === inView ? `${plural(inView, "message")} in view, all as arrows`
      : `${amount(arrows)} of ${plural(inView, "message")} in view as arrows, ${rest.join(", ")} as density`;
    this.status.textContent = `${moment(Math.max(this.from, 0), length)} to ${moment(Math.min(this.to, end), length)} · ${which} · ${crowd}`;
    Object.assign(this.canvas.dataset, {from: Math.round(this.from), to: Math.round(this.to), frames: this.frames, arrows, messages: inView, current: this.current, passing});
  }
}
