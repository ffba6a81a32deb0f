package up

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// story drives a watch over three nodes with a clock of its own.
type story struct {
	t   *testing.T
	w   *watch
	now time.Time
	got []string
}

func newStory(t *testing.T) *story {
	p, err := newPlan(found(Wish{}), "/data")
	require.NoError(t, err)
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	return &story{t: t, w: newWatch(p, now), now: now}
}

func (s *story) note(events ...Event) {
	for _, e := range events {
		s.got = append(s.got, e.sentence())
	}
}

func (s *story) says(id uint64, ready bool, leader, term uint64) {
	s.note(s.w.observed(id, observation{ready: ready, leader: leader, term: term}, s.now)...)
}

func (s *story) silent(id uint64) {
	s.note(s.w.observed(id, observation{err: errors.New("refused")}, s.now)...)
}

func (s *story) expect(sentences ...string) {
	s.t.Helper()
	require.Equal(s.t, sentences, s.got)
	s.got = nil
}

func (s *story) up() {
	for id := uint64(1); id <= 3; id++ {
		s.says(id, true, 2, 3)
	}
	s.expect("node 2 leads (term 3)")
}

func TestServingIsTheLeadersOwnWord(t *testing.T) {
	s := newStory(t)
	require.Zero(t, s.w.serving())
	require.Len(t, s.w.waitedFor(), 3)
	s.says(1, true, 2, 3)
	require.Zero(t, s.w.serving(), "only node 1 says so")
	s.says(2, false, 2, 3)
	require.Zero(t, s.w.serving(), "the leader is not ready")
	s.says(2, true, 2, 3)
	require.EqualValues(t, 2, s.w.serving())
	require.Equal(t, []string{"node 3 (it does not answer)"}, s.w.waitedFor())
}

func TestALeaderIsKilledAndComesBack(t *testing.T) {
	s := newStory(t)
	s.up()
	s.note(s.w.ended(2, 11, "killed by signal 9 (killed)", s.now))
	s.says(2, true, 2, 3) // an answer that was on its way
	require.Zero(t, s.w.serving())
	s.now = s.now.Add(time.Second)
	s.says(1, true, 3, 4)
	s.says(3, true, 3, 4)
	s.expect("node 2 down (pid 11): killed by signal 9 (killed)", "node 3 leads (term 4)")
	s.now = s.now.Add(time.Second)
	s.note(s.w.started(2, 12, s.now))
	s.silent(2)
	s.now = s.now.Add(time.Second)
	s.says(2, true, 3, 4)
	s.expect("node 2 started again (pid 12)", "node 2 back after 3s")
}

func TestAnOldTermIsNoNews(t *testing.T) {
	s := newStory(t)
	s.up()
	s.says(1, true, 1, 2)
	s.says(3, false, 0, 9)
	s.expect()
}

func TestAShortHiccupIsNoEvent(t *testing.T) {
	s := newStory(t)
	s.up()
	s.silent(3)
	s.now = s.now.Add(unreadyPatience / 2)
	s.says(3, true, 2, 3)
	s.expect()
}

func TestANodeThatStaysUnready(t *testing.T) {
	s := newStory(t)
	s.up()
	s.silent(3)
	s.now = s.now.Add(unreadyPatience)
	s.says(1, true, 2, 3)
	s.silent(3)
	s.silent(3)
	s.now = s.now.Add(time.Second)
	s.says(3, true, 2, 3)
	s.expect("node 3 not ready: it does not answer", "node 3 ready again after 4s")
}

func TestNoLeaderIsToldOnce(t *testing.T) {
	s := newStory(t)
	s.up()
	s.note(s.w.ended(1, 10, "x", s.now), s.w.ended(2, 11, "x", s.now))
	s.got = nil
	for range 3 {
		s.now = s.now.Add(leaderlessPatience)
		s.says(3, true, 0, 3)
	}
	s.expect("no leader: 1 of 3 nodes run, 2 are needed")
	s.says(3, true, 3, 5)
	s.expect("node 3 leads (term 5)")
}

func TestReportForPeople(t *testing.T) {
	p, err := newPlan(found(Wish{}), "/data")
	require.NoError(t, err)
	p.Nodes[0].PID, p.Nodes[0].Role = 4710, "follower"
	p.Nodes[1].PID, p.Nodes[1].Role = 4711, "leader"
	p.Nodes[2].Role = "down"
	var out bytes.Buffer
	r := &textReport{out: &out, restart: true, command: "bin/lockstep"}
	r.waiting([]string{"node 1 (x)"})
	r.waiting([]string{"node 1 (x)"})
	r.ready(p, 2)
	r.event(Event{Time: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), Kind: EventStopped})
	text := out.String()
	require.Contains(t, text, "waiting for node 1 (x) ..\n")
	require.Regexp(t, `(?m)^2 +leader +4711 +http://127.0.0.1:8082 `, text)
	require.Regexp(t, `(?m)^3 +down +- `, text)
	require.Contains(t, text, "kill -9 4711 ")
	require.Equal(t, 2, strings.Count(text, "kill -9 "))
	require.NotContains(t, text, "http://127.0.0.1:8083/v1/", "nothing answers there")
	require.Contains(t, text, "  bin/lockstep kv get greeting\n")
	require.True(t, strings.HasSuffix(text, "12:00:00  stopped; the data stays\n"))
}

func TestReportForPrograms(t *testing.T) {
	p, err := newPlan(found(Wish{Nodes: 1}), "/data")
	require.NoError(t, err)
	p.Nodes[0].PID, p.Nodes[0].Role = 5, "leader"
	var out bytes.Buffer
	r := &jsonReport{out: &out}
	r.event(Event{Kind: EventLeader, Node: 1, Term: 2})
	r.ready(p, 1)
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, `{"nodes":[{"id":1,"pid":5,"role":"leader","http":"127.0.0.1:8081","grpc":"127.0.0.1:9081","peer":"127.0.0.1:16801","admin":"127.0.0.1:16901","dir":"/data/node-1"}],"leader":1}`, lines[0])
	require.Contains(t, lines[1], `"event":"leader"`)
}
