package client

import (
	"fmt"

	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// The pipeline's messages are written and read here field by field, without reflection: a caller's operation goes
// straight into the message that is being gathered, and a result straight into the caller's place. Nothing of a caller's
// memory is needed any more once its call has returned. Field numbers are those of kv.proto.

// operation is kvpb.Operation without its own memory.
type operation struct {
	kind                            kvpb.OperationKind
	condition                       kvpb.Condition
	consistency                     kvpb.Consistency
	conditionRevision               uint64
	key, value                      []byte
	session, sequence, acknowledged uint64
	nonce                           []byte
}

// operationSlack bounds what an encoded operation takes besides its key and value, in bytes.
const operationSlack = 128

func (o *operation) size(id uint64) int {
	n := sizeVarint(1, id) + sizeVarint(2, uint64(o.kind)) + sizeBytes(3, o.key) + sizeBytes(4, o.value)
	n += sizeVarint(5, uint64(o.condition)) + sizeVarint(6, o.conditionRevision)
	n += sizeVarint(7, o.session) + sizeVarint(8, o.sequence) + sizeVarint(9, o.acknowledged)
	return n + sizeBytes(10, o.nonce) + sizeVarint(11, uint64(o.consistency))
}

// appendTo appends the operation to an encoded PipelineRequest.
func (o *operation) appendTo(b []byte, id uint64) []byte {
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(o.size(id)))
	b = appendVarint(b, 1, id)
	b = appendVarint(b, 2, uint64(o.kind))
	b = appendBytes(b, 3, o.key)
	b = appendBytes(b, 4, o.value)
	b = appendVarint(b, 5, uint64(o.condition))
	b = appendVarint(b, 6, o.conditionRevision)
	b = appendVarint(b, 7, o.session)
	b = appendVarint(b, 8, o.sequence)
	b = appendVarint(b, 9, o.acknowledged)
	b = appendBytes(b, 10, o.nonce)
	return appendVarint(b, 11, uint64(o.consistency))
}

func sizeVarint(field protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeVarint(v)
}

func sizeBytes(field protowire.Number, v []byte) int {
	if len(v) == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeBytes(len(v))
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// leaderHint is kvpb.LeaderHint as far as the client uses it.
type leaderHint struct {
	term    uint64
	address string
}

// result is kvpb.OperationResult.
type result struct {
	id                                   uint64
	code                                 uint32
	reason                               kvpb.Reason
	message                              string
	leader                               leaderHint
	revision                             uint64
	conditionFailed, found               bool
	value                                []byte
	createRevision, modRevision, version uint64
	session, window                      uint64
}

// field is one field of a message: number holds a varint's value, bytes those of a message, string or bytes field.
type field struct {
	name   protowire.Number
	number uint64
	bytes  []byte
}

// fields calls visit for each field of a message. Fields of other wire types are skipped.
func fields(b []byte, visit func(field) error) error {
	for len(b) > 0 {
		name, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		f := field{name: name}
		switch kind {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(name, kind, b)
			f.name = 0
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if f.name == 0 {
			continue
		}
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

// decodeResults appends the results of an encoded PipelineResponse, with memory of their own.
func decodeResults(b []byte, results []result) ([]result, error) {
	err := fields(b, func(f field) error {
		if f.name != 1 {
			return nil
		}
		results = append(results, result{})
		return results[len(results)-1].decode(f.bytes)
	})
	return results, err
}

func (r *result) decode(b []byte) error {
	return fields(b, func(f field) error {
		switch f.name {
		case 1:
			r.id = f.number
		case 2:
			r.code = uint32(f.number)
		case 3:
			r.reason = kvpb.Reason(f.number)
		case 4:
			r.message = string(f.bytes)
		case 5:
			return r.leader.decode(f.bytes)
		case 6:
			r.revision = f.number
		case 7:
			r.conditionFailed = f.number != 0
		case 8:
			r.found = f.number != 0
		case 9:
			r.value = append([]byte(nil), f.bytes...)
		case 10:
			r.createRevision = f.number
		case 11:
			r.modRevision = f.number
		case 12:
			r.version = f.number
		case 13:
			r.session = f.number
		case 14:
			r.window = f.number
		}
		return nil
	})
}

func (h *leaderHint) decode(b []byte) error {
	return fields(b, func(f field) error {
		switch f.name {
		case 2:
			h.term = f.number
		case 3:
			h.address = string(f.bytes)
		}
		return nil
	})
}

// codec carries messages that are encoded already: *message out, *response in.
type codec struct{}

// response holds one received message's results, for reuse.
type response struct{ results []result }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*message)
	if !ok {
		return nil, fmt.Errorf("client: cannot send a %T", v)
	}
	return mem.BufferSlice{mem.NewBuffer(m.bytes, messagePool{})}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*response)
	if !ok {
		return fmt.Errorf("client: cannot receive a %T", v)
	}
	clear(r.results) // lets go of the values
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	var err error
	r.results, err = decodeResults(whole.ReadOnlyData(), r.results[:0])
	return err
}

// Name is that of the ordinary protobuf codec, which the server uses.
func (codec) Name() string { return "proto" }
