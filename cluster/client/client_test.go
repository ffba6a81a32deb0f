package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// patience bounds what is expected to happen soon.
const patience = 20 * time.Second

// bothModes runs a test by the stream and by unary calls.
func bothModes(t *testing.T, test func(t *testing.T, mode func(*Config))) {
	t.Run("pipeline", func(t *testing.T) { test(t, func(*Config) {}) })
	t.Run("unary", func(t *testing.T) { test(t, unaryMode) })
}

func TestReadAndWrite(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		c, ctx := connect(t, newFakeCluster(t, 3), mode), within(t, patience)
		key := []byte("a//b\x00..")

		item, err := c.Get(ctx, key)
		require.NoError(t, err)
		require.Equal(t, Item{}, item)

		put, err := c.Put(ctx, key, []byte("one"))
		require.NoError(t, err)
		require.Equal(t, PutResult{Revision: 1, CreateRevision: 1, ModRevision: 1, Version: 1}, put)
		put, err = c.Put(ctx, key, nil)
		require.NoError(t, err)
		require.Equal(t, PutResult{Existed: true, Revision: 2, CreateRevision: 1, ModRevision: 2, Version: 2}, put)

		item, err = c.Get(ctx, key, Stale())
		require.NoError(t, err)
		require.Equal(t, Item{Found: true, Revision: 2, CreateRevision: 1, ModRevision: 2, Version: 2}, item)

		deleted, err := c.Delete(ctx, key)
		require.NoError(t, err)
		require.Equal(t, DeleteResult{Existed: true, Revision: 3, ModRevision: 2}, deleted)
		deleted, err = c.Delete(ctx, key)
		require.NoError(t, err)
		require.Equal(t, DeleteResult{Revision: 3}, deleted)
	})
}

func TestConditions(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		c, ctx, key := connect(t, newFakeCluster(t, 1), mode), within(t, patience), []byte("k")

		_, err := c.Put(ctx, key, []byte("x"), IfExists())
		var failed *ConditionError
		require.ErrorAs(t, err, &failed)
		require.ErrorIs(t, err, ErrCondition)
		require.False(t, failed.Exists)

		put, err := c.Put(ctx, key, []byte("x"), IfAbsent())
		require.NoError(t, err)
		_, err = c.Put(ctx, key, []byte("y"), IfAbsent())
		require.ErrorAs(t, err, &failed)
		require.True(t, failed.Exists)
		require.Equal(t, put.ModRevision, failed.ModRevision)
		require.NotErrorIs(t, err, ErrRefused)

		put, err = c.Put(ctx, key, []byte("y"), IfRevision(put.ModRevision))
		require.NoError(t, err)
		_, err = c.Delete(ctx, key, IfRevision(put.ModRevision-1))
		require.ErrorAs(t, err, &failed)
		require.Equal(t, put.ModRevision, failed.ModRevision)
		_, err = c.Delete(ctx, key, IfRevision(put.ModRevision))
		require.NoError(t, err)
	})
}

func TestFollowsLeaderHints(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		f := newFakeCluster(t, 3)
		f.redirect, f.leader = true, 2
		f.advertise = func(address string) string { return "inside " + address }
		c := connect(t, f, mode, func(c *Config) {
			c.Addresses = c.Addresses[:1]
			c.Resolve = func(address string) string { return strings.TrimPrefix(address, "inside ") }
		})
		for i := range 20 {
			_, err := c.Put(within(t, patience), fmt.Appendf(nil, "k%d", i), nil)
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, f.nodes[0].serves.Load(), "the hint is kept")
		f.lead(1)
		_, err := c.Put(within(t, patience), []byte("again"), nil)
		require.NoError(t, err)
	})
}

// A node that forwards names nobody in its answers, and is asked who leads.
func TestLeavesTheNodeThatForwards(t *testing.T) {
	f := newFakeCluster(t, 3)
	f.leader = 2
	c := connect(t, f, func(c *Config) { c.Addresses = c.Addresses[:1] })
	require.Eventually(t, func() bool {
		_, err := c.Put(within(t, patience), []byte("k"), nil)
		return err == nil && f.nodes[2].serves.Load() > 0
	}, patience, time.Millisecond)
	require.EqualValues(t, 1, f.asked.Load())
}

