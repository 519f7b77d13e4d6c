//go:build !linux

package kubetest

import "syscall"

// dieWithParent returns nothing: only Linux has a parent-death signal. A test
// that is killed elsewhere leaves its servers running.
func dieWithParent() *syscall.SysProcAttr { return nil }
