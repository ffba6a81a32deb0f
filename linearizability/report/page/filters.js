// The filters of the timeline, with their controls.

const OPTIONS_MAX = 300; // entries of a list to choose from

class Filters {
  // changed is called when another set of operations passes, chose when an order was chosen.
  constructor(changed, chose) {
    this.changed = changed;
    this.chose = chose;
    this.kinds = new Set(KINDS.slice(1));
    this.outcomes = new Set(OUTCOMES);
    this.clear();
    this.keySelect = el("select", {id: "by-key", onchange: event => this.chooseKey(+event.target.value)}, el("option", {value: -1}, "all keys"),
      record.keys.slice(0, OPTIONS_MAX).map(keyOption), moreOptions(record.keys.length, "choose in the table of keys"));
    this.clientSelect = el("select", {id: "by-client", onchange: event => { this.client = +event.target.value; changed(); }}, el("option", {value: -1}, "all clients"),
      record.clients.slice(0, OPTIONS_MAX).map((name, c) => el("option", {value: c}, name)), moreOptions(record.clients.length, "search for the name"));
    this.search = el("input", {type: "search", id: "search", placeholder: "key, value, client", oninput: event => { this.text = event.target.value.toLowerCase(); changed(); }});
    this.onlyBad = el("input", {type: "checkbox", id: "only-bad", onchange: event => { this.bad = event.target.checked; changed(); }});
    this.orderSelect = el("select", {id: "by-order", onchange: event => chose(event.target.value === "" ? null : chosen(record.keys[this.key].orders[event.target.value]))});
    this.orderLabel = el("label", {hidden: true}, "Order", this.orderSelect);
  }

  clear() {
    Object.assign(this, {key: -1, client: -1, bad: false, text: ""});
    KINDS.slice(1).forEach(name => this.kinds.add(name));
    OUTCOMES.forEach(name => this.outcomes.add(name));
  }

  // controls returns the elements; reset is what the button beside them does.
  controls(reset, ...others) {
    const present = (column, names) => names.filter((name, i) => name && column.includes(i));
    this.bar = el("div", {class: "controls", role: "search", "aria-label": "Filters of the timeline"},
      el("label", {}, "Key", this.keySelect), el("label", {}, "Client", this.clientSelect),
      this.chips(present(cols.kind, KINDS), this.kinds, "Kinds of operations"), this.chips(present(cols.outcome, OUTCOMES), this.outcomes, "Outcomes"),
      el("label", {}, "Find", this.search), pins.size > 0 && el("label", {}, this.onlyBad, "only contradicting"), this.orderLabel, button("Reset", reset, {id: "reset"}), others);
    return this.bar;
  }

  chips(names, set, label) {
    return el("span", {class: "group", role: "group", "aria-label": label}, names.map(name => el("button", {type: "button", class: "chip", "data-is": name, "aria-pressed": "true", onclick: event => {
      const on = !set.has(name);
      on ? set.add(name) : set.delete(name);
      event.currentTarget.setAttribute("aria-pressed", on);
      this.changed();
    }}, el("i"), name)));
  }

  reset() {
    this.clear();
    this.bar.querySelectorAll(".chip").forEach(chip => chip.setAttribute("aria-pressed", "true"));
    this.clientSelect.value = -1;
    this.search.value = "";
    this.onlyBad.checked = false;
    this.chooseKey(-1);
  }

  chooseKey(key) {
    if (key >= 0 && ![...this.keySelect.options].some(option => +option.value === key)) this.keySelect.append(keyOption(record.keys[key], key));
    this.key = key;
    this.keySelect.value = key;
    this.orderLabel.hidden = key < 0 || !(record.keys[key].orders || []).length;
    if (!this.orderLabel.hidden) this.orderSelect.replaceChildren(...orderOptions(record.keys[key]));
    this.chose(null);
    this.changed();
  }

  // mark sets to 1 what passes, to 0 what does not, and returns how many pass. A text is looked for once in each different text.
  mark(matched) {
    const within = list => this.text ? list.map(text => text.toLowerCase().includes(this.text)) : null;
    const has = within(record.strings), keyHas = within(record.keys.map(key => key.name)), clientHas = within(record.clients);
    const kinds = KINDS.map(name => this.kinds.has(name)), outcomes = OUTCOMES.map(name => this.outcomes.has(name));
    let passing = 0;
    for (let p = 0; p < count; p++) {
      const passes = kinds[cols.kind[p]] && outcomes[cols.outcome[p]] && (this.key < 0 || cols.key[p] === this.key) && (this.client < 0 || cols.client[p] === this.client) &&
        (!this.bad || pins.has(p)) && (!has || has[cols.call[p]] || has[cols.result[p]] || keyHas[cols.key[p]] || clientHas[cols.client[p]]);
      matched[p] = passes ? 1 : 0;
      passing += matched[p];
    }
    return passing;
  }
}

function keyOption(key, k) {
  const sign = {violation: "✕ ", undecided: "? "}[key.verdict] || "";
  return el("option", {value: k}, sign + cut(key.name, 48) + (key.held < key.all ? ` (${amount(key.held)} of ${amount(key.all)})` : ""));
}

function moreOptions(length, instead) {
  return length > OPTIONS_MAX && el("option", {disabled: true}, `${amount(length - OPTIONS_MAX)} more: ${instead}`);
}
