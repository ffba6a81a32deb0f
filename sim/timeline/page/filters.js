// The filters of events, with their controls.

const GROUPS = [["Messages", ["send", "receive", "lose"]], ["Calls", ["invoke", "return"]], ["Requests", ["request", "reply"]], ["Starts", ["start", "crash", "exit"]],
  ["Roles", ["role"]], ["State", ["state", "apply"]], ["Disk", ["disk"]], ["Snapshots", ["snapshot"]], ["Raft", ["raft"]], ["Faults", ["fault", "heal"]], ["Probes", ["probe"]]];
const HINTS = {Starts: "start, crash, exit", State: "term, vote, commit, applied, last index"};
const KEYS_MAX = 300; // entries of the list of keys

const kindsOf = names => names.map(name => K[name]);
const BEATS = "without heartbeats";

class Filters {
  // changed is called when another set of events passes.
  constructor(changed) {
    this.changed = changed;
    this.passes = new Uint8Array(count);
    this.kinds = record.kinds.map(() => true);
    Object.assign(this, {type: "", node: 0, client: 0, key: "", text: ""});
    this.build();
    this.mark();
  }

  build() {
    const pick = (id, field, all, options, read) => el("select", {id, "aria-label": all, onchange: event => { this[field] = read(event.target.value); this.apply(); }},
      el("option", {value: ""}, all), options.map(([value, name]) => el("option", {value}, name)));
    const counts = new Map();
    for (const i of [...ofKind[K.send]]) counts.set(whatOf(i), (counts.get(whatOf(i)) || 0) + 1);
    const types = [...counts].sort((a, b) => b[1] - a[1]).map(([name, times]) => [name, `${name} (${amount(times)})`]);
    const keys = [...new Set(operations.map(o => o.key))].filter(Boolean).sort(), shown = keys.slice(0, KEYS_MAX);
    const numbered = (most, name) => Array.from({length: most}, (_, i) => [i + 1, name(i + 1)]);
    this.selects = [
      pick("by-type", "type", "all messages", [[BEATS, BEATS], ...types], String), pick("by-node", "node", "all nodes", numbered(record.nodes, nodeName), Number),
      pick("by-client", "client", "all clients", numbered(record.clients, clientName), Number), pick("by-key", "key", "all keys", shown.map(key => [key, key]), String)];
    if (keys.length > shown.length) this.selects[3].append(el("option", {disabled: true}, `${amount(keys.length - shown.length)} more: search for them`));
    this.search = el("input", {type: "search", id: "search", placeholder: "find: n2 MsgVote wal", "aria-label": "Find events that hold all these words", oninput: event => { this.text = event.target.value; this.apply(); }});
    this.chips = GROUPS.map(([name, names]) => this.chip(name, names));
  }

  chip(name, names) {
    const total = kindsOf(names).reduce((sum, k) => sum + ofKind[k].length, 0);
    return el("button", {type: "button", class: "chip", "data-group": name, "aria-pressed": "true", disabled: total === 0, title: `${HINTS[name] || names.join(", ")}: ${amount(total)}. With Shift: only these.`,
      onclick: event => event.shiftKey ? this.only(names) : this.toggle(names)}, name);
  }

  toggle(names) {
    const on = !this.kinds[K[names[0]]];
    for (const k of kindsOf(names)) this.kinds[k] = on;
    this.apply();
  }

  only(names) {
    const alone = this.kinds[K[names[0]]] && GROUPS.every(([, others]) => others === names || others[0] === names[0] || !this.kinds[K[others[0]]]);
    for (const [, others] of GROUPS) for (const k of kindsOf(others)) this.kinds[k] = alone || others[0] === names[0];
    this.apply();
  }

  reset() {
    this.kinds.fill(true);
    Object.assign(this, {type: "", node: 0, client: 0, key: "", text: ""});
    this.selects.forEach(select => { select.value = ""; });
    this.search.value = "";
    this.apply();
  }

  apply() {
    this.chips.forEach((chip, g) => chip.setAttribute("aria-pressed", this.kinds[K[GROUPS[g][1][0]]]));
    this.mark();
    this.changed();
  }

  // wordsOf finds, for each word that is looked for, the texts that hold it: each text is looked at once.
  wordsOf() {
    return this.text.toLowerCase().split(/\s+/).filter(Boolean).map(word => ({
      word, has: record.strings.map(text => text.toLowerCase().includes(word)), kind: record.kinds.map(({name}) => name.toLowerCase().includes(word)),
      node: /^n\d+$/.test(word) ? +word.slice(1) : -1, client: /^c\d+$/.test(word) ? +word.slice(1) : -1, number: /^#?\d+$/.test(word) ? +word.replace("#", "") : -1,
      calls: operations.map(o => `#${o.number} ${o.key} ${o.call} ${o.result}`.toLowerCase().includes(word)),
    }));
  }

  mark() {
    const words = this.wordsOf();
    let passing = 0;
    for (let i = 0; i < count; i++) passing += this.passes[i] = this.pass(i) && words.every(w => this.holds(w, i)) ? 1 : 0;
    this.passing = passing;
  }

  pass(i) {
    const k = kind[i];
    if (k === K.fail) return true;
    if (!this.kinds[k] || this.node && node[i] !== this.node && peer[i] !== this.node || this.client && client[i] !== this.client) return false;
    if (this.key && (operationOf[i] < 0 || operations[operationOf[i]].key !== this.key)) return false;
    if (!this.type || k !== K.send && k !== K.receive && k !== K.lose) return true;
    return this.type === BEATS ? familyOf(whatOf(i)) !== "beat" : whatOf(i) === this.type;
  }

  holds(w, i) {
    if (w.node >= 0) return node[i] === w.node || peer[i] === w.node;
    if (w.client >= 0) return client[i] === w.client;
    if (w.number >= 0) return operationOf[i] >= 0 && operations[operationOf[i]].number === w.number || w.has[life.text[i]] || this.numberIs(w, i);
    return w.has[what[i]] || w.has[life.text[i]] || w.kind[kind[i]] || operationOf[i] >= 0 && w.calls[operationOf[i]];
  }

  // numberIs says whether some number of the event is the one that is looked for.
  numberIs(w, i) {
    for (let f = first[i]; f < first[i + 1]; f++) if (numbers[f] === w.number) return true;
    return false;
  }

  // next returns the nearest event that passes, from one on in a direction; -1 if there is none.
  next(i, step) {
    for (; i >= 0 && i < count; i += step) if (this.passes[i]) return i;
    return -1;
  }
  next1(i, step, of) {
    for (; i >= 0 && i < count; i += step) if (this.passes[i] && (node[i] === of || peer[i] === of)) return i;
    return -1;
  }
}
