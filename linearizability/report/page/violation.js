// The drawing of a violation: the operations that contradict each other and what surrounds them, as SVG.

const LANE = 27, BAR = 19, STRIP = 17, CHARACTER = 7.25;
const drawings = []; // by card: {redraw, eased, order}

// linear and eased map time to pixels. Eased gives each stretch between two ends at least some room, more within an operation that
// contradicts, and shortens long ones, so that operations which are short and far apart can still be told apart; it keeps the order
// of all times.
function linear(from, to, left, right) {
  return t => left + (Math.min(Math.max(t, from), to) - from) / Math.max(to - from, 1) * (right - left);
}
function eased(knots, focus, left, right) {
  const lengths = knots.slice(1).map((t, i) => (t - knots[i]) ** 0.3), total = sum(lengths) || 1;
  const wanted = knots.slice(1).map((t, i) => focus.some(p => starts[p] <= knots[i] && t <= ends[p]) ? 96 : 34);
  const share = Math.min(1, (right - left) * .8 / sum(wanted)), rest = right - left - share * sum(wanted), edges = [left];
  lengths.forEach((length, i) => edges.push(edges[i] + share * wanted[i] + rest * length / total));
  return t => {
    if (t <= knots[0]) return left;
    for (let i = 1; i < knots.length; i++) {
      if (t <= knots[i]) return edges[i - 1] + (t - knots[i - 1]) / (knots[i] - knots[i - 1]) * (edges[i] - edges[i - 1]);
    }
    return right;
  };
}

const sum = list => list.reduce((a, b) => a + b, 0);

// knotsOf returns the times at which a contradicting operation starts or ends, with those of the window around them.
function knotsOf(card, focus) {
  const times = [card.from, card.to, ...focus.flatMap(p => [starts[p], ends[p]])].filter(t => t >= card.from && t <= card.to);
  return [...new Set(times)].sort((a, b) => a - b);
}

// crowded says that a linear scale would draw some end too near to the next, or a contradicting operation too short to read.
function crowded(knots, focus, scale) {
  return knots.some((t, i) => i > 0 && scale(t) - scale(knots[i - 1]) < 12) || focus.some(p => isFinite(ends[p]) && scale(ends[p]) - scale(starts[p]) < 40);
}

// rowsOf puts operations into lanes: one for each client, more where a client has several operations at once.
function rowsOf(list) {
  const rows = [], byClient = new Map();
  for (const p of [...list].sort((a, b) => starts[a] - starts[b] || a - b)) {
    const client = cols.client[p];
    if (!byClient.has(client)) byClient.set(client, []);
    const own = byClient.get(client);
    let row = own.find(row => row.busy < starts[p] || row.busy === starts[p] && row.busy > row.since);
    if (!row) own.push(row = {client, ops: [], first: own.length === 0});
    row.ops.push(p);
    row.since = starts[p];
    row.busy = isFinite(ends[p]) ? ends[p] : starts[p] + 1;
  }
  [...byClient.keys()].sort((a, b) => a - b).forEach(client => rows.push(...byClient.get(client)));
  return rows;
}

// strips returns the marks of one kind that touch a span of time, those that overlap below each other, at most so many deep.
function strips(kind, from, to, deep) {
  const rows = [];
  for (const mark of record.marks) {
    if (mark.kind !== kind || mark.to < from || mark.from > to) continue;
    let row = rows.find(row => row.at(-1).to <= mark.from);
    if (!row && rows.length < deep) rows.push(row = []);
    (row || rows.at(-1)).push(mark);
  }
  return rows;
}
const markText = mark => mark.kind === LEADER ? [mark.node && mark.node + " leads", mark.text].filter(Boolean).join(", ") || "a leader"
  : [mark.text, !mark.text.includes(mark.node) && mark.node].filter(Boolean).join(" ");
const markSpan = mark => exact(mark.from) + (mark.to > 9e18 ? " on" : " to " + exact(mark.to));

