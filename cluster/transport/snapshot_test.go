package transport

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/lockstepdb/lockstep/cluster"
)

func snapshotMessage(from, to uint64) *raftpb.Message {
	m := message(raftpb.MsgSnap, from, to, 0)
	m.Snapshot = &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(uint64(77)), Term: new(uint64(2)), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2}}}}
	return m
}

// chunksOf gives n chunks of a size; the buffer is reused, as a file's reader does.
func chunksOf(n, size int) func() ([]byte, error) {
	buffer, i := make([]byte, size), 0
	return func() ([]byte, error) {
		if i == n {
			return nil, io.EOF
		}
		for j := range buffer {
			buffer[j] = byte(i)
		}
		i++
		return buffer, nil
	}
}

func receiveAll(in *SnapshotReceiver, into *bytes.Buffer) error {
	for {
		chunk, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		into.Write(chunk)
	}
}

func TestASnapshotArrivesWhole(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	var got bytes.Buffer
	b.snapshot = func(in *SnapshotReceiver) error {
		require.Equal(t, uint64(1), in.From)
		require.Equal(t, cluster.SnapshotMark{Index: 77, Term: 2}, in.Mark())
		require.Equal(t, int64(30<<20), in.Bytes)
		return receiveAll(in, &got)
	}
	connect(a, b)
	require.NoError(t, a.SendSnapshot(background(t), SnapshotHeader{Message: snapshotMessage(1, 2), Bytes: 30 << 20}, chunksOf(120, 256<<10)))
	require.Equal(t, 120*256<<10, got.Len())
	for i, v := range got.Bytes() {
		if v != byte(i/(256<<10)) {
			t.Fatalf("byte %d is %d", i, v)
		}
	}
	require.Equal(t, uint64(122), a.stats(2, Snapshot).SentFrames)
}

// An append must get through while a snapshot is stuck.
func TestASnapshotDoesNotDelayAppends(t *testing.T) {
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	begun, goOn := make(chan struct{}), make(chan struct{})
	b.snapshot = func(in *SnapshotReceiver) error {
		close(begun)
		<-goOn
		var got bytes.Buffer
		return receiveAll(in, &got)
	}
	connect(a, b)
	awaitLinks(t, a, b)
	sent := make(chan error, 1)
	ctx := background(t)
	go func() {
		sent <- a.SendSnapshot(ctx, SnapshotHeader{Message: snapshotMessage(1, 2)}, chunksOf(100, 1<<20))
	}()
	<-begun
	a.Send([]*raftpb.Message{message(raftpb.MsgApp, 1, 2, 1<<20), message(raftpb.MsgHeartbeat, 1, 2, 0)})
	eventually(t, "both pass", func() bool { return b.count(raftpb.MsgApp) == 1 && b.count(raftpb.MsgHeartbeat) == 1 })
	close(goOn)
	require.NoError(t, <-sent)
}

func TestASnapshotThatIsNotTakenSaysWhy(t *testing.T) {
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	b.snapshot = func(in *SnapshotReceiver) error { return errors.New("no room") }
	connect(a, b)
	err := a.SendSnapshot(background(t), SnapshotHeader{Message: snapshotMessage(1, 2)}, chunksOf(50, 1<<20))
	var rejected *SnapshotRejectedError
	require.ErrorAs(t, err, &rejected)
	require.Equal(t, "no room", rejected.Text)
}

func TestASnapshotThatBreaksMidwayFailsOnBothSides(t *testing.T) {
	noLeaks(t)
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	p := newProxy(t, b.address)
	received := make(chan error, 1)
	b.snapshot = func(in *SnapshotReceiver) error {
		_, err := in.Next()
		if err == nil {
			p.sever()
			var got bytes.Buffer
			err = receiveAll(in, &got)
		}
		received <- err
		return err
	}
	a.SetPeers(map[uint64]string{2: p.listener.Addr().String()})
	require.Error(t, a.SendSnapshot(background(t), SnapshotHeader{Message: snapshotMessage(1, 2)}, chunksOf(200, 1<<20)))
	require.Error(t, <-received, "a part of a snapshot must not look like a whole one")
}

func TestASnapshotWhoseSourceFailsIsNotWhole(t *testing.T) {
	a, b := newEndpoint(t, 1), newEndpoint(t, 2)
	received := make(chan error, 1)
	b.snapshot = func(in *SnapshotReceiver) error {
		var got bytes.Buffer
		err := receiveAll(in, &got)
		received <- err
		return err
	}
	connect(a, b)
	n, broken := 0, errors.New("bit rot")
	err := a.SendSnapshot(background(t), SnapshotHeader{Message: snapshotMessage(1, 2)}, func() ([]byte, error) {
		if n++; n > 3 {
			return nil, broken
		}
		return []byte("chunk"), nil
	})
	require.ErrorIs(t, err, broken)
	require.Error(t, <-received)
}

func TestASnapshotForAStrangerFails(t *testing.T) {
	a := newEndpoint(t, 1)
	require.Error(t, a.SendSnapshot(background(t), SnapshotHeader{Message: snapshotMessage(1, 2)}, chunksOf(1, 1)))
}
