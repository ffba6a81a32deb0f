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

function start() {
  document.querySelectorAll(".copy").forEach(node => node.addEventListener("click", copy));
  document.querySelectorAll(".set tr[data-index]").forEach(row => {
    const p = places.get(+row.dataset.index);
    if (p === undefined) return;
    const bars = () => row.closest(".card").querySelectorAll(`.op[data-place="${p}"]`);
    row.addEventListener("click", () => select(p));
    row.addEventListener("pointerenter", () => bars().forEach(bar => bar.classList.add("lit")));
    row.addEventListener("pointerleave", () => { if (selected !== p) bars().forEach(bar => bar.classList.remove("lit")); });
  });
  record.cards.forEach((_, c) => { drawings[c] = {eased: null, order: null, drawn: false}; setUpOrders(c); });
  const near = new IntersectionObserver(entries => entries.forEach(entry => {
    const c = entry.target.dataset.window - 1;
    if (entry.isIntersecting && !drawings[c].drawn) { drawings[c].drawn = true; drawWindow(c); }
  }), {rootMargin: "600px"});
  document.querySelectorAll(".window").forEach(figure => near.observe(figure));
  const whole = document.getElementById("whole"), table = document.getElementById("table");
  if (whole) timeline = new Timeline(whole);
  if (table) setUpKeys(table);
  let wide = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== wide) drawings.forEach((drawing, c) => { if (drawing.drawn) drawWindow(c); });
    wide = innerWidth;
    if (timeline) timeline.schedule();
  });
  addEventListener("beforeprint", () => drawings.forEach((drawing, c) => { drawing.drawn = true; drawWindow(c); }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (!timeline) return;
    timeline.painter.mix();
    timeline.schedule();
  });
}
start();
