// The side panel: the event that is looked at, and the state of each node after it.

const CALLS_MAX = 6;  // open calls that are listed
const WIDE_TEXT = 14; // characters; a longer text takes a line of its own

class Inspector {
  constructor(view, host) {
    this.v = view;
    this.place = el("output", {id: "place"});
    this.goTo = el("input", {id: "go", type: "text", placeholder: "12.4s or #500", "aria-label": "Go to a time or to the event of a number", onkeydown: event => { if (event.key === "Enter") this.go(event.target.value); }});
    this.event = el("section", {id: "event", "aria-live": "polite", "aria-label": "Event"});
    this.state = el("section", {id: "state", "aria-label": "State of each node after this event"});
    this.around = el("section", {id: "around", "aria-label": "Faults and calls under way"});
    put(host, this.steps(), this.event, this.state, this.around, this.contradictions());
  }

  steps() {
    const {v} = this, step = (text, label, title, id, act) => button(text, act, {class: "square", "aria-label": label, title, id});
    return el("div", {class: "steps", role: "group", "aria-label": "Step"},
      step("«", "First event", "First event that passes the filters (Home)", "first", () => v.toEdge(-1)), step("‹", "Event before", "Event before (←)", "back", () => v.step(-1)),
      step("›", "Next event", "Next event (→)", "next", () => v.step(1)), step("»", "Last event", "Last event that passes the filters (End)", "last", () => v.toEdge(1)),
      failed >= 0 && button("Violation", () => v.toFailure(), {id: "to-failure", class: "bad", title: "What must not happen (v)"}), this.goTo, this.place);
  }

  // go takes a time, or a number of an event.
  go(text) {
    const number = /^\s*#\s*([\d,]+)\s*$/.exec(text), t = parseTime(text);
    if (number) this.v.look(Math.max(0, Math.min(count - 1, +number[1].replaceAll(",", "") - 1)), true);
    else if (!isNaN(t)) this.v.toTime(t);
    this.goTo.setAttribute("aria-invalid", !number && isNaN(t));
  }

  tellPlace() {
    const i = this.v.current;
    this.place.textContent = i < 0 ? "" : `#${amount(i + 1)} of ${amount(count)}` + (this.v.filters.passes[i] ? "" : ", filtered out");
  }

  draw() {
    const i = this.v.current;
    this.tellPlace();
    if (i < 0) return;
    this.drawEvent(i);
    this.drawState(i);
    this.drawAround(i);
  }

  drawEvent(i) {
    const rows = [["at", stamp(at[i])]];
    if (node[i]) rows.push(["node", nodeName(node[i])]);
    if (peer[i]) rows.push([kind[i] === K.role ? "leader" : toward(i), nodeName(peer[i])]);
    if (client[i]) rows.push(["client", clientName(client[i])]);
    if (whatOf(i) && kind[i] !== K.disk && kind[i] !== K.fail) rows.push([kind[i] === K.role ? "role" : "what", whatOf(i)]);
    record.kinds[kind[i]].fields.forEach((field, f) => rows.push([field, bigOf(numbers[first[i] + f])]));
    if (textOf(i)) rows.push([kind[i] === K.disk ? "file" : "text", textOf(i)]);
    const o = operations[operationOf[i]], f = faults.find(f => f.from === i || f.to === i);
    if (f && f.says) rows.push(["fault", f.says]);
    if (o) rows.push(["call", callOf(o)], ["result", resultOf(o)], ["took", o.to === Infinity ? "never returned" : rough(o.to - o.from)]);
    put(this.event, el("h2", {class: kind[i] === K.fail ? "bad" : null}, (kind[i] === K.disk ? "disk " : "") + nameOf(i) + (node[i] ? " " + nodeName(node[i]) : "") + (whatOf(i) && kind[i] !== K.disk ? " " + whatOf(i) : "")),
      el("dl", {}, rows.map(([name, text]) => el("div", {class: String(text).length > WIDE_TEXT ? "wide" : null}, el("dt", {}, name), el("dd", {class: "mono"}, text)))), this.links(i, o));
  }

  links(i, o) {
    const {v} = this, list = [], m = messages.find(m => m.send === i || m.arrive === i);
    if (m && kind[i] !== K.receive) list.push(m.arrive >= 0 ? this.link(`arrives after ${rough(at[m.arrive] - at[m.send])}`, m.arrive) : el("span", {class: "soft"}, fateOf(m)));
    if (m && kind[i] === K.receive) list.push(this.link(`sent ${rough(at[i] - at[m.send])} before`, m.send));
    if (o && o.invoke !== i) list.push(this.link("invoke", o.invoke));
    if (o && o.return >= 0 && o.return !== i) list.push(this.link("return", o.return));
    if (o) for (const pin of o.pins) list.push(record.report ? el("a", {href: record.report + "#violation-" + record.contradictions[pin.contradiction].card}, `number ${pin.number} of violation ${record.contradictions[pin.contradiction].card} in the report`)
      : el("span", {class: "bad"}, `number ${pin.number} of a contradiction`));
    return list.length ? el("p", {class: "links"}, list) : null;
  }
  link(text, i) { return button(text, () => this.v.look(i), {class: "plain"}); }

