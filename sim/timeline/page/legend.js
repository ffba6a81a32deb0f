// The legend, and what the keys do.

const swatch = (role, text) => el("span", {class: "swatch"}, el("i", {"data-role": role}), text);
const quickLegend = () => el("span", {class: "quick", "aria-hidden": "true"}, ["leader", "candidate", "pre-candidate", "follower", "learner", "down"].filter(role => spans.some(list => list.some(span => span.role === role))).map(role => swatch(role, role)));

const LEGEND = [
  ["Nodes", [["leader", "leader"], ["candidate", "candidate"], ["pre-candidate", "pre-candidate: asks whether an election could be won"], ["follower", "follower"], ["learner", "learner: has no vote"], ["down", "down, or ended itself"],
    ["term", "strip under the bar: the term. One colour is one term; every other term is paler, too"], ["applied", "notch at the foot of the bar: entries were applied"], ["start", "has recovered and runs"], ["crash", "lost power"], ["exit", "ended itself after an error"], ["says", "dot above the bar: the raft engine says something"]]],
  ["Messages", [["m-append", "append: entries"], ["m-response", "response to an append"], ["m-vote", "vote, pre-vote, and their answers"], ["m-beat", "heartbeat"], ["m-snapshot", "snapshot"], ["m-other", "all others"], ["m-lost", "lost on the way"], ["m-gone", "a copy that comes later; short: never arrived: the receiver was down, cut off, or the life ended"], ["m-density", "too many for arrows: how many leave and reach the node"]]],
  ["Disk", [["d-write", "write"], ["d-sync", "sync, of a file or a directory"], ["d-other", "create, rename, remove, truncate, preallocate"], ["snap", "snapshot: save, saved, send, received; with its index"]]],
  ["Clients", [["c-write", "write, done"], ["c-read", "read, done"], ["c-delete", "delete, done"], ["c-failed", "condition failed"], ["c-refused", "refused: had no effect"], ["c-unknown", "unknown: may have taken effect"], ["c-member", "change of the membership"], ["c-request", "dotted: an attempt reaches a node; dashed: the node answers"], ["c-pin", "number in a contradiction that the check found"]]],
  ["World", [["fault", "fault, from begin to end; a node's own shades its lane, others shade all"], ["probe", "probe: something that must happen sometimes"], ["fail", "what must not happen"]]],
];
const KEYS = [["← →", "event before, next event"], ["↑ ↓", "the same on this node"], ["Page ↑ ↓", "100 events at once"], ["Home End", "first, last event"], ["+ − 0", "zoom in, out, whole life"], ["Shift ← →", "move the view"], ["p", "to the other end: of a message, of a call"], ["c", "centre the event"], ["v", "the violation"], ["/", "find"], ["?", "this legend"]];

const legend = el("dialog", {id: "legend", "aria-labelledby": "legend-title"},
  el("form", {method: "dialog"}, el("h2", {id: "legend-title"}, "Legend"), el("button", {class: "close", "aria-label": "Close the legend"}, "×")),
  el("div", {class: "columns"}, LEGEND.map(([name, items]) => el("section", {}, el("h3", {}, name), el("ul", {}, items.map(([role, text]) => el("li", {}, el("i", {"data-role": role}), text))))),
    el("section", {}, el("h3", {}, "Keys"), el("dl", {}, KEYS.map(([key, text]) => [el("dt", {}, key), el("dd", {}, text)])), el("p", {class: "soft", id: "canvas-hint"}, "Scroll to zoom, with Shift to move; drag to move; a click looks at the nearest event. A chip with Shift shows only its kind."),
      el("p", {class: "soft"}, "State events are not drawn: the panel beside shows them. Hashes of what the disks were given are not on the page."))));
const openLegend = () => legend.showModal();