// chaos breaks streams before and after applying, refuses and forgets, one operation in three.
func chaos(_ int, o *kvpb.Operation) fault {
	if rand.IntN(3) > 0 {
		return none
	}
	all := []fault{dropBefore, dropAfter, notLeader, noLeader, overloaded, unknown, unknownDone}
	return all[rand.IntN(len(all))]
}

func TestExactlyOnceWithSessions(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		f := newFakeCluster(t, 3)
		f.window = 8
		c := connect(t, f, mode)
		f.inject(chaos)
		each(16, 20, func(name string) {
			put, err := c.Put(within(t, patience), []byte(name), []byte(name), IfAbsent())
			require.NoError(t, err)
			require.False(t, put.Existed)
			require.EqualValues(t, 1, put.Version)
		})
		each(16, 20, func(name string) {
			item, found := f.item(name)
			require.True(t, found)
			require.EqualValues(t, 1, item.Version, "%s was applied once", name)
		})
	})
}

// each calls visit from many goroutines, with names of their own.
func each(goroutines, names int, visit func(name string)) {
	var wait sync.WaitGroup
	for g := range goroutines {
		wait.Go(func() {
			for i := range names {
				visit(fmt.Sprintf("g%d-%d", g, i))
			}
		})
	}
	wait.Wait()
}

// Without sessions the outcomes are true as well, but some are unknown.
func TestOutcomesAreTrueWithoutSessions(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		f := newFakeCluster(t, 3)
		c := connect(t, f, mode, sessionless)
		f.inject(chaos)
		var unknowns atomic.Int64
		each(8, 20, func(name string) {
			_, err := c.Put(within(t, patience), []byte(name), nil)
			item, found := f.item(name)
			switch {
			case err == nil:
				require.EqualValues(t, 1, item.Version)
			case errors.Is(err, ErrUnknown):
				unknowns.Add(1)
				require.LessOrEqual(t, item.Version, uint64(1))
			default:
				require.ErrorIs(t, err, ErrRefused)
				require.False(t, found, "%s: %v", name, err)
			}
		})
		require.Positive(t, unknowns.Load())
		require.Zero(t, f.opened.Load())
	})
}

func TestUnknownAndRefused(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		f := newFakeCluster(t, 3)
		c := connect(t, f, mode, sessionless)
		for _, what := range []fault{dropBefore, dropAfter, unknown, unknownDone} {
			before := f.nodes[0].serves.Load() + f.nodes[1].serves.Load() + f.nodes[2].serves.Load()
			f.inject(func(int, *kvpb.Operation) fault { return what })
			_, err := c.Put(within(t, patience), []byte("k"), nil)
			var e *UnknownError
			require.ErrorAs(t, err, &e, "fault %d", what)
			require.Contains(t, err.Error(), "read the key before you write it again")
			require.NotErrorIs(t, err, ErrRefused)
			after := f.nodes[0].serves.Load() + f.nodes[1].serves.Load() + f.nodes[2].serves.Load()
			require.Equal(t, before+1, after, "an unknown write is not sent again")
		}
		f.inject(func(int, *kvpb.Operation) fault { return full })
		_, err := c.Put(within(t, patience), []byte("k"), nil)
		var e *RefusedError
		require.ErrorAs(t, err, &e)
		require.Equal(t, policy.ReasonDataFull, e.Reason)
		require.Equal(t, "injected", e.Message)
		require.Contains(t, err.Error(), "delete keys")
	})
}

// An attempt that is refused says nothing of one before it that is unknown.
func TestRefusedAfterUnknownIsUnknown(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		f := newFakeCluster(t, 2)
		c := connect(t, f, mode)
		var writes atomic.Int64
		f.inject(func(_ int, o *kvpb.Operation) fault {
			if o.Kind != operationPut {
				return none
			}
			if writes.Add(1) == 1 {
				return dropAfter
			}
			return full
		})
		_, err := c.Put(within(t, patience), []byte("k"), nil)
		require.ErrorIs(t, err, ErrUnknown)
		require.EqualValues(t, 2, writes.Load())
		_, found := f.item("k")
		require.True(t, found, "it did take effect")
	})
}

