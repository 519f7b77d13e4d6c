//go:build unix

package command

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup makes the command the leader of a process group, and the end of its
// context the end of the whole group. A program that leaves the group on
// purpose (setsid) is not reached.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
			return os.ErrProcessDone
		}
		return nil
	}
}

// endGroup ends what is left of the group after its leader has ended. Nothing
// being left is the usual case.
func endGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
