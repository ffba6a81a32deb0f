package readers

import (
	"bufio"
	"errors"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// readNative reads the format of package history.
func readNative(r *bufio.Reader, o Options) (*history.History, error) {
	h, err := history.Read(r)
	var bad *history.FormatError
	if errors.As(err, &bad) {
		return nil, failAt(bad.Line, "%s", bad.Reason)
	}
	if err != nil {
		return nil, err
	}
	h.Origin.File = o.File
	return h, nil
}
