// The table of keys.

const ICONS = {
  violation: () => [svg("path", {d: "M5 1h6l4 4v6l-4 4H5l-4-4V5z"}), svg("path", {class: "stroke", d: "M5.5 5.500l5 5m0-5l-5 5"})],
  undecided: () => [svg("path", {d: "M8 .5L15.5 8 8 15.5.5 8z"}), svg("path", {class: "stroke", d: "M8 5v3.500M8 11v.1"})],
  linearizable: () => [svg("circle", {cx: 8, cy: 8, r: 7}), svg("path", {class: "stroke", d: "M4.8 8.300l2.3 2.3 4.2-4.5"})],
  nothing: () => [svg("circle", {cx: 8, cy: 8, r: 6, "stroke-dasharray": "3 2"})],
};
const GRAVITY = {violation: 0, undecided: 1, linearizable: 2, nothing: 3};
const PAGE_ROWS = 200;

function setUpKeys(host) {
  const keys = record.keys.map((key, k) => ({...key, k})).filter(key => key.row);
  const columns = [["Key", key => key.name], ["Verdict", key => GRAVITY[key.verdict]], ["Tier", key => key.tier], ["Operations", key => -key.operations, "num"], ["Steps", key => -key.steps, "num"], ["Why", key => key.why]];
  let sorted = 1, down = true, text = "", only = "", limit = PAGE_ROWS;
  const body = el("tbody"), more = el("div", {class: "status"}), heads = columns.map(([name, , kind], i) => el("th", {scope: "col", class: kind}, button(name, () => { down = sorted === i ? !down : true; sorted = i; draw(); })));
  const verdicts = Object.keys(GRAVITY).filter(name => keys.some(key => key.verdict === name));
  const controls = el("div", {class: "controls", role: "search", "aria-label": "Filters of the table of keys"},
    el("label", {}, "Find", el("input", {type: "search", id: "key-search", placeholder: "key or reason", oninput: event => { text = event.target.value.toLowerCase(); limit = PAGE_ROWS; draw(); }})),
    el("label", {}, "Verdict", el("select", {id: "key-verdict", onchange: event => { only = event.target.value; limit = PAGE_ROWS; draw(); }}, el("option", {value: ""}, "all"), verdicts.map(name => el("option", {value: name}, verdictName(name))))));
  host.replaceChildren(el("div", {class: "panel"}, controls, el("div", {class: "keys-table"}, el("table", {}, el("thead", {}, el("tr", {}, heads)), body)), more));

  function draw() {
    const value = columns[sorted][1], found = keys.filter(key => (!only || key.verdict === only) && (!text || key.name.toLowerCase().includes(text) || key.why.toLowerCase().includes(text)));
    found.sort((a, b) => { const x = value(a), y = value(b); return (x < y ? -1 : x > y ? 1 : 0) * (down ? 1 : -1) || a.k - b.k; });
    heads.forEach((head, i) => i === sorted ? head.setAttribute("aria-sort", (columns[i][2] === "num") === down ? "descending" : "ascending") : head.removeAttribute("aria-sort"));
    heads.forEach((head, i) => { head.firstChild.textContent = columns[i][0] + (i === sorted ? (columns[i][2] === "num") === down ? " ↓" : " ↑" : ""); });
    body.replaceChildren(...found.slice(0, limit).map(rowOf));
    const left = Math.max(0, found.length - limit);
    more.replaceChildren(el("output", {id: "keys-status"}, `${amount(found.length - left)} of ${amount(found.length)} key${found.length === 1 ? "" : "s"}${record.keysLeft ? `; ${amount(record.keysLeft)} keys with the least problems are in the JSON report only` : ""}`),
      left ? button(`Show ${amount(Math.min(left, PAGE_ROWS))} more`, () => { limit += PAGE_ROWS; draw(); }) : "");
  }

  function rowOf(key) {
    const held = key.held < key.all ? ` (${amount(key.held)} of ${amount(key.all)} in this page)` : "";
    return el("tr", {}, el("td", {class: "key"}, button(cut(key.name, 120), () => timeline.showKey(key.k), {class: "plain mono", title: "Show on the timeline" + held})),
      el("td", {}, el("span", {class: "says-verdict " + key.verdict}, svg("svg", {viewBox: "0 0 16 16", width: 15, height: 15, "aria-hidden": "true"}, ICONS[key.verdict]()), verdictName(key.verdict))),
      el("td", {}, key.tier === "none" ? "–" : key.tier), el("td", {class: "num"}, amount(key.operations)), el("td", {class: "num"}, key.steps ? amount(key.steps) : "–"),
      el("td", {class: "why"}, key.why, key.card ? [" ", el("a", {href: "#violation-" + key.card}, "Violation " + key.card)] : "",
        key.verdict !== "violation" && (key.orders || []).length ? [" ", button("Show its order", () => timeline.showKey(key.k), {class: "plain"})] : ""));
  }
  draw();
}
const verdictName = name => name === "nothing" ? "Nothing to check" : name[0].toUpperCase() + name.slice(1);
