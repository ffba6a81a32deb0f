// Mouse, touch and keys on the timeline.

const DRAG_LEAST = 3; // pixels; a press that moves less is a click
const REACH = 5;      // pixels from a line that still count as on it

class Gestures {
  constructor(view) {
    this.v = view;
    this.pointers = new Map();
    const on = (target, handlers, options) => Object.entries(handlers).forEach(([name, act]) => target.addEventListener(name, act, options));
    for (const canvas of [view.canvas, view.head]) {
      on(canvas, {pointerdown: event => this.press(event, canvas), pointermove: event => this.pointers.has(event.pointerId) ? this.drag(event, canvas) : this.hover(event, canvas),
        pointerup: event => this.release(event, canvas), pointercancel: event => this.pointers.delete(event.pointerId), pointerleave: hideTip, dblclick: event => view.zoom(.35, this.timeOf(event))});
      on(canvas, {wheel: event => this.wheel(event)}, {passive: false});
    }
    on(view.canvas, {keydown: event => this.key(event)});
    on(view.scroller, {scroll: () => view.schedule()});
    on(view.overview, {pointerdown: event => { view.overview.setPointerCapture(event.pointerId); this.jump(event); },
      pointermove: event => { if (view.overview.hasPointerCapture(event.pointerId)) this.jump(event); }, dblclick: () => view.fit()});
    on(view.overview, {wheel: event => this.wheel(event)}, {passive: false});
    on(window, {keydown: event => this.pageKey(event)});
  }

  timeOf(event) { return this.v.timeAt(event.clientX - this.v.canvas.getBoundingClientRect().left); }

  // hit returns what is drawn under the pointer: the last drawn of the nearest.
  hit(event, canvas) {
    const {v} = this, box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top + (canvas === v.canvas ? v.scrolled : 0);
    let best = null, nearest = REACH;
    for (const h of canvas === v.head ? v.painter.headHits : v.painter.hits) {
      const far = h.line ? distance(x, y, h.line) : x < h.x0 || x > h.x1 || y < h.y0 || y > h.y1 ? Infinity : Math.abs(x - (h.x0 + h.x1) / 2) > 8 ? 1 : 0;
      if (far <= nearest) [best, nearest] = [h, far];
    }
    return best;
  }

  hover(event, canvas) {
    const h = this.hit(event, canvas);
    canvas.style.cursor = h ? "pointer" : "";
    if (!h) return hideTip();
    const {i} = h, lines = [stamp(at[i])];
    if (h.message) lines.push(fateOf(h.message));
    if (h.operation) tipAt(event.clientX, event.clientY, [callOf(h.operation) + " → " + resultOf(h.operation), clientName(h.operation.client) + ", operation " + h.operation.number, lastedOf(h.operation)]);
    else if (h.fault) tipAt(event.clientX, event.clientY, [faultName(h.fault), h.fault.says, stamp(h.fault.at) + " to " + (h.fault.end === Infinity ? "the end" : stamp(h.fault.end))]);
    else tipAt(event.clientX, event.clientY, [says(i), ...lines]);
  }

  press(event, canvas) {
    this.pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
    this.moved = 0;
    this.spread = this.fingers();
  }
  fingers() {
    const xs = [...this.pointers.values()].map(({x}) => x);
    return Math.max(...xs) - Math.min(...xs);
  }

  // drag moves the view, or zooms it when two fingers do.
  drag(event) {
    const {v} = this, before = this.pointers.get(event.pointerId);
    this.pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    this.moved += Math.abs(event.clientX - before.x) + Math.abs(event.clientY - before.y);
    if (this.pointers.size > 1) {
      const spread = this.fingers();
      if (this.spread > 10 && spread > 10) v.zoom(this.spread / spread, this.timeOf(event));
      this.spread = spread;
    } else if (this.moved > DRAG_LEAST) {
      hideTip();
      v.move((before.x - event.clientX) / v.width());
      v.scroller.scrollTop += before.y - event.clientY;
    }
  }

  release(event, canvas) {
    this.pointers.delete(event.pointerId);
    if (this.moved > DRAG_LEAST) return;
    hideTip();
    const h = this.hit(event, canvas);
    this.v.canvas.focus({preventScroll: true});
    if (h) return this.v.look(h.i);
    this.nearest(event, canvas);
  }

  // nearest looks at the event of the lane that is nearest in time: marks may stand too close to be told apart.
  nearest(event, canvas) {
    const {v} = this, t = this.timeOf(event), box = v.canvas.getBoundingClientRect(), lane = canvas === v.canvas ? v.lanes.of(event.clientY - box.top + v.scrolled) : {}, {passes} = v.filters;
    const fits = i => passes[i] && (!lane.node || node[i] === lane.node) && (!lane.client || client[i] === lane.client);
    const middle = placeAt(t), ways = [[middle - 1, -1], [middle, 1]].map(([i, step]) => { while (i >= 0 && i < count && !fits(i)) i += step; return i; }).filter(i => i >= 0 && i < count);
    if (ways.length) v.look(ways.reduce((a, b) => Math.abs(at[a] - t) <= Math.abs(at[b] - t) ? a : b));
  }

  // wheel zooms at the pointer; with Shift, or sideways, it moves the view; over the names it scrolls the lanes.
  wheel(event) {
    const {v} = this;
    event.preventDefault();
    if (event.clientX - v.canvas.getBoundingClientRect().left < v.gutter()) v.scroller.scrollTop += event.deltaY;
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) v.move((event.deltaX || event.deltaY) / v.width());
    else v.zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) * .0035), this.timeOf(event));
  }

  // jump moves the view to where the overview was pressed.
  jump(event) {
    const {v} = this, share = (event.clientX - v.overview.getBoundingClientRect().left - v.gutter()) / v.width(), t = share * (end + 2 * v.pad) - v.pad, half = (v.to - v.from) / 2;
    v.show(t - half, t + half);
  }

  key(event) {
    const {v} = this, isShift = event.shiftKey;
    const act = {
      ArrowRight: () => isShift ? v.move(.2) : v.step(1), ArrowLeft: () => isShift ? v.move(-.2) : v.step(-1), ArrowDown: () => v.stepIn(1), ArrowUp: () => v.stepIn(-1),
      PageDown: () => v.step(1, 100), PageUp: () => v.step(-1, 100), Home: () => v.toEdge(-1), End: () => v.toEdge(1),
      "+": () => v.zoom(1 / 1.8), "=": () => v.zoom(1 / 1.8), "-": () => v.zoom(1.8), 0: () => v.fit(), c: () => v.look(v.current, true), p: () => v.inspector.toPartner(),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  // pageKey works wherever the focus is, but for where people write.
  pageKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
    const act = {"/": () => this.v.filters.search.focus(), v: () => this.v.toFailure(), "?": openLegend}[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

// distance is that of a point from a line between two.
function distance(x, y, [x1, y1, x2, y2]) {
  const dx = x2 - x1, dy = y2 - y1, share = Math.max(0, Math.min(1, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - x1 - share * dx, y - y1 - share * dy);
}
const fateOf = m => m.fate === ARRIVED ? "arrived after " + rough(at[m.arrive] - at[m.send]) : m.fate === LOST ? "lost on the way" : "never arrived";
const lastedOf = o => o.to === Infinity ? stamp(o.from) + ", never returned" : stamp(o.from) + " to " + stamp(o.to) + " (" + rough(o.to - o.from) + ")";
