package kv

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A batch is the protobuf message kvpb.Batch, in one canonical form: fields in the order of their numbers, none twice,
// none with its default value, varints as short as can be. That is what protobuf's deterministic marshalling of the
// generated type gives, byte for byte. It is written and read by hand, since reflection would cost more than applying
// does; and it is read strictly, so that two nodes can never read the same bytes differently. docs/format/command.md
// draws it.
//
// Batch and command fields, as tags (number << 3 | wire type):
const (
	wireVarint = 0
	wireBytes  = 2

	tagVersion  = 1<<3 | wireVarint
	tagNode     = 2<<3 | wireVarint
	tagEpoch    = 3<<3 | wireVarint
	tagFirst    = 4<<3 | wireVarint // Batch.sequence
	tagCommands = 5<<3 | wireBytes

	tagKind              = 1<<3 | wireVarint
	tagKey               = 2<<3 | wireBytes
	tagValue             = 3<<3 | wireBytes
	tagCondition         = 4<<3 | wireVarint
	tagConditionRevision = 5<<3 | wireVarint
	tagSession           = 6<<3 | wireVarint
	tagSequence          = 7<<3 | wireVarint
	tagAcknowledged      = 8<<3 | wireVarint
	tagNonce             = 9<<3 | wireBytes

	batchFields   = 5
	commandFields = 9
)

// BatchVersion is the newest version of the batch format that this code reads. AppendBatch writes the lowest one that
// its commands need, so that nodes of the version before still understand what does not concern them.
const BatchVersion = 1

// BatchHeaderBytesMax is an upper bound of what a batch takes beside its commands.
const BatchHeaderBytesMax = 2 + 3*(1+binary.MaxVarintLen64)

// Batch is a decoded entry. Keys and values alias data.
type Batch struct {
	Version  uint32
	ID       BatchID
	Commands []Command
}

// AppendBatch appends the encoding of a batch: the protobuf message kvpb.Batch, written without reflection. Commands
// must be valid (see Command.Validate); it panics when a kind or condition is unknown, since such an entry would stop
// every node.
func AppendBatch(dst []byte, id BatchID, commands []*Command) []byte {
	dst = appendVarint(dst, tagVersion, 1)
	dst = appendVarint(dst, tagNode, id.Node)
	dst = appendVarint(dst, tagEpoch, id.Epoch)
	dst = appendVarint(dst, tagFirst, id.Sequence)
	for _, c := range commands {
		dst = append(dst, tagCommands)
		dst = binary.AppendUvarint(dst, uint64(c.bodyBytes()))
		dst = c.append(dst)
	}
	return dst
}

func (c *Command) append(dst []byte) []byte {
	if c.Kind > CloseSession || c.Condition > RevisionEquals {
		panic(fmt.Sprintf("kv: encoding a command of unknown kind %d or condition %d", c.Kind, c.Condition))
	}
	dst = appendVarint(dst, tagKind, uint64(c.Kind))
	dst = appendBytes(dst, tagKey, c.Key)
	dst = appendBytes(dst, tagValue, c.Value)
	dst = appendVarint(dst, tagCondition, uint64(c.Condition))
	dst = appendVarint(dst, tagConditionRevision, c.ConditionRevision)
	dst = appendVarint(dst, tagSession, c.Session)
	dst = appendVarint(dst, tagSequence, c.Sequence)
	dst = appendVarint(dst, tagAcknowledged, c.Acknowledged)
	if c.hasNonce() {
		dst = appendBytes(dst, tagNonce, c.Nonce[:])
	}
	return dst
}

// hasNonce: an OpenSession always has one, also if it is all zeros.
func (c *Command) hasNonce() bool {
	return c.Kind == OpenSession || c.Nonce != [NonceBytes]byte{}
}

func appendVarint(dst []byte, tag byte, value uint64) []byte {
	if value == 0 {
		return dst
	}
	return binary.AppendUvarint(append(dst, tag), value)
}

func appendBytes(dst []byte, tag byte, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(append(dst, tag), uint64(len(value)))
	return append(dst, value...)
}

// Size is an upper bound of the bytes that the command takes in a batch; it is exact.
func (c *Command) Size() int {
	body := c.bodyBytes()
	return 1 + varintBytes(uint64(body)) + body
}

func (c *Command) bodyBytes() int {
	n := varintField(uint64(c.Kind)) + bytesField(len(c.Key)) + bytesField(len(c.Value)) +
		varintField(uint64(c.Condition)) + varintField(c.ConditionRevision) +
		varintField(c.Session) + varintField(c.Sequence) + varintField(c.Acknowledged)
	if c.hasNonce() {
		n += bytesField(NonceBytes)
	}
	return n
}

func varintBytes(value uint64) int { return (bits.Len64(value|1) + 6) / 7 }

func varintField(value uint64) int {
	if value == 0 {
		return 0
	}
	return 1 + varintBytes(value)
}

func bytesField(length int) int {
	if length == 0 {
		return 0
	}
	return 1 + varintBytes(uint64(length)) + length
}

// DecodeBatch is for tools and tests; Apply decodes in place. The errors are those of Apply.
func DecodeBatch(data []byte) (Batch, error) { return decodeBatch(data, nil) }