function drawWindow(c) {
  const card = record.cards[c], figure = document.querySelector(`[data-window="${c + 1}"]`), drawing = drawings[c];
  if (!figure || card.ops.length === 0) return;
  const ops = card.ops.map(index => places.get(index)), focus = ops.slice(0, card.focus);
  const width = Math.max(figure.clientWidth, 280), gutter = width < 560 ? 72 : 104, left = gutter, right = width - 14;
  const knots = knotsOf(card, focus), straight = linear(card.from, card.to, left, right);
  const mustEase = crowded(knots, focus, straight);
  const isEased = drawing.eased === null ? mustEase : drawing.eased;
  const x = isEased ? eased(knots, focus, left, right) : straight;
  const rows = rowsOf(ops), bands = [...strips(NOTE, card.from, card.to, 1), ...strips(LEADER, card.from, card.to, 1), ...strips(FAULT, card.from, card.to, 3)];
  const top = 8 + bands.length * STRIP, bottom = top + rows.length * LANE, height = bottom + 26;
  const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
    "aria-label": `Timeline of violation ${c + 1}: ${focus.length} contradicting operations among ${ops.length}`});
  const y = new Map();
  rows.forEach((row, r) => row.ops.forEach(p => y.set(p, top + r * LANE + LANE / 2)));
  const outside = svg("g", {"pointer-events": "none"}); // labels beside their bars, above the arrows
  const frame = {outside, card, c, x, y, left, right, top, bottom, focus, knots, isEased, order: drawing.order, gutter};
  drawBands(root, frame, bands);
  drawAxis(root, frame);
  drawLanes(root, frame, rows);
  const bars = svg("g");
  rows.forEach(row => row.ops.forEach((p, i) => drawBar(bars, frame, p, row.ops[i + 1], roomAround(frame, row, i))));
  root.append(drawReads(frame), bars, drawBefore(frame), outside, drawPins(frame));
  figure.replaceChildren(root, legendOf(c, mustEase, isEased, frame));
  if (selected >= 0) markSelected(selected);
}

function drawBands(root, f, bands) {
  bands.forEach((row, r) => {
    const above = 2 + r * STRIP, isFault = row[0].kind === FAULT;
    if (r === 0 || bands[r - 1][0].kind !== row[0].kind) root.append(svg("text", {class: "tick", x: f.left - 10, y: above + 12, "text-anchor": "end"}, STRIPS[row[0].kind]));
    row.forEach((mark, i) => {
      const from = f.x(Math.max(mark.from, f.card.from)), to = Math.max(from + 2, f.x(Math.min(mark.to, f.card.to))), text = markText(mark);
      if (isFault) root.append(svg("rect", {class: "fault", x: from, y: above, width: to - from, height: f.bottom - above}), svg("rect", {class: "fault-edge", x: from, y: above, width: to - from, height: 2}));
      else root.append(svg("rect", {class: "leader" + (i % 2 ? " odd" : ""), x: from, y: above, width: to - from, height: STRIP - 3, rx: 2}));
      if ((to - from) > 30) root.append(svg("text", {class: "band-text" + (isFault ? " fault-text" : ""), x: from + 5, y: above + 12}, cut(text, (to - from - 8) / 6)));
      root.lastChild.append(svg("title", {}, text + ", " + markSpan(mark)));
    });
  });
}

function drawAxis(root, f) {
  root.append(svg("path", {class: "axis", d: `M${f.left} ${f.bottom + .5}H${f.right}`}));
  const list = f.isEased ? f.knots.slice(1, -1).map(t => ({t, text: exact(t)})) : ticks(f.card.from, f.card.to, f.right - f.left, 110);
  let free = f.left - 20;
  for (const {t, text} of list) {
    const x = f.x(t), half = text.length * 3.2;
    root.append(svg("path", {class: "grid", d: `M${x.toFixed(1)} ${f.top - 4}V${f.bottom + 4}`}));
    if (x - half < free || x + half > f.right + 14) continue;
    root.append(svg("text", {class: "tick", x: x.toFixed(1), y: f.bottom + 18, "text-anchor": "middle"}, text));
    free = x + half + 8;
  }
}

function drawLanes(root, f, rows) {
  const main = new Set(f.focus.map(p => cols.client[p]));
  rows.forEach((row, r) => {
    const y = f.top + r * LANE + LANE / 2;
    root.append(svg("path", {class: "lane", d: `M${f.left} ${y}H${f.right}`}));
    if (row.first) root.append(svg("text", {class: "lane-name" + (main.has(row.client) ? " main" : ""), x: f.left - 10, y: y + 4.5, "text-anchor": "end"},
      cut(record.clients[row.client], (f.gutter - 12) / 6.6), svg("title", {}, record.clients[row.client])));
  });
}

const cut = (text, length) => text.length <= length ? text : length < 2 ? "" : text.slice(0, Math.max(1, Math.floor(length) - 1)) + "…";

// fitting returns what can be said of an operation in so many characters: all, its value, a part if that still says something, or nothing.
function fitting(p, length) {
  const text = shortOf(p);
  if (text.length <= length) return text;
  const told = cols.writes[p] >= 0 ? cols.writes[p] : cols.reads[p], value = told >= 0 ? record.strings[told] : "";
  if (value && value.length <= length) return value;
  return length >= 9 ? cut(text, length) : "";
}

// spanOf returns where a bar starts and ends; one that never returned fades out to the next in its lane.
function spanOf(f, p, next) {
  const from = f.x(starts[p]);
  if (isFinite(ends[p])) return [from, Math.max(from + 3, f.x(ends[p]))];
  return [from, next === undefined ? f.right : Math.max(from + 8, f.x(starts[next]) - 3)];
}

