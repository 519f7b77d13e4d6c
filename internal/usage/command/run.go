package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Error says that a command did not tell what is in use.
type Error struct {
	// Program is what was run, without its arguments.
	Program string
	// Stderr is the last line that it wrote there, cut to a bearable length.
	Stderr string
	// Err is why: an *exec.ExitError, a *TimeoutError, a *TooMuchError, the end
	// of the context, or why it could not be started or read.
	Err error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("run %s: %v", e.Program, e.Err)
	if e.Stderr != "" {
		text += ": " + e.Stderr
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// TimeoutError says that a command took too long.
type TimeoutError struct{ Timeout time.Duration }

func (e *TimeoutError) Error() string { return fmt.Sprintf("it did not end within %s", e.Timeout) }

// TooMuchError says that a command printed too much.
type TooMuchError struct {
	// Limit is how many bytes it may print.
	Limit int
}

func (e *TooMuchError) Error() string { return fmt.Sprintf("it printed more than %d bytes", e.Limit) }

// errOutputOpen says that the output may be incomplete.
var errOutputOpen = errors.New("it ended and left a process behind that had its output open")

// drain is how long the output may stay open after the command has ended.
const drain = 2 * time.Second

// output runs the command and returns what it printed, with an error as well.
// Whatever the command started in its process group has ended then.
func (s *source) output(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, stop := context.WithTimeoutCause(ctx, s.timeout, &TimeoutError{s.timeout})
	defer stop()

	cmd := exec.CommandContext(ctx, s.run[0], s.run[1:]...)
	cmd.Dir = s.dir
	cmd.WaitDelay = drain
	stdout := &limitedBuffer{limit: s.maxOutput, full: cancel}
	stderr := &lastBytes{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	ownGroup(cmd)

	err := cmd.Start()
	if err == nil {
		err = cmd.Wait()
		endGroup(cmd)
	}
	switch {
	case err == nil:
		return stdout.content, nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay):
		err = errOutputOpen
	}
	return stdout.content, &Error{Program: s.run[0], Stderr: stderr.lastLine(), Err: err}
}

// limitedBuffer keeps what is written up to a limit. One byte more ends the
// command.
type limitedBuffer struct {
	content []byte
	limit   int
	full    context.CancelCauseFunc
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	room := b.limit - len(b.content)
	if len(p) <= room {
		b.content = append(b.content, p...)
		return len(p), nil
	}
	b.content = append(b.content, p[:room]...)
	err := &TooMuchError{b.limit}
	b.full(err)
	return room, err
}

// lastBytes keeps the end of what is written.
type lastBytes struct{ content []byte }

const (
	maxStderr = 4096
	maxLine   = 300
)

func (b *lastBytes) Write(p []byte) (int, error) {
	b.content = append(b.content, p...)
	if over := len(b.content) - maxStderr; over > 0 {
		b.content = append(b.content[:0], b.content[over:]...)
	}
	return len(p), nil
}

// lastLine returns the last line that is not empty, or the beginning of it.
func (b *lastBytes) lastLine() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(b.content), ""))
	line := text[strings.LastIndexByte(text, '\n')+1:]
	if len(line) > maxLine {
		line = strings.ToValidUTF8(line[:maxLine], "") + "…"
	}
	return line
}