// decodeBatch appends the commands to scratch.
func decodeBatch(data []byte, scratch []Command) (Batch, error) {
	b := Batch{Commands: scratch}
	w := wire{data: data}
	for last := uint64(0); w.at < len(data); {
		tag := w.tag(&last, tagCommands)
		switch tag {
		case tagVersion:
			b.Version = uint32(w.known("batch version", BatchVersion))
		case tagNode:
			b.ID.Node = w.nonzero()
		case tagEpoch:
			b.ID.Epoch = w.nonzero()
		case tagFirst:
			b.ID.Sequence = w.nonzero()
		case tagCommands:
			b.Commands = append(b.Commands, Command{})
			w.command(w.varint(), &b.Commands[len(b.Commands)-1])
		default:
			w.unknown("batch field", tag, batchFields)
		}
		if w.err != nil {
			return Batch{}, w.err
		}
	}
	if b.Version == 0 {
		return Batch{}, &DecodeError{0, "no version"}
	}
	return b, nil
}

// wire reads protobuf's wire format. After the first error it reads nothing but zeros.
type wire struct {
	data []byte
	at   int
	err  error
}

func (w *wire) fail(reason string) {
	if w.err == nil {
		w.err = &DecodeError{w.at, reason}
	}
	w.at = len(w.data)
}

func (w *wire) newer(what string, got, known uint64) {
	if w.err == nil {
		w.err = &VersionError{what, got, known}
	}
	w.at = len(w.data)
}

// varint reads one that is as short as can be.
func (w *wire) varint() uint64 {
	if w.at < len(w.data) && w.data[w.at] < 0x80 {
		w.at++
		return uint64(w.data[w.at-1])
	}
	value, n := binary.Uvarint(w.data[w.at:])
	switch {
	case n <= 0:
		w.fail("varint cut off or too long")
		return 0
	case n != varintBytes(value):
		w.fail("varint longer than it need be")
		return 0
	}
	w.at += n
	return value
}

// nonzero reads a varint that is written only when it is not zero.
func (w *wire) nonzero() uint64 {
	value := w.varint()
	if value == 0 {
		w.fail("default value written out")
	}
	return value
}

// known reads a number of which a higher one means a newer version.
func (w *wire) known(what string, highest uint64) uint64 {
	value := w.nonzero()
	if value > highest {
		w.newer(what, value, highest)
		return 0
	}
	return value
}

// bytes reads a field of bytes, which aliases the data.
func (w *wire) bytes() []byte {
	length := w.nonzero()
	if length > uint64(len(w.data)-w.at) {
		w.fail("field longer than what is left")
		return nil
	}
	w.at += int(length)
	return w.data[w.at-int(length) : w.at : w.at]
}

// tag reads a field's tag. Tags rise; only repeated may come again.
func (w *wire) tag(last *uint64, repeated uint64) uint64 {
	tag := w.varint()
	if w.err == nil && (tag < *last || tag == *last && tag != repeated) {
		w.fail("field out of order or twice")
		return 0
	}
	*last = tag
	return tag
}

// unknown judges a tag that is none of the known ones.
func (w *wire) unknown(what string, tag, highest uint64) {
	if w.err != nil {
		return
	}
	switch number, wireType := tag>>3, tag&7; {
	case number == 0 || number >= 1<<29 || wireType > 5:
		w.fail("no field tag")
	case number <= highest:
		w.fail("field of another wire type")
	default:
		w.newer(what, number, highest)
	}
}

// command reads the next length bytes as a command.
func (w *wire) command(length uint64, c *Command) {
	if length > uint64(len(w.data)-w.at) {
		w.fail("command longer than what is left")
	}
	if w.err != nil {
		return
	}
	inner := wire{data: w.data[:w.at+int(length)], at: w.at}
	var last uint64
	for inner.at < len(inner.data) {
		inner.commandField(inner.tag(&last, 0), c)
	}
	if inner.err == nil && c.Kind == OpenSession && last != tagNonce {
		inner.fail("OpenSession without a nonce")
	}
	w.at, w.err = len(inner.data), inner.err
}

func (w *wire) commandField(tag uint64, c *Command) {
	switch tag {
	case tagKind:
		c.Kind = CommandKind(w.known("command kind", uint64(CloseSession)))
	case tagKey:
		c.Key = w.bytes()
	case tagValue:
		c.Value = w.bytes()
	case tagCondition:
		c.Condition = Condition(w.known("condition", uint64(RevisionEquals)))
	case tagConditionRevision:
		c.ConditionRevision = w.nonzero()
	case tagSession:
		c.Session = w.nonzero()
	case tagSequence:
		c.Sequence = w.nonzero()
	case tagAcknowledged:
		c.Acknowledged = w.nonzero()
	case tagNonce:
		w.nonce(c)
	default:
		w.unknown("command field", tag, commandFields)
	}
}

func (w *wire) nonce(c *Command) {
	nonce := w.bytes()
	if w.err == nil && len(nonce) != NonceBytes {
		w.fail("nonce of another length than 16 bytes")
		return
	}
	copy(c.Nonce[:], nonce)
	if !c.hasNonce() {
		w.fail("nonce of zeros on a command that takes none")
	}
}
