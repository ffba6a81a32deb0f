package cluster

import (
	"testing"

	"github.com/lockstepdb/lockstep/kv"
	"github.com/stretchr/testify/require"
)

func TestConfigNamesTheFieldThatIsOutOfBounds(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"ID":              func(c *Config) { c.ID = 0 },
		"Epoch":           func(c *Config) { c.Epoch = 0 },
		"TickNanos":       func(c *Config) { c.TickNanos = 10 },
		"ElectionTicks":   func(c *Config) { c.ElectionTicks = 2 },
		"HeartbeatTicks":  func(c *Config) { c.HeartbeatTicks = -1 },
		"LeaseDriftNanos": func(c *Config) { c.LeaseReads, c.LeaseDriftNanos = true, 1<<40 },
		"PendingMax":      func(c *Config) { c.PendingMax = -1 },
		"DataBytesMax":    func(c *Config) { c.DataBytesMax = -1 },
	} {
		c := testConfig(1)
		change(&c)
		machine, err := kv.New(c.Machine)
		require.NoError(t, err)
		_, err = New(c, Recovered{Machine: machine})
		require.ErrorContains(t, err, want)
	}
}

func TestNewRefusesAMachineOfAnotherIndex(t *testing.T) {
	machine, err := kv.New(kv.Options{})
	require.NoError(t, err)
	_, err = New(testConfig(1), Recovered{Machine: machine, Snapshot: SnapshotMark{Index: 3, Term: 1}})
	require.ErrorContains(t, err, "does not hold the snapshot at 3")
}

// TestLeaseIsShorterThanAnyElection: a follower refuses its vote for ElectionTicks ticks, the first two of which may come early.
func TestLeaseIsShorterThanAnyElection(t *testing.T) {
	c := Config{ID: 1, Epoch: 1, LeaseReads: true}.WithDefaults()
	require.Positive(t, c.leaseNanos())
	require.Less(t, c.leaseNanos()+c.LeaseDriftNanos, int64(c.ElectionTicks-1)*c.TickNanos)
}