  // toPartner goes from a sending to its arrival, from a call to its return, and back.
  toPartner() {
    const i = this.v.current, o = operations[operationOf[i]];
    if (partner[i] >= 0) this.v.look(partner[i]);
    else if (o) this.v.look(i === o.invoke ? Math.max(o.return, i) : o.invoke);
  }

  drawState(i) {
    const now = stateAfter(i), before = stateAfter(i - 1), active = faultsAfter(i), rows = [];
    for (let n = 1; n <= record.nodes; n++) rows.push(this.stateRow(n, now, before, isPaused(n, active), i));
    put(this.state, el("h3", {}, "State after this event"), el("table", {}, el("thead", {}, el("tr", {}, ["", "role", "term", "vote", "commit", "applied", "last"].map((name, c) => el("th", {scope: "col", class: c > 1 ? "num" : null}, name)))), el("tbody", {}, rows)));
  }

  stateRow(n, now, before, paused, i) {
    const base = n * WIDE, up = now[base + F_UP], role = up === UP ? roleOf(now, n) : ["not started", "", "down", "exited"][up];
    const cell = (f, text) => el("td", {class: "num" + (now[base + f] !== before[base + f] ? " changed" : "")}, text);
    const plain = f => now[base + f] < 0 ? "–" : amount(now[base + f]);
    const hash = now[base + F_HASHED] < 0 ? null : `state ${bigOf(now[base + F_HASH])} at index ${now[base + F_HASHED]}`;
    return el("tr", {"data-node": n, class: (up === UP ? "" : "off ") + (node[i] === n ? "here" : "")}, el("th", {scope: "row"}, nodeName(n)),
      el("td", {class: "role" + (now[base + F_ROLE] !== before[base + F_ROLE] || up !== before[base + F_UP] ? " changed" : "")}, el("i", {"data-role": up === UP ? role : "down"}), role, paused && el("b", {class: "paused"}, " paused")),
      cell(F_TERM, plain(F_TERM)), cell(F_VOTE, now[base + F_VOTE] > 0 ? nodeName(now[base + F_VOTE]) : "–"), cell(F_COMMIT, plain(F_COMMIT)),
      fill(cell(F_APPLIED, plain(F_APPLIED)), {title: hash}, []), cell(F_LAST, plain(F_LAST)));
  }

  drawAround(i) {
    const active = faultsAfter(i), open = operations.filter(o => o.invoke <= i && (o.return < 0 || i < o.return)), flying = this.flying(i);
    const left = open.length - CALLS_MAX;
    put(this.around, 
      el("h3", {}, active.length ? plural(active.length, "fault") + " active" : "No fault active"),
      active.length ? el("ul", {id: "active"}, active.map(f => el("li", {}, button(faultName(f), () => this.v.look(f.from), {class: "plain fault", title: "Go to its beginning"}), " ", el("span", {class: "soft"}, f.says)))) : null,
      el("h3", {}, `${plural(open.length, "call")} open, ${plural(flying, "message")} under way`),
      el("ul", {id: "open"}, open.slice(-CALLS_MAX).map(o => el("li", {}, button(clientName(o.client) + " " + callOf(o), () => this.v.toOperation(o), {class: "plain"}), " ", el("span", {class: "soft"}, o.return < 0 ? "never returns" : `since ${rough(at[i] - o.from)}`))),
        left > 0 && el("li", {class: "soft"}, amount(left) + " older")));
  }

  // flying counts the messages that have left and will arrive.
  flying(i) {
    let times = 0;
    for (const m of messages) {
      if (m.send > i) break;
      if (m.arrive > i) times++;
    }
    return times;
  }

  contradictions() {
    if (!record.contradictions.length) return null;
    return el("section", {id: "contradictions", "aria-label": "What the check of the history found"}, el("h3", {class: "bad"}, "The history is not linearizable"), record.contradictions.map(x => el("div", {class: "contradiction"},
      el("p", {}, x.sentence, " ", record.report && el("a", {href: record.report + "#violation-" + x.card}, "In the report")),
      el("ol", {}, x.operations.map((p, m) => el("li", {}, el("span", {class: "badge"}, m + 1), button(clientName(operations[p].client) + " " + callOf(operations[p]) + " → " + resultOf(operations[p]), () => this.v.toOperation(operations[p]), {class: "plain mono"})))),
      x.left > 0 && el("p", {class: "soft"}, plural(x.left, "operation") + " of it not on this page."))), record.contradictionsLeft > 0 && el("p", {class: "soft"}, amount(record.contradictionsLeft) + " more are in the report only."));
  }
}
