package kubetest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// orphanEnv makes the test binary a program that starts a server and waits to
// be killed.
const orphanEnv = "KUBETEST_ORPHAN"

// waitToBeKilled prints the process ids of the server's programs and waits
// until its input ends, which it does not before the kill.
func waitToBeKilled(s *Server) int {
	fmt.Println(s.etcd.cmd.Process.Pid, s.api.cmd.Process.Pid)
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	return 1
}

func TestFailedStartShowsTheLogAndLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	_, _, err := Run(Options{Flags: []string{"--no-such-flag"}})
	if err == nil {
		t.Fatal("no error for a flag that does not exist")
	}
	for _, want := range []string{"kube-apiserver ended", "exit status 1", "unknown flag: --no-such-flag", "last lines of etcd"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not hold %q:\n%v", want, err)
		}
	}
	entries, err := os.ReadDir(tmp)
	if err != nil || len(entries) > 0 {
		t.Errorf("the failed starts left %v behind (%v)", entries, err)
	}
}

// A test that panics in a goroutine, times out or is killed runs no cleanup.
func TestKilledTestLeavesNoProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), orphanEnv+"=1", binariesEnv+"="+bin, "TMPDIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(stdout).ReadString('\n')
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	if readErr != nil {
		t.Fatal(readErr)
	}
	fields := strings.Fields(line)
	if len(fields) != 2 {
		t.Fatalf("the program printed %q, want two process ids", line)
	}
	for _, field := range fields {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		waitEnded(t, pid)
	}
}

func TestBinariesFolderMustBeAbsolute(t *testing.T) {
	t.Setenv(binariesEnv, "some/folder")
	if dir, err := binaries(); err == nil {
		t.Errorf("got folder %q, want an error", dir)
	}
	abs := t.TempDir()
	t.Setenv(binariesEnv, abs)
	if dir, err := binaries(); err != nil || dir != abs {
		t.Errorf("got %q, %v; want %q", dir, err, abs)
	}
}

// waitEnded waits for the end of a process that is not a child of ours.
func waitEnded(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for began := time.Now(); !ended(pid); <-tick.C {
		if time.Since(began) > settleTimeout {
			t.Errorf("process %d still runs", pid)
			return
		}
	}
}

// ended tells whether a process is gone, or dead and only not yet reaped by
// whoever inherited it.
func ended(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true
	}
	// The state follows the program's name, which is in parentheses.
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X")
}
