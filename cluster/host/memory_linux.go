package host

import "io/fs"

func machineMemory(root fs.FS) (int64, error) { return procMemory(root) }
