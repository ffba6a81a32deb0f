package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStanding(t *testing.T) {
	own, two, three, other := Instance{1}, Instance{2}, Instance{3}, Instance{9}
	m := Membership{Members: []Member{{ID: 1, Instance: own}, {ID: 2, Instance: two}}, Removed: []uint64{4}}
	for _, c := range []struct {
		peer Introduction
		want Standing
	}{
		{Introduction{Node: 2, Instance: two, Target: own}, KnownPeer},
		{Introduction{Node: 2, Instance: two}, KnownPeer}, // it has no membership yet
		{Introduction{Node: 2, Instance: other, Target: own}, Replaced},
		{Introduction{Node: 2, Instance: two, Target: other}, Mistaken},
		{Introduction{Node: 3, Instance: three, Target: own}, Guest},
		{Introduction{Node: 3, Instance: three, Target: other}, Mistaken},
		{Introduction{Node: 3, Instance: three}, Stranger},
		{Introduction{Node: 4, Instance: other, Target: own}, Expelled},
	} {
		require.Equal(t, c.want, m.Standing(own, c.peer), "%+v", c.peer)
	}
	require.Equal(t, Stranger, (&Membership{}).Standing(own, Introduction{Node: 2, Instance: two}), "a node that joins knows nobody")
}
