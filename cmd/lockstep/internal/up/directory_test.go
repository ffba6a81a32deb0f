package up

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
	"github.com/stretchr/testify/require"
)

func claimed(t *testing.T, dir string, w Wish) directory {
	t.Helper()
	d, err := examine(dir, w)
	require.NoError(t, err)
	unlock, err := d.claim()
	require.NoError(t, err)
	unlock()
	return d
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestExamineWritesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	_, err := examine(dir, Wish{})
	require.NoError(t, err)
	require.NoFileExists(t, filepath.Dir(dir))
}

func TestADirectoryRemembersItsCluster(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := claimed(t, dir, Wish{Nodes: 5, Ports: Ports{HTTP: 18081}})
	again := claimed(t, dir, Wish{})
	require.Equal(t, first.memory, again.memory)
	require.False(t, again.changed)
	require.Equal(t, 5, again.memory.Nodes)
	require.Equal(t, 18081, again.memory.Ports.HTTP)
	require.Equal(t, DefaultPorts.GRPC, again.memory.Ports.GRPC)
}

func TestPortsMayChangeAndAreRemembered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := claimed(t, dir, Wish{})
	second := claimed(t, dir, Wish{Ports: Ports{Admin: 20000}})
	third := claimed(t, dir, Wish{})
	require.Equal(t, first.memory.Cluster, third.memory.Cluster)
	require.Equal(t, second.memory, third.memory)
	require.Equal(t, 20000, third.memory.Ports.Admin)
}

func TestAnotherNumberOfNodesIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	claimed(t, dir, Wish{})
	before := names(t, dir)
	_, err := examine(dir, Wish{Nodes: 5})
	require.Equal(t, exit.BadData, exit.CodeOf(err))
	require.ErrorContains(t, err, "of 3 nodes, not 5")
	require.Equal(t, before, names(t, dir))
}

func TestForeignFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".gitkeep"), nil, 0o600))
	_, err := examine(dir, Wish{})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600))
	_, err = examine(dir, Wish{})
	require.Equal(t, exit.BadData, exit.CodeOf(err))
	require.ErrorContains(t, err, "thesis.tex")
	require.Equal(t, []string{".gitkeep", "thesis.tex"}, names(t, dir))
}

func TestDamagedMemoryIsRefused(t *testing.T) {
	for name, text := range map[string]string{"torn": `{"format":1,`, "newer": `{"format":2}`, "other": `{}`} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, memoryFile), []byte(text), 0o600))
			_, err := examine(dir, Wish{})
			require.Equal(t, exit.BadData, exit.CodeOf(err))
		})
	}
}

func TestAFileIsNoDirectory(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	for _, dir := range []string{name, filepath.Join(name, "below")} {
		_, err := examine(dir, Wish{})
		require.Equal(t, exit.Failure, exit.CodeOf(err), dir)
		require.ErrorContains(t, err, "choose another --dir")
	}
}

func TestAnUnwritableDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	if os.Geteuid() == 0 {
		if err := mountReadOnly(t, dir); err != nil {
			t.Skipf("root may write everywhere and can't mount a read-only directory here (%v); run as another user to check that an unwritable directory is refused", err)
		}
	}
	_, err := examine(filepath.Join(dir, "data"), Wish{})
	require.ErrorContains(t, err, "cannot write to")
}
