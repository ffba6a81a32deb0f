// Events as text.

const nodeName = number => "n" + number, clientName = number => "c" + number;
const where = i => node[i] ? nodeName(node[i]) : client[i] ? clientName(client[i]) : "the world";
const toward = i => kind[i] === K.receive || kind[i] === K.snapshot && whatOf(i) !== "send" ? "from" : kind[i] === K.role ? "under" : "to";
const nameOf = i => kind[i] === K.disk ? whatOf(i) : kind[i] === K.fail ? "FAIL" : record.kinds[kind[i]].name;

// restOf writes all but time, kind and node, as the trace does.
function restOf(i) {
  const words = [];
  if (client[i]) words.push(clientName(client[i]));
  if (whatOf(i) && kind[i] !== K.disk) words.push(whatOf(i));
  if (peer[i]) words.push(toward(i), nodeName(peer[i]));
  if (textOf(i)) words.push(textOf(i));
  record.kinds[kind[i]].fields.forEach((field, f) => {
    const value = numbers[first[i] + f];
    if (value !== 0 && field !== "hash") words.push(field + " " + plainOf(value));
  });
  return words.join(" ");
}
const says = i => nameOf(i) + " " + (node[i] ? nodeName(node[i]) + " " : "") + restOf(i);

const callOf = o => o.call ? o.call + (o.key ? " " + o.key : "") : o.action + (o.key ? " " + o.key : "");
const resultOf = o => o.call && o.outcome !== "unknown" ? o.result : o.outcome + (o.result && o.result !== "unknown" ? ": " + o.result : "");
const faultName = f => f.kind + (f.node ? " " + nodeName(f.node) : "");

// familyOf sorts message types by what they are for.
const FAMILIES = [["vote", /Vote|TimeoutNow/], ["snapshot", /Snap/], ["beat", /Heartbeat/], ["read", /Read/], ["response", /AppResp/], ["append", /App/]];
const families = new Map();
function familyOf(type) {
  if (!families.has(type)) families.set(type, (FAMILIES.find(([, pattern]) => pattern.test(type)) || ["other"])[0]);
  return families.get(type);
}