func TestFailsOverWhenTheLeaderDies(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		f := newFakeCluster(t, 3)
		f.redirect = true
		c := connect(t, f, mode)
		stop := make(chan struct{})
		var done atomic.Int64
		var wait sync.WaitGroup
		for g := range 8 {
			wait.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					put, err := c.Put(within(t, patience), fmt.Appendf(nil, "g%d-%d", g, i), nil)
					require.NoError(t, err)
					require.EqualValues(t, 1, put.Version)
					done.Add(1)
				}
			})
		}
		for round := range 3 {
			more(t, &done, 50)
			f.nodes[round].kill()
			f.lead((round + 1) % 3)
			more(t, &done, 50)
			f.nodes[round].restart(t)
		}
		close(stop)
		wait.Wait()
	})
}

// more waits until a count has risen by n.
func more(t *testing.T, count *atomic.Int64, n int64) {
	until := count.Load() + n
	require.Eventually(t, func() bool { return count.Load() >= until }, patience, time.Millisecond)
}

func TestANodeThatHangsIsLeft(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		for _, what := range []fault{hang, hangAfter} {
			f := newFakeCluster(t, 2)
			c := connect(t, f, mode, func(c *Config) { c.AttemptTimeout = 20 * time.Millisecond })
			f.inject(func(node int, _ *kvpb.Operation) fault {
				if node == 0 {
					return what
				}
				return none
			})
			put, err := c.Put(within(t, patience), []byte("k"), nil)
			require.NoError(t, err)
			require.EqualValues(t, 1, put.Version)
		}
	})
}

func TestCancelAndDeadline(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		f := newFakeCluster(t, 1)
		c := connect(t, f, mode)
		_, err := c.Put(within(t, patience), []byte("k"), nil)
		require.NoError(t, err)
		reached := make(chan struct{}, 1)
		f.inject(func(int, *kvpb.Operation) fault {
			reached <- struct{}{}
			return hangAfter
		})
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			<-reached
			cancel()
		}()
		value := []byte("value")
		_, err = c.Put(ctx, []byte("k"), value)
		copy(value, "other") // the client must not look at it any more
		require.ErrorIs(t, err, ErrUnknown)
		require.ErrorIs(t, err, context.Canceled)

		_, err = c.Put(ctx, []byte("k"), nil)
		require.ErrorIs(t, err, ErrRefused, "nothing is sent under a context that has ended")
		require.ErrorIs(t, err, context.Canceled)

		f.inject(func(int, *kvpb.Operation) fault { return hang })
		_, err = c.Get(within(t, 30*time.Millisecond), []byte("k"))
		require.ErrorIs(t, err, ErrRefused, "a read is never unknown")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		f.inject(nil) // so that the session can be closed at once
	})
}

func TestDefaultTimeout(t *testing.T) {
	f := newFakeCluster(t, 1)
	c := connect(t, f, func(c *Config) { c.Timeout = 50 * time.Millisecond })
	f.inject(func(int, *kvpb.Operation) fault { return noLeader })
	_, err := c.Put(context.Background(), []byte("k"), nil)
	var e *RefusedError
	require.ErrorAs(t, err, &e)
	require.Equal(t, policy.ReasonNoLeader, e.Reason)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Contains(t, err.Error(), "majority")
}

func TestSessionIsOpenedAgain(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		f := newFakeCluster(t, 1)
		c := connect(t, f, mode)
		ctx := within(t, patience)
		_, err := c.Get(ctx, []byte("k"))
		require.NoError(t, err)
		require.Zero(t, f.opened.Load(), "reads need no session")
		for range 3 {
			_, err = c.Put(ctx, []byte("k"), nil)
			require.NoError(t, err)
			f.mu.Lock()
			f.apply(&kvpb.Operation{Kind: kvpb.OperationKind_OPERATION_KIND_CLOSE_SESSION, Session: c.policy.Session()})
			f.mu.Unlock()
		}
		require.EqualValues(t, 3, f.opened.Load())
		item, _ := f.item("k")
		require.EqualValues(t, 3, item.Version)
	})
}

