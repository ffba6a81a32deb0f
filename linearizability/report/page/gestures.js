// Mouse, touch and keys on the timeline.

const DRAG_LEAST = 3; // pixels; a press that moves less is a click
const REACH = 5;      // pixels from a bar that still count as on it

class Gestures {
  constructor(timeline) {
    this.t = timeline;
    this.pointers = new Map();
    this.moved = 0;
    this.spread = 0;
    const on = (target, handlers, options) => Object.entries(handlers).forEach(([name, act]) => target.addEventListener(name, act, options));
    on(timeline.canvas, {
      pointerdown: event => this.press(event), pointermove: event => this.pointers.has(event.pointerId) ? this.drag(event) : this.hover(event), pointerup: event => this.release(event),
      pointercancel: event => this.pointers.delete(event.pointerId), pointerleave: hideTip,
      dblclick: event => timeline.zoom(.4, this.timeOf(event)), keydown: event => this.key(event),
    });
    on(timeline.canvas, {wheel: event => this.wheel(event)}, {passive: false});
    on(timeline.lanes, {scroll: () => timeline.schedule()});
    on(timeline.axis, {pointermove: event => this.hoverBand(event), pointerleave: hideTip});
    on(timeline.overview, {pointerdown: event => { timeline.overview.setPointerCapture(event.pointerId); this.jump(event); },
      pointermove: event => { if (timeline.overview.hasPointerCapture(event.pointerId)) this.jump(event); }});
  }

  timeOf(event) { return this.t.timeAt(event.clientX - this.t.canvas.getBoundingClientRect().left); }

  // hit returns the operation under the pointer, -1 if there is none.
  hit(event) {
    const {t} = this, box = t.canvas.getBoundingClientRect(), px = event.clientX - box.left, row = t.rows[Math.floor((event.clientY - box.top - t.rowTop(0)) / t.rowHeight())];
    if (px < t.gutter() - 8 || !row) return -1;
    let best = -1, nearest = REACH;
    for (const p of row.ops) {
      const a = t.x(starts[p]), b = t.x(Math.min(t.endOf(p), t.to));
      if (a > px + REACH) break;
      const far = px < a ? a - px : px > b ? px - b : 0;
      if (far < nearest || far === nearest && pins.has(p)) {
        nearest = far;
        best = p;
      }
    }
    return best;
  }

  hover(event) {
    const p = this.hit(event);
    this.t.canvas.style.cursor = p >= 0 ? "pointer" : "";
    p >= 0 ? showTip(p, event.clientX, event.clientY) : hideTip();
  }

  hoverBand(event) {
    const {t} = this, box = t.axis.getBoundingClientRect(), at = t.timeAt(event.clientX - box.left), grain = (t.to - t.from) / t.width() * 2;
    const row = t.painter.bands[Math.floor((event.clientY - box.top - 2) / 16)] || [], mark = row.find(mark => mark.from - grain <= at && at <= mark.to + grain);
    mark ? tipAt(event.clientX, event.clientY, [markText(mark), markSpan(mark)]) : hideTip();
  }

  fingers() { return Math.max(...this.pointers.values()) - Math.min(...this.pointers.values()); }

  press(event) {
    this.pointers.set(event.pointerId, event.clientX);
    if (event.isTrusted) this.t.canvas.setPointerCapture(event.pointerId);
    this.moved = 0;
    this.spread = this.fingers();
  }

  // drag moves the view, or zooms it when two fingers do.
  drag(event) {
    const before = this.pointers.get(event.pointerId);
    this.pointers.set(event.pointerId, event.clientX);
    this.moved += Math.abs(event.clientX - before);
    if (this.pointers.size > 1) {
      const spread = this.fingers();
      if (this.spread > 10 && spread > 10) this.t.zoom(this.spread / spread);
      this.spread = spread;
    } else if (this.moved > DRAG_LEAST) {
      hideTip();
      this.t.move((before - event.clientX) / this.t.width());
    }
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    const p = this.moved <= DRAG_LEAST ? this.hit(event) : -1;
    if (p < 0) return;
    hideTip();
    select(p, this.t.canvas);
  }

  // wheel zooms once the timeline has the focus, or with Ctrl; until then the page scrolls.
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== this.t.canvas) return;
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.t.move((event.deltaX || event.deltaY) / this.t.width());
    else this.t.zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) * .003), this.timeOf(event));
  }

  // jump moves the view to where the overview was pressed.
  jump(event) {
    const {t} = this, share = (event.clientX - t.overview.getBoundingClientRect().left - t.gutter()) / t.width();
    const at = t.full.from + share * (t.full.to - t.full.from), half = (t.to - t.from) / 2;
    t.show(at - half, at + half);
  }

  key(event) {
    const {t} = this, length = t.to - t.from;
    const act = {
      ArrowRight: () => event.shiftKey ? t.move(.2) : this.walk(1), ArrowLeft: () => event.shiftKey ? t.move(-.2) : this.walk(-1), ArrowDown: () => this.climb(1), ArrowUp: () => this.climb(-1),
      "+": () => t.zoom(1 / 1.6), "=": () => t.zoom(1 / 1.6), "-": () => t.zoom(1.6), 0: () => t.fit(), Home: () => t.show(t.full.from, t.full.from + length), End: () => t.show(t.full.to - length, t.full.to),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  // walk selects the next operation of the lane, and the first one in view to begin with.
  walk(step) {
    const {t} = this, p = t.selected;
    if (t.matching === 0) return;
    if (p < 0 || !t.matched[p]) return this.pick(inTime.find(p => t.matched[p] && starts[p] >= t.from) ?? inTime.find(p => t.matched[p]));
    const {ops} = t.rows[t.rowOf[p]];
    this.pick(ops[ops.indexOf(p) + step]);
  }

  // climb selects the operation of the next lane that is nearest in time.
  climb(step) {
    const {t} = this, p = t.selected;
    if (p < 0 || !t.matched[p]) return this.walk(1);
    const row = t.rows[t.rowOf[p] + step];
    if (row) this.pick(row.ops.reduce((a, b) => Math.abs(starts[b] - starts[p]) < Math.abs(starts[a] - starts[p]) ? b : a));
  }

  pick(p) {
    if (p === undefined) return;
    this.t.into(p);
    select(p, this.t.canvas);
  }
}
