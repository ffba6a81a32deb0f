package host

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

func machineMemory(fs.FS) (int64, error) {
	n, err := unix.SysctlUint64("hw.memsize")
	return int64(n), err
}
