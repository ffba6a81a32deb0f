package up

import (
	"errors"
	"io/fs"

	"github.com/lockstepdb/lockstep/cluster/storage"
	"github.com/lockstepdb/lockstep/cluster/storage/vfs"
	"github.com/lockstepdb/lockstep/cmd/lockstep/internal/exit"
)

// checkIdentities refuses node directories that hold the data of another cluster or node. A directory without data is fine
// here: whether the node may start empty is for its peers to say.
func checkIdentities(p Plan) error {
	for _, n := range p.Nodes {
		id, err := storage.Inspect(vfs.OS(), n.Dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return exit.Wrap(exit.BadData, "restore it, or choose another --dir", err)
		case id.Cluster != p.Cluster || id.Node != n.ID:
			return exit.New(exit.BadData, "put it back where it belongs, or choose another --dir",
				"%s holds node %d of cluster %s, and node %d of cluster %s is expected", n.Dir, id.Node, id.Cluster, n.ID, p.Cluster)
		}
	}
	return nil
}
