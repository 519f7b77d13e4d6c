package kubetest

import "syscall"

// dieWithParent makes the kernel end a child when the test process is killed
// and cannot do so itself.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