func TestPinnedToANode(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		f := newFakeCluster(t, 3)
		f.redirect = true
		c := connect(t, f, mode)
		ctx := within(t, patience)
		_, err := c.Put(ctx, []byte("k"), nil, Node(f.nodes[1].address))
		var e *RefusedError
		require.ErrorAs(t, err, &e)
		require.Equal(t, policy.ReasonNotLeader, e.Reason)
		require.Equal(t, f.nodes[1].address, e.Node)
		_, err = c.Put(ctx, []byte("k"), nil, Node(f.nodes[0].address))
		require.NoError(t, err)
		before := f.nodes[2].serves.Load()
		f.mu.Lock()
		f.redirect = false
		f.mu.Unlock()
		_, err = c.Get(ctx, []byte("k"), Node(f.nodes[2].address), Stale())
		require.NoError(t, err)
		require.Equal(t, before+1, f.nodes[2].serves.Load())
	})
}

func TestNobodyThere(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, listener.Close())
		c, err := New(Config{Addresses: []string{listener.Addr().String()}, Unary: configured(mode).Unary, DisableSessions: true})
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		_, err = c.Put(within(t, 100*time.Millisecond), []byte("k"), nil)
		var e *RefusedError
		require.ErrorAs(t, err, &e, "nothing was sent, so nothing is unknown")
		require.Equal(t, policy.ReasonUnreachable, e.Reason)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Greater(t, e.Attempts, 1)
		require.Regexp(t, "^dial tcp .*connection refused$", e.Message)
	})
}

// Two of three nodes are down: what the survivor says is told, and not that the others are down.
func TestWhatANodeSaidIsKept(t *testing.T) {
	for _, survivor := range []int{0, 1, 2} {
		bothModes(t, func(t *testing.T, mode func(*Config)) {
			f := newFakeCluster(t, 3)
			f.inject(func(int, *kvpb.Operation) fault { return noLeader })
			for i, n := range f.nodes {
				if i != survivor {
					n.kill()
				}
			}
			c := connect(t, f, mode)
			for name, call := range map[string]func(context.Context) error{
				"get": func(ctx context.Context) error { _, err := c.Get(ctx, []byte("k")); return err },
				"put": func(ctx context.Context) error { _, err := c.Put(ctx, []byte("k"), nil); return err },
			} {
				err := call(within(t, 400*time.Millisecond))
				var e *RefusedError
				require.ErrorAs(t, err, &e, name)
				require.Equal(t, policy.ReasonNoLeader, e.Reason, "%v", err)
				require.Equal(t, f.nodes[survivor].address, e.Node)
				require.NotContains(t, e.Message, "refused")
			}
		})
	}
}

func TestPlainMessages(t *testing.T) {
	for message, want := range map[string]string{
		`connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`: "dial tcp 127.0.0.1:1: connect: connection refused",
		`latest balancer error: last connection error: connection error: desc = "error reading server preface: EOF"`:   "error reading server preface: EOF",
		`connection error: desc = "cut`:        `connection error: desc = "cut`,
		"No leader can take the operation now": "No leader can take the operation now", "": "",
	} {
		require.Equal(t, want, plainMessage(message))
	}
}

func configured(mode func(*Config)) (c Config) {
	mode(&c)
	return c
}

// A connection that nobody answers on must not hold operations up for longer than it may take to make.
func TestABlackHoleIsLeft(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog, never speaks
		require.NoError(t, err)
		defer silent.Close()
		f := newFakeCluster(t, 1)
		c := connect(t, f, mode, sessionless, func(c *Config) {
			c.Addresses = append([]string{silent.Addr().String()}, c.Addresses...)
			c.ConnectTimeout = 50 * time.Millisecond
		})
		_, err = c.Put(within(t, patience), []byte("k"), nil)
		require.NoError(t, err)
	})
}

// What waits in the queue for a connection has not left: giving up on it is a refusal, and it never leaves.
func TestWithdrawnBeforeItLeft(t *testing.T) {
	f := newFakeCluster(t, 1)
	gate, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer gate.Close()
	c, err := New(Config{Addresses: []string{gate.Addr().String()}, DisableSessions: true, ConnectTimeout: patience})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()

	var wait sync.WaitGroup
	wait.Go(func() {
		_, err := c.Put(within(t, patience), []byte("stays"), nil)
		require.NoError(t, err)
	})
	ctx, cancel := context.WithCancel(context.Background())
	wait.Go(func() {
		_, err := c.Put(ctx, []byte("goes"), nil)
		require.ErrorIs(t, err, ErrRefused)
		require.ErrorIs(t, err, context.Canceled)
	})
	require.Eventually(t, func() bool { return queuedOperations(c) == 2 }, patience, time.Millisecond)
	cancel()
	require.Eventually(t, func() bool { return pendingOperations(c) == 1 }, patience, time.Millisecond)
	connection, err := gate.Accept() // only now do the two come together
	require.NoError(t, err)
	relay(t, connection, f.nodes[0].address)
	wait.Wait()
	_, found := f.item("goes")
	require.False(t, found)
	require.EqualValues(t, 1, f.applied.Load())
}

