package host

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/transport"
)

// registry is what a directory's identity is recorded in.
type registry interface {
	Identity() storage.Identity
	Meet(node uint64, instance cluster.Instance) error
	Form(founding cluster.Membership) error
}

// identity is who this node is and whom it knows. It judges peers.
type identity struct {
	own      storage.Identity // Cluster, Node, Instance, Join, Settings
	address  string           // where peers connect
	registry registry
	leases   string // see Config.leases
	founders []Peer // as configured, by id; of a joining node: whom it is to find

	mu       sync.Mutex
	formed   bool
	founding uint64 // digest
	met      []transport.Met
	// guests are nodes that know this one as a member, though the membership here does not know them yet, and their addresses.
	guests     map[uint64]string
	guestNew   bool               // since newGuest was last asked
	membership cluster.Membership // empty until the node runs or, on a joining node, until it received one
}

func newIdentity(r registry, peers []Peer) *identity {
	id := r.Identity()
	i := &identity{own: id, registry: r, founders: peers, formed: id.Formed || id.Join}
	for _, p := range peers {
		if p.Node == id.Node {
			i.address = p.Peer
		}
	}
	switch {
	case id.Formed:
		i.founding, i.membership = foundingDigest(id.Founding), id.Founding
	case !id.Join:
		i.founding = foundingDigest(membershipOf(peers, nil))
	}
	i.readMet()
	return i
}

// readMet copies what is recorded; called with mu held, or before anyone else has the identity.
func (i *identity) readMet() {
	i.met = i.met[:0:0]
	for _, m := range i.registry.Identity().Met {
		i.met = append(i.met, transport.Met{Node: m.Node, Instance: m.Instance})
	}
}

// membershipOf makes founding members of the configured peers.
func membershipOf(peers []Peer, met []transport.Met) cluster.Membership {
	var m cluster.Membership
	for _, p := range peers {
		member := cluster.Member{ID: p.Node, Peer: p.Peer, HTTP: p.HTTP, GRPC: p.GRPC}
		if at := slices.IndexFunc(met, func(v transport.Met) bool { return v.Node == p.Node }); at >= 0 {
			member.Instance = met[at].Instance
		}
		m.Members = append(m.Members, member)
	}
	slices.SortFunc(m.Members, func(a, b cluster.Member) int { return int(int64(a.ID) - int64(b.ID)) })
	return m
}

// foundingDigest covers ids and addresses, not instances: these are not known yet when nodes compare it. Never 0.
func foundingDigest(m cluster.Membership) uint64 {
	h := sha256.New()
	for _, v := range m.Members {
		fmt.Fprintf(h, "%d %q %q %q\n", v.ID, v.Peer, v.HTTP, v.GRPC)
	}
	return binary.BigEndian.Uint64(h.Sum(nil)) | 1
}

// hello is what this node says of itself now.
func (i *identity) hello(target uint64) transport.Hello {
	i.mu.Lock()
	defer i.mu.Unlock()
	return transport.Hello{
		Cluster: i.own.Cluster, Node: i.own.Node, Instance: i.own.Instance, Address: i.ownAddress(), Settings: i.own.Settings, Leases: i.leases,
		TargetInstance: i.known(target), Formed: i.formed && !i.own.Join, Founding: i.founding, Met: slices.Clone(i.met),
	}
}

// ownAddress is where peers connect: as configured, or as the membership says on a node that joined. Called with mu held.
func (i *identity) ownAddress() string {
	if at := i.member(i.own.Node); i.address == "" && at >= 0 {
		return i.membership.Members[at].Peer
	}
	return i.address
}

// known is the instance of a node; zero when it is not known. Called with mu held.
func (i *identity) known(node uint64) cluster.Instance {
	if at := i.member(node); at >= 0 {
		return i.membership.Members[at].Instance
	}
	if at := slices.IndexFunc(i.met, func(v transport.Met) bool { return v.Node == node }); at >= 0 && !i.formed {
		return i.met[at].Instance
	}
	return cluster.Instance{}
}

func (i *identity) member(node uint64) int {
	return slices.IndexFunc(i.membership.Members, func(m cluster.Member) bool { return m.ID == node })
}

