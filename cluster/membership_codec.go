package cluster

import (
	"encoding/binary"

	"go.etcd.io/raft/v3/raftpb"
)

// membershipVersion is the first number of an encoded membership.
const membershipVersion = 1

// AppendMembership encodes a membership and the ConfState that goes with it, for kv.Meta.Cluster:
// version, list of members (id, 16 bytes of instance, learner, three addresses), removed ids, ConfState.
func AppendMembership(dst []byte, m Membership, cs *raftpb.ConfState) []byte {
	dst = binary.AppendUvarint(dst, membershipVersion)
	dst = appendMembers(dst, &m)
	return appendConfState(dst, cs)
}

// DecodeMembership is its inverse. The error is a *DecodeError.
func DecodeMembership(b []byte) (Membership, *raftpb.ConfState, error) {
	d := &decoder{what: "membership", all: b}
	if v := d.number(); d.err == nil && v != membershipVersion {
		d.fail("unknown version")
	}
	m := d.members()
	cs := d.confState()
	if err := d.end(); err != nil {
		return Membership{}, nil, err
	}
	return m, cs, nil
}

func appendMembers(dst []byte, m *Membership) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(m.Members)))
	for i := range m.Members {
		dst = appendMember(dst, &m.Members[i])
	}
	return appendNumbers(dst, m.Removed)
}

// memberBytesMin: id, instance, learner, three empty addresses.
const memberBytesMin = 1 + 16 + 1 + 3

func (d *decoder) members() Membership {
	var m Membership
	for range d.count(memberBytesMin) {
		m.Members = append(m.Members, d.member())
		if d.err != nil {
			return Membership{}
		}
	}
	m.Removed = d.numbers()
	return m
}

func appendMember(dst []byte, m *Member) []byte {
	dst = binary.AppendUvarint(dst, m.ID)
	dst = append(dst, m.Instance[:]...)
	dst = appendBool(dst, m.Learner)
	dst = appendBytes(dst, m.Peer)
	dst = appendBytes(dst, m.HTTP)
	return appendBytes(dst, m.GRPC)
}

func (d *decoder) member() Member {
	m := Member{ID: d.number(), Instance: d.instance()}
	m.Learner = d.bool()
	m.Peer, m.HTTP, m.GRPC = string(d.bytes()), string(d.bytes()), string(d.bytes())
	return m
}

func (d *decoder) instance() (i Instance) {
	if d.err != nil {
		return i
	}
	if d.rest() < len(i) {
		d.fail("truncated instance")
		return i
	}
	d.at += copy(i[:], d.all[d.at:])
	return i
}

func appendConfState(dst []byte, cs *raftpb.ConfState) []byte {
	dst = appendNumbers(dst, cs.GetVoters())
	dst = appendNumbers(dst, cs.GetLearners())
	dst = appendNumbers(dst, cs.GetVotersOutgoing())
	dst = appendNumbers(dst, cs.GetLearnersNext())
	return appendBool(dst, cs.GetAutoLeave())
}

func (d *decoder) confState() *raftpb.ConfState {
	return &raftpb.ConfState{
		Voters: d.numbers(), Learners: d.numbers(), VotersOutgoing: d.numbers(), LearnersNext: d.numbers(),
		AutoLeave: new(d.bool()),
	}
}

// appendChange encodes a change behind the request that it comes from.
func appendChange(dst []byte, c *MemberChange) []byte {
	dst = append(dst, byte(c.Kind))
	return appendMember(dst, &c.Member)
}

func (d *decoder) change() MemberChange {
	return MemberChange{Kind: ChangeKind(d.bounded("change", uint64(Remove))), Member: d.member()}
}

func decodeChange(context []byte) (changeOrigin, MemberChange, error) {
	d := &decoder{what: "conf change", all: context}
	o := changeOrigin{node: d.number(), epoch: d.number(), sequence: d.number()}
	c := d.change()
	return o, c, d.end()
}
