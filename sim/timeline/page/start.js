// Sets the page up.

function copy(event) {
  const target = event.currentTarget, text = target.dataset.copy;
  const done = () => { target.textContent = "Copied"; setTimeout(() => { target.textContent = "Copy"; }, 1500); };
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text).then(done, () => copyByHand(target, text, done));
  copyByHand(target, text, done);
}
function copyByHand(target, text, done) {
  const area = el("textarea", {readonly: true});
  area.value = text;
  document.body.append(area);
  area.select();
  if (document.execCommand("copy")) done();
  area.remove();
  target.focus();
}

// follow opens what the address names: #event=500, #at=12.4s or #operation=17. It returns false if it names nothing.
function follow(view) {
  const [, name, value] = /^#(event|at|operation)=(.+)$/.exec(location.hash) || [], t = parseTime(value || "");
  const o = name === "operation" && operations.find(o => o.number === +value);
  if (o) view.toOperation(o);
  else if (name === "event" && value >= 1 && value <= count) view.look(value - 1, true);
  else if (name === "at" && !isNaN(t)) view.toTime(t);
  else return false;
  return true;
}

// isOfHistory says that the check of the history found the failure: then it is not where the life ends.
const isOfHistory = () => record.contradictions.some(x => x.operations.length) && (!failure || failure.kind === "linearizability");

function start() {
  document.querySelectorAll(".copy").forEach(node => node.addEventListener("click", copy));
  document.body.append(tip, legend);
  const host = document.getElementById("main");
  document.body.dataset.ready = "yes";
  if (count === 0) return host.replaceChildren(el("p", {class: "note"}, "This life has no events."));
  const view = new View(host), skipped = document.getElementById("skipped");
  if (record.textsSkipped) {
    skipped.hidden = false;
    skipped.append(el("b", {}, "Mind: "), `${plural(record.textsSkipped, "event")} had texts for which there was no room. Replay the life with --trace to read them.`);
  }
  document.getElementById("legend-open").addEventListener("click", openLegend);
  const goFailure = document.getElementById("go-failure");
  if (goFailure) goFailure.addEventListener("click", () => view.toFailure());
  if (!follow(view)) isOfHistory() ? view.toContradiction(record.contradictions.find(x => x.operations.length)) : failed >= 0 ? view.toFailure() : view.look(0);
  addEventListener("hashchange", () => follow(view));
  new ResizeObserver(() => { view.list.draw(); view.draw(); }).observe(view.scroller);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { view.painter.mix(); view.schedule(); });
  view.canvas.focus({preventScroll: true});
}
start();
