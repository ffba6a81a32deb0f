package timeline

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"github.com/lockstepdb/lockstep/sim/trace"
)

// The data of a page, compressed with gzip and written in base64:
//
//	length  bytes of the record
//	record  JSON: see type record
//	at      for each event: nanoseconds since the event before, zigzag
//	kind    for each event
//	node    for each event
//	peer    for each event
//	client  for each event
//	what    for each event: a place in record.Strings
//	text    for each event: a place in record.Strings
//	then, for each kind and each of its fields in record.Kinds, for each event of that kind:
//	number  twice the number, if it is below exactMax; else one more than twice its place in record.Big
//
// All but the record are variable-length integers of encoding/binary. Columns of like numbers compress to a fifth of the rows.

// exactMax is the first number that the page's script cannot hold twice exactly.
const exactMax = 1 << 52

// Bounds of texts on a page. What is cut ends in an ellipsis, and what is left out is counted.
const (
	textBytesMax  = 400
	textsBytesMax = 8 << 20
)

// packKind is a kind of events with the fields that are packed.
type packKind struct {
	Name   string   `json:"name"`
	Fields []string `json:"fields"`
	places []int    // of the fields among an event's numbers
}

// packedKinds lists all kinds by their number; 0 is none. The hashes of what a disk wrote tell people nothing and do not
// compress: they stay out.
func packedKinds() []packKind {
	list := []packKind{{Fields: []string{}}}
	for k := trace.Send; k <= trace.Fail; k++ {
		p := packKind{Name: k.String(), Fields: []string{}}
		for i, f := range k.Fields() {
			if k == trace.Disk && f == "hash" {
				continue
			}
			p.Fields, p.places = append(p.Fields, f), append(p.places, i)
		}
		list = append(list, p)
	}
	return list
}

// texts numbers different texts. Number 0 is the empty one.
type texts struct {
	list    []string
	places  map[string]uint64
	bytes   int
	skipped int // texts that found no room
}

func newTexts() *texts { return &texts{list: []string{""}, places: map[string]uint64{"": 0}} }

func (t *texts) place(s string) uint64 {
	if p, ok := t.places[s]; ok {
		return p
	}
	if t.bytes+min(len(s), textBytesMax) > textsBytesMax {
		t.skipped++
		return 0
	}
	p := uint64(len(t.list))
	t.list, t.places[s] = append(t.list, clean(s)), p
	t.bytes += len(t.list[p])
	return p
}

// clean makes a text fit to be shown: short, of whole characters, none of which moves others about.
func clean(s string) string {
	if len(s) > textBytesMax {
		s = strings.ToValidUTF8(s[:textBytesMax], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}

// columns are the events of a record in the making.
type columns struct {
	kinds   []packKind
	strings *texts
	big     []string
	places  map[uint64]uint64 // of big numbers
	head    [7][]byte         // at, kind, node, peer, client, what, text
	numbers [][][]byte        // by kind and field
	at      int64
}

func newColumns() *columns {
	c := &columns{kinds: packedKinds(), strings: newTexts(), big: []string{}, places: map[uint64]uint64{}}
	for _, k := range c.kinds {
		c.numbers = append(c.numbers, make([][]byte, len(k.places)))
	}
	return c
}

func (c *columns) add(e *trace.Event) {
	c.head[0] = binary.AppendVarint(c.head[0], e.At-c.at)
	c.at = e.At
	kind := e.Kind
	if int(kind) >= len(c.kinds) {
		kind = 0
	}
	for i, n := range [...]uint64{uint64(kind), e.Node, e.Peer, uint64(e.Client), c.strings.place(e.What), c.strings.place(e.Text)} {
		c.head[i+1] = binary.AppendUvarint(c.head[i+1], n)
	}
	for i, place := range c.kinds[kind].places {
		c.numbers[kind][i] = binary.AppendUvarint(c.numbers[kind][i], c.number(e.Numbers[place]))
	}
}

// number returns how a number is packed.
func (c *columns) number(n uint64) uint64 {
	if n < exactMax {
		return 2 * n
	}
	p, ok := c.places[n]
	if !ok {
		p = uint64(len(c.big))
		c.big, c.places[n] = append(c.big, strconv.FormatUint(n, 16)), p
	}
	return 2*p + 1
}

// pack returns the data of a page.
func pack(r *record, c *columns) (string, error) {
	head, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	parts := append([][]byte{binary.AppendUvarint(nil, uint64(len(head))), head}, c.head[:]...)
	for _, fields := range c.numbers {
		parts = append(parts, fields...)
	}
	for _, part := range parts {
		if _, err := z.Write(part); err != nil {
			return "", err
		}
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}
