//go:build !linux

package up

import "syscall"

// dieWithParent has nothing to ask of this kernel: the child watches the pipe.
func dieWithParent(*syscall.SysProcAttr) {}
