package cluster

import (
	"fmt"
	"testing"

	"github.com/lockstepdb/lockstep/kv"
	"github.com/stretchr/testify/require"
	"go.etcd.io/raft/v3/raftpb"
)

// BenchmarkStep measures the node of a cluster of one: commands in, an entry, persisted, applied, replies out. It is the work
// of the node alone, without disk or network.
func BenchmarkStep(b *testing.B) {
	for _, batch := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("commands=%d/value=256", batch), func(b *testing.B) {
			node := soloNode(b)
			events := make([]Event, batch)
			commands := make([]kv.Command, batch)
			for i := range events {
				commands[i] = kv.Command{Kind: kv.Put, Key: fmt.Appendf(nil, "key-%028d", i), Value: make([]byte, 256)}
				events[i] = Event{Kind: EventPropose, Command: &commands[i]}
			}
			b.ReportAllocs()
			id := uint64(0)
			for range b.N {
				for i := range events {
					id++
					events[i].ID = id
				}
				replies := 0
				effects := node.Step(events...)
				for replies < batch {
					replies += len(effects.Replies)
					if len(effects.Appends) > 0 {
						effects = node.Step(Event{Kind: EventPersisted, ID: effects.Appends[len(effects.Appends)-1].ID})
					} else {
						effects = node.Step()
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/command")
		})
	}
}

func soloNode(b *testing.B) *Node {
	machine, err := kv.New(kv.Options{})
	require.NoError(b, err)
	founding, conf := Founding(testMembers(1))
	node, err := New(testConfig(1), Recovered{Machine: machine, Membership: founding, ConfState: conf})
	require.NoError(b, err)
	for now := int64(0); node.role.State != Leader || node.applies.term != node.term; now += 1000 {
		effects := node.Step(Event{Kind: EventTick, Now: now})
		for len(effects.Appends) > 0 {
			effects = node.Step(Event{Kind: EventPersisted, ID: effects.Appends[len(effects.Appends)-1].ID})
		}
	}
	return node
}

// BenchmarkMessage measures the codec of an append message.
func BenchmarkMessage(b *testing.B) {
	for _, entries := range []int{1, 64} {
		m := &raftpb.Message{Type: raftpb.MsgApp.Enum(), To: new(uint64(2)), From: new(uint64(1)), Term: new(uint64(7))}
		for i := range entries {
			m.Entries = append(m.Entries, &raftpb.Entry{Term: new(uint64(7)), Index: new(uint64(i)), Data: make([]byte, 300)})
		}
		encoded := AppendMessage(nil, m)
		b.Run(fmt.Sprintf("encode/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				encoded = AppendMessage(encoded[:0], m)
			}
		})
		b.Run(fmt.Sprintf("decode/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				if _, err := DecodeMessage(encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
