package up

import "syscall"

// dieWithParent has the kernel kill the child when we end. SIGKILL, because a paused child would not take another signal;
// a node that is killed loses nothing.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
