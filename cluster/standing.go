package cluster

import "slices"

// Introduction is what a peer says of itself before anything is taken from it.
type Introduction struct {
	Node     uint64
	Instance Instance
	// Target is the instance that the peer takes the listener for; zero when it does not know one.
	Target Instance
}

// Standing is what a node makes of a peer that introduces itself.
type Standing uint8

// The standings. Nothing may be taken from any but a member and a guest.
const (
	Stranger  Standing = iota // nothing is known of it
	KnownPeer                 // a member
	Guest                     // not a member as far as is known here; but it knows this instance, which it can have from a newer membership only
	Mistaken                  // it looks for another instance: one that had this node's id once
	Replaced                  // a member has its id, and is another instance: it has lost its directory
	Expelled                  // it was removed, which is final
)

// Standing judges a peer by the membership. own is the instance of the node that judges.
func (m *Membership) Standing(own Instance, peer Introduction) Standing {
	known, member := m.Find(peer.Node)
	switch {
	case slices.Contains(m.Removed, peer.Node):
		return Expelled
	case member && known.Instance != peer.Instance:
		return Replaced
	case peer.Target != (Instance{}) && peer.Target != own:
		return Mistaken
	case member:
		return KnownPeer
	case peer.Target == own:
		return Guest
	}
	return Stranger
}
