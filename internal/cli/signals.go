package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signals returns a context that the first SIGINT or SIGTERM ends, so that the
// command ends in good order: it finishes the call in flight and reports. A
// second one ends the process at once, as without this program's help.
func signals(ctx context.Context) (context.Context, context.CancelFunc) {
	signaled, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	ctx, end := context.WithCancelCause(ctx)
	// In this order: whoever sees the end may be interrupted again.
	context.AfterFunc(signaled, func() {
		stop()
		end(context.Cause(signaled))
	})
	return ctx, stop
}

// pipe is a stream whose reader may go away. A write then fails, and the command
// is told, where the process would otherwise be killed by SIGPIPE, with what it
// should have put away left behind.
type pipe struct {
	io.Writer
	broken atomic.Bool
	end    context.CancelFunc
}

// piped makes the stream one, and writes to closed pipes fail in this process.
// Handled and not ignored, since an ignored signal is ignored in the processes
// that this one starts, too.
func piped(ctx context.Context, stream io.Writer) (context.Context, *pipe) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	return ctx, &pipe{Writer: stream, end: cancel}
}

// Write implements io.Writer.
func (p *pipe) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.broken.Store(true)
		p.end()
	}
	return n, err
}

// brokenBy reports whether an error is no more than that the reader went away.
func (p *pipe) brokenBy(err error) bool {
	return p != nil && p.broken.Load() && (errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled))
}

// patience tells somebody who interrupts an apply why it goes on, until it is
// called off.
func (w *World) patience(ctx context.Context) (off func() bool) {
	return context.AfterFunc(ctx, func() {
		fmt.Fprintln(w.Stderr, "regsweep: ending when the calls in flight are answered; interrupt again to end at once")
	})
}
