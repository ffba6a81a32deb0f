package bugs

import (
	"context"
	"regexp"
	"testing"

	"github.com/lockstepdb/lockstep/sim/plan"
	"github.com/stretchr/testify/require"
)

// promised are the bugs that the simulator must find, in the words in which that was promised, and those of the bank that are them.
var promised = map[string][]string{
	"append answered before persisted":                                           {"append-answered-early"},
	"vote answered before persisted":                                             {"vote-answered-early"},
	"leader counts its own unpersisted entry":                                    {"own-entry-counted-early"},
	"some appends not synced":                                                    {"entries-not-synced", "vote-not-synced", "only-last-append-synced", "segment-ended-unsynced"},
	"fsync error ignored":                                                        {"fsync-error-ignored", "fsync-error-retried"},
	"torn tail not cut":                                                          {"torn-tail-kept"},
	"damage in the middle taken for a torn tail":                                 {"damage-taken-for-tail"},
	"directory not synced after creating a segment":                              {"segment-name-not-durable"},
	"directory not synced after renaming a snapshot":                             {"snapshot-name-not-durable"},
	"vote forgotten on restart":                                                  {"vote-forgotten", "vote-not-recovered"},
	"old log suffix reappears after a restart":                                   {"old-suffix-recovered"},
	"log compacted past the durable snapshot":                                    {"compacted-before-snapshot"},
	"snapshot without the session table":                                         {"snapshot-without-sessions"},
	"snapshot without the revision counter":                                      {"snapshot-without-revision"},
	"snapshot taken while writes go on":                                          {"snapshot-while-writing"},
	"leader answers reads locally":                                               {"leader-reads-locally"},
	"read released before apply":                                                 {"read-before-apply"},
	"lease that ignores its margin":                                              {"lease-without-margin"},
	"lease kept through a leader transfer":                                       {"lease-kept-in-transfer"},
	"read that joins a round already under way":                                  {"read-joins-round"},
	"start epoch reused after a restart":                                         {"epoch-reused"},
	"stale follower read served as linearizable":                                 {"follower-reads-locally"},
	"reply matched by log index alone":                                           {"reply-by-index"},
	"unknown outcome told as refused":                                            {"unknown-told-as-refused", "skipped-requests-refused", "refusal-after-unknown"},
	"retry applied twice":                                                        {"retry-applied-twice", "retry-under-new-number"},
	"sessions evicted by the node's own ticks":                                   {"sessions-evicted-by-ticks"},
	"result depends on map order":                                                {"map-order-decides"},
	"an apply error skips the entry on one replica":                              {"apply-error-skips-entry"},
	"applied index kept while data is restored older":                            {"applied-index-kept"},
	"quorum one too small":                                                       {"quorum-one-too-small", "commit-quorum-too-small", "vote-quorum-too-small"},
	"older-term entry committed by counting":                                     {"older-term-committed"},
	"a node that lost its disk returns under its old identity with an empty log": {"lost-disk-accepted"},
	"append queue reorders two writes":                                           {"appends-reordered", "appends-merged-out-of-order"},
	"a full pending table drops a reply":                                         {"full-table-drops-reply"},
}

func root(t testing.TB) string {
	dir, err := Root(t.Context())
	require.NoError(t, err)
	return dir
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range Bank() {
		require.Regexp(t, regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`), b.Name)
		require.False(t, seen[b.Name], "two bugs are called %s", b.Name)
		seen[b.Name] = true
		require.NotEmpty(t, b.Title, b.Name)
		require.True(t, len(b.Edits)+len(b.Raft) > 0, "%s edits nothing", b.Name)
	}
	for words, names := range promised {
		for _, name := range names {
			require.True(t, seen[name], "%s (%s) is not in the bank", name, words)
		}
	}
}

func TestFind(t *testing.T) {
	all, err := Find(nil)
	require.NoError(t, err)
	require.Equal(t, len(Bank()), len(all))
	some, err := Find([]string{"older-term-committed", "append-answered-early"})
	require.NoError(t, err)
	require.Len(t, some, 2)
	require.Equal(t, "append-answered-early", some[0].Name)
	_, err = Find([]string{"no-such-bug"})
	require.Error(t, err)
}

// An edit that fits twice, or not at all, is refused: it would plant something else, or nothing.
func TestAnEditThatDoesNotFitIsRefused(t *testing.T) {
	e := Edit{File: "f.go", Old: "a", New: "b"}
	_, err := e.apply("aa")
	require.ErrorContains(t, err, "2 times")
	_, err = e.apply("c")
	require.ErrorContains(t, err, "0 times")
	text, err := e.apply("xay")
	require.NoError(t, err)
	require.Equal(t, "xby", text)

	source := []byte("package p\nfunc (t *T) f() { g(1); x := g(2); _ = x }\n")
	for _, bad := range []RaftEdit{
		{File: "p.go", Func: "f", Place: call("g", 1)},
		{File: "p.go", Func: "T.f", Place: call("h", 1)},
		{File: "p.go", Func: "T.f", Place: call("g", 3)},
		{File: "p.go", Func: "T.f", Place: valueOf("y")},
	} {
		_, err := bad.apply(source)
		require.Error(t, err)
	}
	for want, good := range map[string]RaftEdit{
		"package p\nfunc (t *T) f() { g(1); x := 3; _ = x }\n":   {File: "p.go", Func: "T.f", Place: call("g", 2), New: "3"},
		"package p\nfunc (t *T) f() { g(1); x := 4; _ = x }\n":   {File: "p.go", Func: "T.f", Place: valueOf("x"), New: "4"},
		"package p\nfunc (t *T) f() { h(); x := g(2); _ = x }\n": {File: "p.go", Func: "T.f", Place: call("g", 1), New: "h()"},
	} {
		text, err := good.apply(source)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}

// A fault without a class would stay in plans that are to be free of it.
func TestEveryFaultHasAClass(t *testing.T) {
	for _, kind := range plan.Kinds() {
		require.NotEmpty(t, classOf[kind], "fault %s", kind)
	}
	require.Len(t, classOf, len(plan.Kinds()))
}

func TestFree(t *testing.T) {
	for seed := uint64(1); seed <= 200; seed++ {
		for _, c := range Classes() {
			p, err := plan.Draw(seed, "standard")
			require.NoError(t, err)
			c.free(p)
			require.NoError(t, p.Validate())
			for _, f := range p.Faults {
				require.NotEqual(t, c, classOf[f.Do])
			}
		}
	}
}

// The canary: if these are not found, nothing that the simulator says can be trusted. Among them is one of each way to plant a bug.
func TestCanary(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds binaries and lives seeds with them")
	}
	for _, name := range []string{"append-answered-early", "quorum-one-too-small"} {
		t.Run(name, func(t *testing.T) {
			c := hunt(t, name)
			require.True(t, c.Found, "not found by %d seeds", c.Seeds)
			t.Logf("found by seed %d: %s: %s", c.Seed, c.Kind, c.Message)
		})
	}
}

func hunt(t testing.TB, name string) Catch {
	found, err := Find([]string{name})
	require.NoError(t, err)
	ctx := context.Background()
	binary, err := Build(ctx, found[0], t.TempDir())
	require.NoError(t, err)
	h := Hunt{Binary: binary, Workers: 1, Profile: plan.Profiles[0], From: 1, SeedsMax: 300}
	c, err := h.Run(ctx)
	require.NoError(t, err)
	return c
}