func queuedOperations(c *Client) (n int) {
	s := c.nodes[0].current()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.queue {
		n += m.operations
	}
	return n
}

func pendingOperations(c *Client) int {
	s := c.nodes[0].current()
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending)
}

// relay joins a connection to a server, until the test ends.
func relay(t *testing.T, connection net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = connection.Close()
		_ = server.Close()
	})
	go func() { _, _ = io.Copy(server, connection) }()
	go func() { _, _ = io.Copy(connection, server) }()
}

func TestAServerWithoutTheService(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := grpc.NewServer()
		go func() { _ = server.Serve(listener) }()
		defer server.Stop()
		c, err := New(Config{Addresses: []string{listener.Addr().String()}, Unary: configured(mode).Unary})
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		_, err = c.Put(within(t, patience), []byte("k"), nil)
		var e *RefusedError
		require.ErrorAs(t, err, &e)
		require.Equal(t, policy.ReasonUnsupported, e.Reason)
	})
}

func TestTooLargeIsRefusedHere(t *testing.T) {
	f := newFakeCluster(t, 1)
	c := connect(t, f, func(c *Config) { c.RequestBytesMax = 10 })
	_, err := c.Put(within(t, patience), []byte("12345"), []byte("123456"))
	var e *RefusedError
	require.ErrorAs(t, err, &e)
	require.Equal(t, policy.ReasonInvalid, e.Reason)
	require.Zero(t, f.nodes[0].serves.Load())
	_, err = c.Put(within(t, patience), []byte("12345"), []byte("12345"))
	require.NoError(t, err)
}

// Large values fill messages of their own, and a queue in front of a slow connection.
func TestLargeValues(t *testing.T) {
	f := newFakeCluster(t, 1)
	c := connect(t, f)
	value := make([]byte, 1<<20)
	each(8, 4, func(name string) {
		_, err := c.Put(within(t, patience), []byte(name), value)
		require.NoError(t, err)
		item, err := c.Get(within(t, patience), []byte(name))
		require.NoError(t, err)
		require.Len(t, item.Value, len(value))
	})
}

func TestFewPlaces(t *testing.T) {
	f := newFakeCluster(t, 1)
	f.window = 2
	c := connect(t, f, func(c *Config) { c.MaxInFlight = 3 })
	each(20, 20, func(name string) {
		_, err := c.Put(within(t, patience), []byte(name), nil)
		require.NoError(t, err)
		_, err = c.Get(within(t, patience), []byte(name))
		require.NoError(t, err)
	})
}

func TestClusterCalls(t *testing.T) {
	f := newFakeCluster(t, 3)
	c := connect(t, f)
	ctx := within(t, patience)
	st, err := c.Status(ctx, Node(f.nodes[2].address))
	require.NoError(t, err)
	require.EqualValues(t, 3, st.Node)
	moved, err := c.TransferLeader(ctx, 2)
	require.NoError(t, err)
	require.EqualValues(t, 2, moved.Leader)
	members, err := c.Members(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, members.Leader)
	_, err = c.TransferLeader(ctx, 9)
	var e *RefusedError
	require.ErrorAs(t, err, &e)
	require.Equal(t, policy.ReasonMembership, e.Reason)
	_, err = c.ChangeMember(ctx, kvpb.MemberChange_MEMBER_CHANGE_REMOVE, &kvpb.Member{Node: 3})
	require.ErrorIs(t, err, ErrUnknown, "a change whose answer is lost is not sent again")
}

