// The state of each node at any event: what the events up to it say.

const NEVER = 0, UP = 1, CRASHED = 2, EXITED = 3;
const FIELDS = ["up", "role", "leader", "term", "vote", "commit", "applied", "last", "hash", "hashed", "epoch"]; // -1: not known
const [F_UP, F_ROLE, F_LEADER, F_TERM, F_VOTE, F_COMMIT, F_APPLIED, F_LAST, F_HASH, F_HASHED, F_EPOCH] = FIELDS.keys();
const WIDE = FIELDS.length;
const EVERY = 1024; // events from one kept state to the next

const freshState = () => {
  const state = new Float64Array((record.nodes + 1) * WIDE).fill(-1);
  for (let n = 0; n <= record.nodes; n++) state[n * WIDE + F_UP] = NEVER;
  return state;
};

// take changes a state by an event.
function take(state, i) {
  const n = node[i], base = n * WIDE, k = kind[i];
  if (n === 0 || n > record.nodes) return;
  const set = (f, name) => { state[base + f] = numberOf(i, name); };
  if (k === K.state) {
    set(F_TERM, "term"); set(F_VOTE, "vote"); set(F_COMMIT, "commit"); set(F_APPLIED, "applied"); set(F_LAST, "last");
  } else if (k === K.role) {
    state[base + F_ROLE] = what[i];
    state[base + F_LEADER] = peer[i];
    set(F_TERM, "term");
  } else if (k === K.apply) {
    set(F_APPLIED, "index"); set(F_HASHED, "index");
    state[base + F_HASH] = numberOf(i, "hash");
  } else if (k === K.start) {
    state.fill(-1, base, base + WIDE);
    state[base + F_UP] = UP;
    set(F_EPOCH, "epoch"); set(F_TERM, "term"); set(F_COMMIT, "commit"); set(F_APPLIED, "snapshot");
  } else if (k === K.crash) {
    state[base + F_UP] = CRASHED;
  } else if (k === K.exit) {
    state[base + F_UP] = EXITED;
  }
}

const kept = (() => {
  const list = [], state = freshState();
  for (let i = 0; i < count; i++) {
    if (i % EVERY === 0) list.push(state.slice());
    take(state, i);
  }
  return list;
})();

// stateAfter returns the state after an event; before the first one, the fresh state.
function stateAfter(i) {
  if (i < 0) return freshState();
  const state = kept[Math.floor(i / EVERY)].slice();
  for (let j = i - i % EVERY; j <= i; j++) take(state, j);
  return state;
}

// A fault holds from its event to the one that ends it, or until its time is over.
const holds = (f, i) => f.from <= i && (f.to >= 0 ? i < f.to : at[i] < f.end);
const faultsAfter = i => faults.filter(f => holds(f, i));
const isPaused = (n, active) => active.some(f => f.kind === "pause" && f.node === n);
const roleOf = (state, n) => state[n * WIDE + F_ROLE] < 0 ? "follower" : record.strings[state[n * WIDE + F_ROLE]];

// spans are the stretches in which a node has one role in one term, or is down: what its lane is coloured by.
const spans = (() => {
  const all = Array.from({length: record.nodes + 1}, () => []), state = freshState();
  for (let i = 0; i < count; i++) {
    const k = kind[i], n = node[i];
    if (k !== K.state && k !== K.role && k !== K.start && k !== K.crash && k !== K.exit || n === 0 || n > record.nodes) continue;
    take(state, i);
    const up = state[n * WIDE + F_UP], role = up === UP ? roleOf(state, n) : up === EXITED ? "exited" : "down", term = state[n * WIDE + F_TERM], last = all[n].at(-1);
    if (last && last.role === role && last.term === term) continue;
    if (last) last.to = at[i];
    all[n].push({from: at[i], to: Infinity, role, term, i});
  }
  return all;
})();
