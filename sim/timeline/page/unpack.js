// The data of the page: see pack.go for its format.

class Columns {
  constructor(bytes) { Object.assign(this, {bytes, at: 0}); }

  next() {
    let n = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++];
      n += (byte & 127) * scale;
      if (byte < 128) return n;
    }
  }
  signed() {
    const n = this.next();
    return n % 2 ? -(n + 1) / 2 : n / 2;
  }
  // number returns -1-p for a number that is the p-th of record.big.
  number() {
    const n = this.next();
    return n % 2 ? -1 - (n - 1) / 2 : n / 2;
  }
  take(length) { return this.bytes.subarray(this.at, this.at += length); }
  fill(column) {
    for (let i = 0; i < column.length; i++) column[i] = this.next();
    return column;
  }
}

async function unpack() {
  const text = JSON.parse(document.getElementById("record").textContent), packed = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const columns = new Columns(new Uint8Array(await new Response(stream).arrayBuffer()));
  const record = JSON.parse(new TextDecoder().decode(columns.take(columns.next()))), {count, kinds} = record;
  const at = new Float64Array(count);
  for (let i = 0, now = 0; i < count; i++) at[i] = now += columns.signed();
  const kind = columns.fill(new Uint8Array(count));
  const [node, peer, client] = [0, 1, 2].map(() => columns.fill(new Uint16Array(count)));
  const [what, text_] = [0, 1].map(() => columns.fill(new Uint32Array(count)));
  const ofKind = kinds.map(() => []), first = new Uint32Array(count + 1);
  for (let i = 0; i < count; i++) {
    ofKind[kind[i]].push(i);
    first[i + 1] = first[i] + kinds[kind[i]].fields.length;
  }
  const numbers = new Float64Array(first[count]);
  kinds.forEach(({fields}, k) => fields.forEach((_, f) => { for (const i of ofKind[k]) numbers[first[i] + f] = columns.number(); }));
  return {record, count, at, kind, node, peer, client, what, text: text_, first, numbers, ofKind};
}
