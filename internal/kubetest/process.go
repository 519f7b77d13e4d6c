package kubetest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"go.uber.org/goleak"
)

// process is a running child program.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // file with its stdout and stderr
	done chan struct{} // closed when it has ended and was reaped
	err  error         // how it ended; set before done is closed
}

// startProcess starts the program path with its output appended to the file
// log and an empty environment, so that no ETCD_* or proxy setting of the
// caller's reaches it.
func startProcess(name, path, dir, log string, args []string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer out.Close()

	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = []string{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = dieWithParent()

	p := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.keep(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// keep starts the program and waits for its end. The parent-death signal is
// sent when the thread that started the child ends, not the process, so this
// goroutine holds its thread for the child's whole life.
func (p *process) keep(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
	close(p.done)
}

// kill ends the program at once and returns when it is gone. It may be called
// again. No data outlives a test, so nothing needs a graceful end.
func (p *process) kill() {
	// The only error is that the program has ended already.
	_ = p.cmd.Process.Kill()
	<-p.done
}

// tail returns the last lines of the log, for an error message.
func (p *process) tail() string {
	const keep = 40
	data, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Sprintf("(log of %s: %v)", p.name, err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) > keep {
		lines = lines[len(lines)-keep:]
	}
	return fmt.Sprintf("--- last lines of %s:\n%s", p.name, strings.Join(lines, "\n"))
}

// IgnoreServer returns the goleak option that leaves out the goroutines that
// live as long as a server's programs do.
func IgnoreServer() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/regsweep/regsweep/internal/kubetest.(*process).keep")
}
