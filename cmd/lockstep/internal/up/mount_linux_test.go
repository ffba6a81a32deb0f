package up

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// mountReadOnly makes a directory one that even root can't write to, until the test ends.
func mountReadOnly(t *testing.T, dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		return err
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(dir, 0)) })
	return nil
}
