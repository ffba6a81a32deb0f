package vfs

import "golang.org/x/sys/unix"

// syncData is fdatasync: it also writes a length that is needed to read the data back, but no time stamps.
func syncData(fd int) error {
	for {
		if err := unix.Fdatasync(fd); err != unix.EINTR {
			return err
		}
	}
}

func syncAll(fd int) error {
	for {
		if err := unix.Fsync(fd); err != unix.EINTR {
			return err
		}
	}
}

// preallocate reserves blocks and sets the length. The blocks read as zeros.
func preallocate(fd int, from, to int64) error {
	return retry(func() error { return unix.Fallocate(fd, 0, from, to-from) })
}
