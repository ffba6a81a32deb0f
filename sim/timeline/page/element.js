// Elements. Texts of the life reach the document only as text nodes and attribute values, never as markup.

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}
// put replaces what a node holds, without what is not there.
function put(node, ...children) {
  node.replaceChildren();
  return fill(node, {}, children);
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const button = (text, act, attributes) => el("button", {type: "button", onclick: act, ...attributes}, text);

const tip = el("div", {id: "tip", role: "tooltip", hidden: true});
function tipAt(x, y, [first, ...lines]) {
  tip.replaceChildren(el("b", {}, first), ...lines.flatMap(line => [el("br"), line]));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 4)) + "px";
  tip.style.top = (y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 12) : y + 18) + "px";
}
const hideTip = () => { tip.hidden = true; };
const amount = n => n.toLocaleString("en-US");
const plural = (n, noun) => amount(n) + " " + noun + (n === 1 ? "" : "s");