// roomAround returns how far a label beside a bar may reach: to the bars before and after it in its lane, their pins and labels.
function roomAround(f, row, i) {
  const before = row.ops[i - 1], after = row.ops[i + 1];
  return {row, from: before === undefined ? f.left - 8 : Math.max(spanOf(f, before, row.ops[i])[1] + 3, (row.told || 0) + 6),
    to: after === undefined ? f.right + 10 : f.x(starts[after]) - (f.focus.includes(after) ? 11 : 3)};
}

function drawBar(parent, f, p, next, room) {
  const [from, to] = spanOf(f, p, next), above = f.y.get(p) - BAR / 2, isFocus = f.focus.includes(p), width = to - from;
  const group = svg("g", {class: `op ${classOf(p)} ${isFocus ? "focus" : "near"}`, "data-place": p, tabindex: isFocus ? 0 : -1, role: "button",
    "aria-label": `${isFocus ? "contradicting, number " + (f.focus.indexOf(p) + 1) + ": " : ""}${clientOf(p)}, ${callOf(p)}, ${resultOf(p)}, from ${exact(starts[p])} to ${exact(ends[p])}`});
  const body = svg("rect", {class: "body", x: from, y: above, width, height: BAR, rx: 3});
  group.append(body);
  if (cols.outcome[p] === UNKNOWN) group.append(fade(from, above, width, p));
  if (isFocus) group.append(cols.outcome[p] === UNKNOWN
    ? svg("path", {class: "edge", d: `M${Math.min(to, from + 60)} ${above}H${from}V${above + BAR}H${Math.min(to, from + 60)}`})
    : svg("rect", {class: "edge", x: from, y: above, width, height: BAR, rx: 3}));
  group.append(svg("rect", {class: "halo", x: from - 3, y: above - 3, width: width + 6, height: BAR + 6, rx: 5}));
  labelBar(group, f, p, from, to, isFocus, room);
  placeOnBar(group, f, p, to, above);
  listen(group, p);
  parent.append(group);
}

// fade draws an open end: steps of ever less colour.
function fade(from, above, width, p) {
  const group = svg("g"), steps = 24, part = width / steps;
  const colour = isRead(p) ? "var(--read)" : cols.kind[p] === 3 ? "var(--delete)" : "var(--write)";
  for (let i = 0; i < steps; i++) {
    const step = svg("rect", {x: from + i * part, y: above, width: part + .3, height: BAR, "fill-opacity": .6 * (1 - i / steps)});
    step.style.fill = colour;
    group.append(step);
  }
  return group;
}

// labelBar writes what an operation was into its bar if there is room, else beside it where no other label can be.
function labelBar(group, f, p, from, to, isFocus, room) {
  const text = shortOf(p), inner = from + (isFocus ? 14 : 6), y = f.y.get(p) + 4.3;
  if (to - inner >= text.length * CHARACTER + 4) {
    group.append(svg("text", {x: inner, y}, text));
  } else if (isFocus) {
    const right = (room.to - to - 8) / CHARACTER, left = (from - 14 - room.from) / CHARACTER, isRight = right >= Math.min(text.length, 34) || right >= left;
    const inside = fitting(p, (to - inner - 2) / CHARACTER), beside = fitting(p, Math.min(34, Math.max(left, right)));
    if (inside && inside.length >= beside.length) {
      group.append(svg("text", {x: inner, y}, inside));
    } else if (beside) {
      f.outside.append(svg("text", {class: "outside", x: isRight ? to + 8 : from - 14, y, "text-anchor": isRight ? "start" : "end"}, beside));
      if (isRight) room.row.told = to + 8 + beside.length * CHARACTER;
    }
  } else {
    const short = fitting(p, (to - inner - 2) / CHARACTER);
    if (short) group.append(svg("text", {x: inner, y}, short));
  }
}

// placeOnBar writes the place of an operation in the chosen order onto its bar.
function placeOnBar(group, f, p, to, above) {
  if (!f.order) return;
  const place = f.order.at.get(cols.index[p]), isBlocked = f.order.blocked.has(cols.index[p]);
  if (!place && !isBlocked) return;
  const text = place ? amount(place) : "next?", width = text.length * 6.6 + 8;
  group.classList.add("ordered");
  group.append(svg("rect", {class: "place" + (isBlocked ? " blocked" : ""), x: to - width + 4, y: above - 6, width, height: 14, rx: 3}),
    svg("text", {class: "place-text", x: to - width / 2 + 4, y: above + 4.7}, text));
}

