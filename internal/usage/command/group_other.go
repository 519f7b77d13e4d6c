//go:build !unix

package command

import "os/exec"

// ownGroup does nothing where there are no process groups: only the program
// itself is ended, which is what package os/exec does.
func ownGroup(*exec.Cmd) {}

// endGroup does nothing; see ownGroup.
func endGroup(*exec.Cmd) {}
