// The tip at the pointer, and the details of the operation that is selected.

const tip = el("div", {id: "tip", role: "tooltip", hidden: true});
const details = el("aside", {id: "details", "aria-label": "Details of an operation", "aria-live": "polite", hidden: true});
document.body.append(tip, details);
let opener = null;   // what had the focus before the details
let selected = -1;
let timeline = null; // the Timeline, if the page has one

function showTip(p, x, y) {
  tipAt(x, y, [callOf(p) + " → " + resultOf(p), clientOf(p) + ", " + whereOf(p),
    exact(starts[p]) + " to " + exact(ends[p]) + (isFinite(ends[p]) ? " (" + rough(ends[p] - starts[p]) + ")" : "")]);
}
function tipAt(x, y, [first, ...lines]) {
  tip.replaceChildren(el("b", {}, first), ...lines.flatMap(line => [el("br"), line]));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 4)) + "px";
  tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 12) : y + 18) + "px";
}
const hideTip = () => { tip.hidden = true; };

// select shows everything about an operation, and marks it wherever it is drawn.
function select(p, from) {
  opener = from || opener;
  selected = p;
  const rows = [["client", clientOf(p)], ["key", keyOf(p).name], ["call", callOf(p)], ["result", resultOf(p)],
    ["outcome", OUTCOMES[cols.outcome[p]]], ["invoked", exact(starts[p])], ["returned", exact(ends[p])],
    ["took", isFinite(ends[p]) ? lasted(ends[p] - starts[p]) : isRead(p) ? "no answer came" : "may take effect at any later time, or never"]];
  if (cols.revision[p]) rows.push(["revision", cols.revision[p]]);
  if (cols.keyRevision[p]) rows.push(["key revision", cols.keyRevision[p]]);
  const long = cols.long[cols.index[p]];
  if (long) rows.push(long);
  rows.push(["operation", "number " + cols.index[p] + (cols.line[p] ? ", line " + cols.line[p] : "")]);
  const cards = (pins.get(p) || []).map(({card, number}) => button("Number " + number + " of violation " + card, () => {
    document.getElementById("violation-" + card).scrollIntoView({block: "start"});
  }));
  details.replaceChildren(
    button("×", closeDetails, {class: "close", "aria-label": "Close the details"}),
    el("h3", {}, shortOf(p)),
    el("dl", {}, rows.map(([name, text]) => [el("dt", {}, name), el("dd", {class: "mono"}, text)])),
    el("div", {class: "acts"}, cards, button("Show on the timeline", () => timeline.reveal(p))));
  details.hidden = false;
  markSelected(p);
}

function closeDetails() {
  details.hidden = true;
  selected = -1;
  markSelected(-1);
  if (opener && opener.isConnected) opener.focus({preventScroll: true});
}

function markSelected(p) {
  if (timeline) {
    timeline.selected = p;
    timeline.schedule();
  }
  document.querySelectorAll(".op.lit, tr.lit").forEach(node => node.classList.remove("lit"));
  if (p >= 0) document.querySelectorAll(`.op[data-place="${p}"], tr[data-index="${cols.index[p]}"]`).forEach(node => node.classList.add("lit"));
}

addEventListener("keydown", event => {
  if (event.key === "Escape" && !details.hidden) closeDetails();
});