// Close ends what is under way, truly told, and leaves nothing behind.
func TestClose(t *testing.T) {
	bothModes(t, func(t *testing.T, mode func(*Config)) {
		before := goroutinesHere()
		f := newFakeCluster(t, 2)
		config := Config{Addresses: f.addresses()}
		mode(&config)
		c, err := New(config)
		require.NoError(t, err)
		_, err = c.Put(within(t, patience), []byte("k"), nil)
		require.NoError(t, err)
		var hanging atomic.Int64
		f.inject(func(_ int, o *kvpb.Operation) fault {
			if o.Kind == kvpb.OperationKind_OPERATION_KIND_CLOSE_SESSION {
				return none
			}
			hanging.Add(1)
			return hang
		})
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				_, err := c.Put(within(t, patience), []byte("k"), nil)
				require.ErrorIs(t, err, ErrUnknown)
			})
			wait.Go(func() {
				_, err := c.Get(within(t, patience), []byte("k"))
				require.ErrorIs(t, err, ErrRefused)
			})
		}
		more(t, &hanging, 16)
		require.NoError(t, c.Close())
		wait.Wait()
		require.NoError(t, c.Close())
		_, err = c.Get(context.Background(), []byte("k"))
		var e *RefusedError
		require.ErrorAs(t, err, &e)
		require.Equal(t, policy.ReasonClosed, e.Reason)
		require.Zero(t, f.machine.Stats().Sessions, "the session is closed")
		for _, n := range f.nodes {
			n.kill()
		}
		require.Eventually(t, func() bool { return goroutinesHere() <= before }, patience, time.Millisecond, "goroutines are left")
	})
}

// goroutinesHere counts the goroutines of gRPC connections and of this package, those of tests not.
func goroutinesHere() int {
	buffer := make([]byte, 1<<20)
	n := 0
	for _, stack := range strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
		if strings.Contains(stack, "client.(*stream)") || strings.Contains(stack, "internal/transport.") {
			n++
		}
	}
	return n
}

func TestConfigIsChecked(t *testing.T) {
	for want, config := range map[string]Config{
		"Addresses is empty":                        {},
		`holds "": write it like host:port`:         {Addresses: []string{""}},
		`holds "nonsense": write it like host:port`: {Addresses: []string{"a:1", "nonsense"}},
		`holds "a:": the port "" is not a number`:   {Addresses: []string{"a:"}},
		`the port "0" is not a number from 1`:       {Addresses: []string{"a:0"}},
		`the port "http" is not a number`:           {Addresses: []string{"a:http"}},
		"Timeout is -1ns":                           {Addresses: []string{"a:1"}, Timeout: -1},
		"ConnectTimeout":                            {Addresses: []string{"a:1"}, ConnectTimeout: -1},
		"RequestBytesMax":                           {Addresses: []string{"a:1"}, RequestBytesMax: -1},
		"backoff":                                   {Addresses: []string{"a:1"}, BackoffMin: 2, BackoffMax: 1},
		"attempt time":                              {Addresses: []string{"a:1"}, AttemptTimeout: -1},
		"operations in fligh":                       {Addresses: []string{"a:1"}, MaxInFlight: -1},
	} {
		_, err := New(config)
		require.ErrorContains(t, err, want)
	}
	for _, address := range []string{"[::1]:9081", "dns:///node", "unix:///run/node"} {
		c, err := New(Config{Addresses: []string{address}})
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	c, err := New(Config{Addresses: []string{"a:1", "a:1"}})
	require.NoError(t, err)
	require.Len(t, c.nodes, 1)
	require.NoError(t, c.Close())
}

func TestErrorTexts(t *testing.T) {
	refused := &RefusedError{Operation: "put", Reason: policy.ReasonNoLeader, Node: "n:1", Message: "m", Attempts: 3, Cause: context.DeadlineExceeded}
	require.EqualError(t, refused, "lockstep: put refused, nothing was changed: no leader (m) [3 attempts, last at n:1, until the deadline]"+
		"; check that a majority of the nodes runs, then try again")
	unknown := &UnknownError{Operation: "put", Reason: policy.ReasonNoAnswer, Attempts: 1, Cause: context.Canceled}
	require.EqualError(t, unknown, "lockstep: put has an unknown outcome: no answer [until the context ended: context canceled]"+
		": it may have taken effect; read the key before you write it again")
	for r := range Reason(255) {
		require.NotEmpty(t, refusedAdvice(r))
	}
}
