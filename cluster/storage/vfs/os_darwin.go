package vfs

import "golang.org/x/sys/unix"

// syncData and syncAll are both F_FULLFSYNC: on darwin fsync returns once the drive has the data in its volatile cache.
// A volume that can't do it fails here, which is better than a promise that does not hold.
func syncData(fd int) error { return syncAll(fd) }

func syncAll(fd int) error {
	for {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_FULLFSYNC, 0); err != unix.EINTR {
			return err
		}
	}
}

// preallocate reserves blocks behind the file's end, in one piece if there is one, and sets the length.
func preallocate(fd int, from, to int64) error {
	space := unix.Fstore_t{Flags: unix.F_ALLOCATECONTIG, Posmode: unix.F_PEOFPOSMODE, Length: to - from}
	err := retry(func() error { return unix.FcntlFstore(uintptr(fd), unix.F_PREALLOCATE, &space) })
	if err != nil {
		space.Flags = unix.F_ALLOCATEALL
		err = retry(func() error { return unix.FcntlFstore(uintptr(fd), unix.F_PREALLOCATE, &space) })
	}
	if err != nil {
		return err
	}
	return retry(func() error { return unix.Ftruncate(fd, to) })
}
