// Package native drives Lockstep itself: the built binary, run by `lockstep serve`.
package native

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/cluster/client"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/lockstepdb/lockstep/linearizability/history"
)

const (
	// answerBytesMax bounds what is read of a node's answer.
	answerBytesMax = 4 << 20
	// changePause is how long Leave and Enter wait before they try again.
	changePause = 200 * time.Millisecond
	// changeTimeout bounds one attempt of theirs.
	changeTimeout = 2 * time.Second
)

// Native is Lockstep as a driver.
type Native struct {
	Binary  string
	Cluster string
	// Flags are added to the command line of every node, such as "--raft-lease-reads".
	Flags []string

	admin http.Client
}

var _ driver.Driver = (*Native)(nil)

// New returns a driver for a binary.
func New(binary, cluster string, flags []string) *Native {
	return &Native{Binary: binary, Cluster: cluster, Flags: flags, admin: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// Claims says what docs/api.md says.
func (n *Native) Claims() driver.Claims {
	return driver.Claims{Store: "lockstep", Revisions: history.Contract, Conditions: true, Stale: true}
}

// Command returns the command line of `lockstep serve`. LOCKSTEP_ variables of the harness do not reach the nodes.
func (n *Native) Command(p driver.Place) (line, environ []string) {
	line = []string{n.Binary, "serve", "--cluster", n.Cluster, "--node", strconv.FormatUint(p.ID, 10), "--data-dir", p.Dir,
		"--join=" + strconv.FormatBool(p.Join), "--http-address", p.Listen.HTTP, "--grpc-address", p.Listen.GRPC,
		"--peer-address", p.Listen.Peer, "--admin-address", p.Admin, "--exit-with-parent-fd", "3"}
	for _, f := range p.Founders {
		line = append(line, "--peer", fmt.Sprintf("%d=%s,http=%s,grpc=%s", f.ID, f.Public.Peer, f.Public.HTTP, f.Public.GRPC))
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LOCKSTEP_") {
			environ = append(environ, v)
		}
	}
	return append(line, n.Flags...), environ
}

// Refusals is the code for bad data.
func (n *Native) Refusals() []int { return []int{65} }

// Alarms are a bug's traces in a log. (A panic that is not recovered begins a line with "panic: ".)
func (n *Native) Alarms() []string {
	return []string{"panic in a request handler", "panic: ", "fatal error: ", "DATA RACE", "too_many_pings"}
}

// ask reads an admin page.
func (n *Native) ask(ctx context.Context, p driver.Place, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := n.admin.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s%s: %s", p.Admin, path, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
}

// State reads /raft.
func (n *Native) State(ctx context.Context, p driver.Place) (driver.State, error) {
	body, err := n.ask(ctx, p, "/raft")
	if err != nil {
		return driver.State{}, err
	}
	var d struct {
		Role    string `json:"role"`
		Term    uint64 `json:"term"`
		Leader  uint64 `json:"leader"`
		Ready   bool   `json:"ready"`
		Commit  uint64 `json:"commit_index"`
		Applied uint64 `json:"applied_index"`
		Members []struct {
			Node    uint64 `json:"node"`
			Learner bool   `json:"learner"`
		} `json:"members"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return driver.State{}, err
	}
	s := driver.State{Leads: d.Role == "leader", Term: d.Term, Leader: d.Leader, Ready: d.Ready, Commit: d.Commit, Applied: d.Applied}
	for _, m := range d.Members {
		s.Members = append(s.Members, driver.Member{ID: m.Node, Learner: m.Learner})
	}
	return s, nil
}

// Metrics reads /metrics.
func (n *Native) Metrics(ctx context.Context, p driver.Place) (map[string]float64, error) {
	body, err := n.ask(ctx, p, "/metrics")
	if err != nil {
		return nil, err
	}
	values := map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, answerBytesMax)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") || strings.Contains(line[:at], "_bucket{") {
			continue
		}
		if v, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			values[line[:at]] = v
		}
	}
	return values, lines.Err()
}

// Leave removes a member.
func (n *Native) Leave(ctx context.Context, id uint64, all []driver.Addresses) error {
	return n.change(ctx, all, kvpb.MemberChange_MEMBER_CHANGE_REMOVE, &kvpb.Member{Node: id}, func(m *kvpb.MembersResponse) bool {
		return part(m, id) == absent
	})
}

// Enter adds the node at p as a learner and promotes it.
func (n *Native) Enter(ctx context.Context, p driver.Place, all []driver.Addresses) error {
	instance, err := n.instance(ctx, p)
	if err != nil {
		return err
	}
	m := &kvpb.Member{Node: p.ID, Instance: instance, PeerAddress: p.Public.Peer, HttpAddress: p.Public.HTTP, GrpcAddress: p.Public.GRPC, Learner: true}
	err = n.change(ctx, all, kvpb.MemberChange_MEMBER_CHANGE_ADD_LEARNER, m, func(m *kvpb.MembersResponse) bool { return part(m, p.ID) != absent })
	if err != nil {
		return err
	}
	return n.change(ctx, all, kvpb.MemberChange_MEMBER_CHANGE_PROMOTE, &kvpb.Member{Node: p.ID}, func(m *kvpb.MembersResponse) bool {
		return part(m, p.ID) == voter
	})
}

// instance reads the instance of a directory from its IDENTITY, which appears soon after a node was started.
func (n *Native) instance(ctx context.Context, p driver.Place) ([]byte, error) {
	for {
		text, err := os.ReadFile(filepath.Join(p.Dir, "IDENTITY"))
		for _, line := range strings.Split(string(text), "\n") {
			if word, ok := strings.CutPrefix(line, "instance "); ok {
				return hex.DecodeString(word)
			}
		}
		if err := pause(ctx, changePause); err != nil {
			return nil, err
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
}

type membership uint8

const (
	absent membership = iota
	learner
	voter
)

func part(m *kvpb.MembersResponse, id uint64) membership {
	for _, one := range m.GetMembers() {
		if one.GetNode() == id {
			if one.GetLearner() {
				return learner
			}
			return voter
		}
	}
	return absent
}

// change asks for a membership change until the members are as it wants them.
func (n *Native) change(ctx context.Context, all []driver.Addresses, what kvpb.MemberChange, m *kvpb.Member, isDone func(*kvpb.MembersResponse) bool) error {
	var addresses []string
	for _, a := range all {
		addresses = append(addresses, a.GRPC)
	}
	c, err := client.New(client.Config{Addresses: addresses, DisableSessions: true})
	if err != nil {
		return err
	}
	defer c.Close()
	var last error
	for {
		attempt, cancel := context.WithTimeout(ctx, changeTimeout)
		_, last = c.ChangeMember(attempt, what, m)
		// A node that answers may be behind: only the leader's word counts.
		members, err := leaderMembers(attempt, c, addresses)
		cancel()
		if err == nil && isDone(members) {
			return nil
		}
		if err := pause(ctx, changePause); err != nil {
			return fmt.Errorf("%v of node %d: %w (%v)", what, m.Node, err, last)
		}
	}
}

// leaderMembers asks the node that says that it leads.
func leaderMembers(ctx context.Context, c *client.Client, addresses []string) (*kvpb.MembersResponse, error) {
	var last error
	for _, a := range addresses {
		s, err := c.Status(ctx, client.Node(a))
		if err != nil || s.GetLeader() != s.GetNode() {
			last = errors.Join(last, err)
			continue
		}
		return c.Members(ctx, client.Node(a))
	}
	return nil, errors.Join(errors.New("nobody leads"), last)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