function listen(group, p) {
  group.addEventListener("pointermove", event => showTip(p, event.clientX, event.clientY));
  group.addEventListener("pointerleave", hideTip);
  group.addEventListener("focus", () => { const box = group.getBoundingClientRect(); showTip(p, box.left, box.bottom - 8); });
  group.addEventListener("blur", hideTip);
  group.addEventListener("click", () => { hideTip(); select(p, group); });
  group.addEventListener("keydown", event => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); hideTip(); select(p, group); }
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...group.closest("svg").querySelectorAll(".op")].sort((a, b) => starts[a.dataset.place] - starts[b.dataset.place]);
    all[(all.indexOf(group) + step + all.length) % all.length].focus();
  });
}

// drawBefore joins contradicting operations of which one returned before the other was invoked, without those that follow from others.
function drawBefore(f) {
  const group = svg("g", {"aria-hidden": "true"}), before = (a, b) => ends[a] < starts[b];
  f.befores = 0;
  for (const a of f.focus) for (const b of f.focus) {
    if (!before(a, b) || f.focus.some(c => before(a, c) && before(c, b))) continue;
    f.befores++;
    const x1 = Math.max(f.x(ends[a]), f.x(starts[a]) + 3), x2 = f.x(starts[b]) - 10, y1 = f.y.get(a), y2 = f.y.get(b), bend = x2 - x1 < 14 ? 0 : Math.max(14, (x2 - x1) / 2);
    group.append(svg("path", {class: "before", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - 7 - bend} ${y2} ${x2 - 6} ${y2}`}),
      svg("path", {class: "before-head", d: `M${x2} ${y2}l-8 -4.5v9z`}));
  }
  return group;
}

// drawReads joins a contradicting write with the contradicting results that show its value.
function drawReads(f) {
  const group = svg("g", {"aria-hidden": "true"});
  f.reads = 0;
  for (const w of f.focus) for (const r of f.focus) {
    if (w === r || cols.writes[w] < 0 || cols.writes[w] !== cols.reads[r] || cols.key[w] !== cols.key[r]) continue;
    f.reads++;
    const y1 = f.y.get(w), y2 = f.y.get(r), down = y2 >= y1 ? 1 : -1, half = BAR / 2;
    const x1 = f.x(starts[w]) + Math.min(26, (f.x(Math.min(ends[w], f.card.to)) - f.x(starts[w])) / 2);
    const x2 = f.x(starts[r]) + Math.min(34, (f.x(Math.min(ends[r], f.card.to)) - f.x(starts[r])) / 2);
    const from = y1 + half * down, to = y2 - (half + 8) * (y1 === y2 ? -down : down), reach = Math.max(20, Math.abs(to - from) * .6) * down;
    const head = y1 === y2 ? -down : down;
    group.append(svg("path", {class: "from", d: `M${x1} ${from}C${x1} ${from + reach} ${x2} ${to - reach * (y1 === y2 ? -1 : 1)} ${x2} ${to}`}),
      svg("path", {class: "from-head", d: `M${x2} ${to + 7 * head}l-4.5 ${-8 * head}h9z`}));
  }
  return group;
}

function drawPins(f) {
  const group = svg("g", {"aria-hidden": "true", "pointer-events": "none"});
  f.focus.forEach((p, n) => group.append(svg("circle", {class: "pin", cx: f.x(starts[p]), cy: f.y.get(p), r: 9.5}),
    svg("text", {class: "pin-text", x: f.x(starts[p]), y: f.y.get(p) + 4}, String(n + 1))));
  return group;
}

function legendOf(c, mustEase, isEased, f) {
  const item = (picture, text) => el("span", {}, svg("svg", {viewBox: "0 0 34 14", "aria-hidden": "true"}, picture), text);
  const has = test => f.card.ops.some(index => test(places.get(index)));
  const parts = [];
  if (f.befores) parts.push(item([svg("path", {class: "before", d: "M1 7H26"}), svg("path", {class: "before-head", d: "M34 7l-8 -4.5v9z"})], "returned before the other was invoked"));
  if (f.reads) parts.push(item([svg("path", {class: "from", d: "M1 7H26"}), svg("path", {class: "from-head", d: "M34 7l-8 -4.5v9z"})], "its value was read or compared"));
  if (has(p => cols.outcome[p] === UNKNOWN)) parts.push(item([svg("rect", {class: "leader odd", x: 0, y: 2, width: 12, height: 10}), svg("rect", {class: "leader", x: 12, y: 2, width: 12, height: 10})], "never returned"));
  const line = el("div", {class: "legend"}, parts);
  if (isEased) line.append(el("span", {}, "Drawn not to scale: long stretches are shortened, and the order of all ends is kept."));
  const push = el("span", {class: "push"});
  if (mustEase) push.append(button(isEased ? "Draw to scale" : "Spread out", () => { drawings[c].eased = !isEased; drawWindow(c); }), " ");
  push.append(button("Show on the whole timeline", () => timeline.showCard(c)));
  line.append(push);
  return line;
}