// verify judges a peer whose cluster and target are right. While the cluster forms, the peer's instance is recorded
// durably before it returns nil.
func (i *identity) verify(h transport.Hello) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if h.Instance == (cluster.Instance{}) {
		return i.refuse(&h, transport.RefusedInstance, "it names no instance")
	}
	// First of all: a node that lost its directory may have been given other addresses as well.
	if known := i.known(h.Node); known != (cluster.Instance{}) && known != h.Instance {
		return transport.OtherInstance(h.Node, i.own.Node)
	}
	if h.Founding != 0 && i.founding != 0 && h.Founding != i.founding {
		return i.refuse(&h, transport.RefusedFounding, "its list of founding nodes and their addresses is not that of node %d: configure the same list on both", i.own.Node)
	}
	if !i.formed {
		return i.meet(&h)
	}
	return i.verifyMember(&h)
}

// meet records a founding node.
func (i *identity) meet(h *transport.Hello) error {
	if !slices.ContainsFunc(i.founders, func(p Peer) bool { return p.Node == h.Node }) {
		return i.refuse(h, transport.RefusedUnknown, "it is not among the founding nodes that node %d is configured with", i.own.Node)
	}
	err := i.registry.Meet(h.Node, h.Instance)
	if other := (*storage.OtherInstanceError)(nil); errors.As(err, &other) {
		return transport.OtherInstance(h.Node, i.own.Node)
	}
	if err != nil {
		return err
	}
	i.readMet()
	return nil
}

// verifyMember judges by the membership. A node whose membership is old, or that joins and has none yet, also talks to
// whoever knows its instance, since that can only come from a membership: its leader may have been added while it was away.
func (i *identity) verifyMember(h *transport.Hello) error {
	switch i.membership.Standing(i.own.Instance, cluster.Introduction{Node: h.Node, Instance: h.Instance, Target: h.TargetInstance}) {
	case cluster.KnownPeer:
		return nil
	case cluster.Guest:
		i.welcome(h)
		return nil
	case cluster.Expelled:
		return i.refuse(h, transport.RefusedRemoved, "it was removed from the cluster; add it under a new id with an empty directory")
	case cluster.Replaced:
		return transport.OtherInstance(h.Node, i.own.Node)
	case cluster.Mistaken:
		return transport.OtherInstance(i.own.Node, h.Node)
	}
	if len(i.membership.Members) == 0 && i.configured(h.Node) {
		return nil
	}
	return i.refuse(h, transport.RefusedUnknown, "it is not a member as far as node %d knows: add it first", i.own.Node)
}

// guestsMax bounds the guests that are remembered.
const guestsMax = cluster.MembersMax

// welcome remembers where a guest is to be answered.
func (i *identity) welcome(h *transport.Hello) {
	if h.Address == "" || len(i.guests) >= guestsMax && i.guests[h.Node] == "" {
		return
	}
	if i.guests == nil {
		i.guests = map[uint64]string{}
	}
	i.guestNew = i.guestNew || i.guests[h.Node] != h.Address
	i.guests[h.Node] = h.Address
}

// newGuest says whether addresses has grown by a guest since it was last asked.
func (i *identity) newGuest() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	news := i.guestNew
	i.guestNew = false
	return news
}

func (i *identity) configured(node uint64) bool {
	return slices.ContainsFunc(i.founders, func(p Peer) bool { return p.Node == node })
}

func (i *identity) refuse(h *transport.Hello, code transport.RefusalCode, format string, args ...any) error {
	return &transport.Refusal{Code: code, Node: h.Node, By: i.own.Node, Text: fmt.Sprintf(format, args...)}
}

// setMembership follows the node's.
func (i *identity) setMembership(m cluster.Membership) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.membership = m
	for node := range i.guests {
		if i.member(node) >= 0 || slices.Contains(m.Removed, node) {
			delete(i.guests, node)
		}
	}
}

// addresses is whom to connect to: guests and the members (or, before there is a membership, the configured peers), at the configured
// address if there is one.
func (i *identity) addresses() map[uint64]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := maps.Clone(i.guests)
	if out == nil {
		out = map[uint64]string{}
	}
	for _, m := range i.membership.Members {
		out[m.ID] = m.Peer
	}
	for _, p := range i.founders {
		if _, member := out[p.Node]; member || len(i.membership.Members) == 0 {
			out[p.Node] = p.Peer
		}
	}
	delete(out, i.own.Node)
	return out
}

// overlay puts the configured addresses over those of a membership, in place.
func (i *identity) overlay(m *cluster.Membership) {
	for at := range m.Members {
		for _, p := range i.founders {
			if p.Node != m.Members[at].ID {
				continue
			}
			m.Members[at].Peer = p.Peer
			if p.HTTP != "" {
				m.Members[at].HTTP = p.HTTP
			}
			if p.GRPC != "" {
				m.Members[at].GRPC = p.GRPC
			}
		}
	}
}
