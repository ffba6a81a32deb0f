// The list of the events around the one that is looked at: what the trace says.

const LINE = 20; // pixels

class List {
  constructor(view, host) {
    Object.assign(this, {v: view, host});
    host.setAttribute("role", "group");
    host.setAttribute("aria-label", "Events around");
    host.addEventListener("wheel", event => { event.preventDefault(); view.step(Math.sign(event.deltaY), 3); }, {passive: false});
  }

  draw() {
    const room = Math.max(3, Math.floor((this.host.clientHeight - 4) / LINE)), rows = this.around(room);
    this.host.replaceChildren(el("table", {}, el("tbody", {}, rows.map(i => this.row(i)))));
  }

  // around returns the events that pass the filters, and the one that is looked at even if it does not.
  around(room) {
    const {v} = this, {filters, current} = v, rows = current >= 0 ? [current] : [], before = Math.floor(room * .45);
    for (let i = filters.next(current - 1, -1); i >= 0 && rows.length <= before; i = filters.next(i - 1, -1)) rows.unshift(i);
    for (let i = filters.next(current + 1, 1); i >= 0 && rows.length < room; i = filters.next(i + 1, 1)) rows.push(i);
    for (let i = filters.next((rows[0] ?? 0) - 1, -1); i >= 0 && rows.length < room; i = filters.next(i - 1, -1)) rows.unshift(i);
    return rows;
  }

  row(i) {
    const isHere = i === this.v.current, move = rough(at[i] - (this.v.current >= 0 ? at[this.v.current] : 0));
    return el("tr", {class: isHere ? "here" : kind[i] === K.fail ? "bad" : null, "aria-current": isHere ? "true" : null, "data-event": i, onclick: () => this.v.look(i)},
      el("td", {class: "num"}, (at[i] / 1e6).toFixed(6)), el("td", {class: "num soft"}, isHere ? "" : (at[i] >= at[this.v.current] ? "+" : "") + move),
      el("td", {class: "kind", "data-kind": record.kinds[kind[i]].name}, nameOf(i)), el("td", {}, node[i] ? nodeName(node[i]) : "-"), el("td", {class: "rest"}, restOf(i)));
  }
}
