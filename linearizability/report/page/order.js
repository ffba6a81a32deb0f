// Orders that the search found, whole or partial.

// chosen makes an order quick to look up.
function chosen(order) {
  if (!order) return null;
  return {order, at: new Map(order.ops.map((index, i) => [index, i + 1])), blocked: new Set((order.blocked || []).map(b => b.op))};
}
const orderName = (order, n) => order.whole ? `Order found: all ${amount(order.ops.length)} operations` : `Partial order ${n}: ${amount(order.ops.length)} of ${amount(order.total)} operations`;

function orderOptions(key) {
  let n = 0;
  return [el("option", {value: ""}, "choose an order to see it"), ...(key.orders || []).map((order, i) => el("option", {value: i}, orderName(order, order.whole ? 0 : ++n)))];
}

function setUpOrders(c) {
  const card = record.cards[c], box = document.querySelector(`[data-orders="${c + 1}"]`), key = record.keys[card.key];
  if (!box || !key || !(key.orders || []).length) return;
  const says = el("div", {class: "says", "aria-live": "polite"});
  const pick = el("select", {id: "order-" + (c + 1), onchange: event => {
    const order = event.target.value === "" ? null : key.orders[event.target.value];
    drawings[c].order = chosen(order);
    drawWindow(c);
    says.replaceChildren(...(order ? describeOrder(order) : []));
  }}, orderOptions(key));
  const left = key.ordersLeft ? ` ${amount(key.ordersLeft)} more are not in this page.` : "";
  box.append(el("div", {class: "pick"}, el("label", {for: "order-" + (c + 1)}, "How far the search came:"), pick, left), says);
}

const LISTED = 24;
function describeOrder(order) {
  const shown = order.ops.slice(-LISTED), skipped = order.ops.length - shown.length;
  const parts = [el("ol", {}, shown.map((index, i) => el("li", {}, el("b", {}, amount(skipped + i + 1)), named(index))))];
  if (skipped) parts.unshift(el("p", {class: "note"}, `The last ${LISTED} places; ${amount(skipped)} precede them.`));
  if (order.whole) return parts;
  if (order.state !== undefined) parts.push(el("p", {}, "Then the key holds ", el("code", {}, order.state), ". ",
    (order.blocked || []).length ? "In real time one of these would have to come next:" : "No operation has to come next."));
  if ((order.blocked || []).length) parts.push(el("ul", {}, order.blocked.map(b => el("li", {}, named(b.op), b.fits ? " fits, but nothing goes on from there" : " does not fit"))));
  if (order.more) parts.push(el("p", {class: "note"}, amount(order.more) + " more that could come next are not listed."));
  return parts;
}

function named(index) {
  const p = places.get(index);
  if (p === undefined) return el("span", {class: "note"}, `operation ${amount(index)}, not in this page`);
  return button(clientOf(p) + ": " + shortOf(p), event => select(p, event.currentTarget), {class: "plain"});
}
