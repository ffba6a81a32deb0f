package host

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// MemoryLimit is what this process may use, in bytes: the smaller of the machine's memory and the limits of its control groups.
func MemoryLimit() (bytes int64, err error) {
	bytes, _, err = memoryLimit()
	return bytes, err
}

// memoryLimit is what this process may use, in bytes, and where that is said: the smaller of the machine's memory and the
// limits of the process's control groups.
func memoryLimit() (bytes int64, source string, err error) {
	root := os.DirFS("/")
	total, err := machineMemory(root)
	if err != nil {
		return 0, "", err
	}
	bytes, source = smallestLimit(root, total)
	return bytes, source, nil
}

// smallestLimit reads /proc and /sys of a root. Control groups that can't be read limit nothing.
func smallestLimit(root fs.FS, total int64) (bytes int64, source string) {
	bytes, source = total, "the machine's memory"
	for _, name := range cgroupLimitFiles(root) {
		if limit, ok := readLimit(root, name); ok && limit < bytes {
			bytes, source = limit, "/"+name
		}
	}
	return bytes, source
}

// cgroupLimitFiles are the files that may limit this process: of its own group and all above it, for version 2 and 1. Inside a
// container the group's path is often that of the host, and only the mount's root is there.
func cgroupLimitFiles(root fs.FS) []string {
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[1] == "":
			names = append(names, upwards("sys/fs/cgroup", parts[2], "memory.max")...)
		case strings.Contains(","+parts[1]+",", ",memory,"):
			names = append(names, upwards("sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes")...)
		}
	}
	return names
}

func upwards(mount, group, file string) (names []string) {
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		names = append(names, path.Join(mount, dir, file))
		if dir == "/" {
			return names
		}
	}
}

// readLimit reads a limit; ok is false for none ("max", or a number beyond any machine).
func readLimit(root fs.FS, name string) (limit int64, ok bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	limit, err = strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return limit, err == nil && limit > 0
}

// procMemory reads MemTotal of /proc/meminfo.
func procMemory(root fs.FS) (int64, error) {
	f, err := root.Open("proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("MemTotal of /proc/meminfo: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/meminfo tells no MemTotal")
}
