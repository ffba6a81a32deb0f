package cluster

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithParent has the kernel kill the child when we end: SIGKILL, because a paused child takes no other signal.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// startTime tells two processes with one number apart, also over a restart of the machine; empty if there is no such process.
func startTime(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name, in parentheses, may hold anything; behind it field 3 comes first and field 22 is the start.
	_, rest, ok := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" { // dead, and only not waited for yet
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return fields[19] + "@" + strings.TrimSpace(string(boot))
}

// limitFiles sets how large files of a running process may become. It keeps the hard limit, so that it can be undone.
func limitFiles(pid int, bytes uint64) error {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &old); err != nil {
		return err
	}
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: min(bytes, old.Max), Max: old.Max}, nil)
}

// mountMemory mounts a file system of its own at a directory; it needs root.
func mountMemory(dir string, bytes int64) error {
	return os.NewSyscallError("mount "+dir, unix.Mount("lockstep-chaos", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)))
}

// fill makes a file so large that the file system has so many bytes of room left.
func fill(name string, leave int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return err
	}
	room := int64(s.Bavail)*s.Bsize - leave
	if room <= 0 {
		return nil
	}
	return os.NewSyscallError("fallocate", unix.Fallocate(int(f.Fd()), 0, 0, room))
}

func unmount(dir string) error {
	return os.NewSyscallError("unmount "+dir, unix.Unmount(dir, unix.MNT_DETACH))
}
