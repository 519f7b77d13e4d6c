// Package lambdatest runs a Lambda function for tests: a process, and a Runtime
// API for it on loopback, as the AWS Lambda developer guide describes it under
// "Using the Lambda runtime API".
package lambdatest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options say what a function runs.
type Options struct {
	// Path and Env are of the process; Dir is its working directory.
	Path string
	Args []string
	Env  []string
	Dir  string
	// Timeout is that of the function; the default is one that no machine misses.
	Timeout time.Duration
}

// Function is a function, of which several instances may run at the same time,
// each with one invocation after the other.
type Function struct {
	opts Options

	mu        sync.Mutex
	idle      []*instance
	instances []*instance
	closed    bool
}

// Error is what a function answers that fails.
type Error struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Error returns type and message.
func (e *Error) Error() string { return e.Type + ": " + e.Message }

// patience is how long is waited for a process on a busy machine. It is less than
// go test has for a package, so that its log is shown.
const patience = 5 * time.Minute

// New returns a function. Its processes are ended with the test.
func New(t testing.TB, opts Options) *Function {
	t.Helper()
	if opts.Timeout == 0 {
		opts.Timeout = patience
	}
	f := &Function{opts: opts}
	t.Cleanup(f.close)
	return f
}

// Invoke calls the function and returns its answer. What the function answers as
// a failure is an *Error; so are a process that ends ("Runtime.ExitError") and one
// that has not answered when its time is over ("Sandbox.Timedout").
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f.InvokeWithin(ctx, payload, f.opts.Timeout)
}

// InvokeWithin does so with another timeout of the function.
func (f *Function) InvokeWithin(ctx context.Context, payload []byte, timeout time.Duration) ([]byte, error) {
	i, err := f.take()
	if err != nil {
		return nil, err
	}
	answer, err := i.invoke(ctx, payload, timeout)
	var failed *Error
	if err == nil || errors.As(err, &failed) && !i.broken {
		f.mu.Lock()
		f.idle = append(f.idle, i)
		f.mu.Unlock()
	}
	return answer, err
}

// Log returns what all instances have printed so far.
func (f *Function) Log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all strings.Builder
	for _, i := range f.instances {
		all.WriteString(i.out.String())
	}
	return all.String()
}

// take returns an idle instance, or starts one.
func (f *Function) take() (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errors.New("the function is closed")
	}
	if n := len(f.idle); n > 0 {
		i := f.idle[n-1]
		f.idle = f.idle[:n-1]
		return i, nil
	}
	i, err := start(f.opts)
	if err == nil {
		f.instances = append(f.instances, i)
	}
	return i, err
}

func (f *Function) close() {
	f.mu.Lock()
	f.closed = true
	all := f.instances
	f.mu.Unlock()
	for _, i := range all {
		i.close()
	}
}

// instance is one process with its Runtime API.
type instance struct {
	server *httptest.Server
	cmd    *exec.Cmd
	out    lockedBuffer
	// next has the invocation that the process asks for, and answers what it said.
	next    chan invocation
	answers chan answer
	// exited is closed when the process has ended.
	exited chan struct{}
	ended  chan struct{}
	id     int
	broken bool
}

type invocation struct {
	id      string
	payload []byte
	timeout time.Duration
}

type answer struct {
	id   string
	body []byte
	err  *Error
}

// start starts a process. If its test is killed, the process loses its Runtime API
// and ends.
func start(opts Options) (*instance, error) {
	i := &instance{next: make(chan invocation), answers: make(chan answer), exited: make(chan struct{}), ended: make(chan struct{})}
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", i.serveNext)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { i.serveAnswer(w, r, false) })
	mux.HandleFunc("POST "+base+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { i.serveAnswer(w, r, true) })
	i.server = httptest.NewServer(mux)
	i.cmd = exec.Command(opts.Path, opts.Args...)
	i.cmd.Dir, i.cmd.Stdout, i.cmd.Stderr = opts.Dir, &i.out, &i.out
	i.cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(i.server.URL, "http://")}, opts.Env...)
	if err := i.cmd.Start(); err != nil {
		i.server.Close()
		return nil, fmt.Errorf("start the function: %w", err)
	}
	go func() {
		_ = i.cmd.Wait() // how it ended is in its output
		close(i.exited)
	}()
	return i, nil
}

// serveNext waits for the next invocation.
func (i *instance) serveNext(w http.ResponseWriter, r *http.Request) {
	select {
	case next := <-i.next:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", next.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(next.timeout).UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:111122223333:function:regsweep")
		_, _ = w.Write(next.payload) // a process that went away is noticed
	case <-r.Context().Done():
	case <-i.ended:
	}
}

func (i *instance) serveAnswer(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a := answer{id: r.PathValue("id"), body: body}
	if failed {
		a.err = &Error{}
		if err := json.Unmarshal(body, a.err); err != nil {
			a.err = &Error{"Runtime.MalformedError", string(body)}
		}
	}
	w.WriteHeader(http.StatusAccepted)
	select {
	case i.answers <- a:
	case <-i.ended:
	}
}

// invoke makes one invocation.
func (i *instance) invoke(ctx context.Context, payload []byte, timeout time.Duration) ([]byte, error) {
	i.id++
	request := invocation{id: strconv.Itoa(i.id), payload: payload, timeout: timeout}
	starting := time.NewTimer(patience)
	defer starting.Stop()
	fail := func(kind, format string, args ...any) error {
		i.broken = true
		return &Error{kind, fmt.Sprintf(format, args...)}
	}
	select {
	case i.next <- request:
	case <-i.exited:
		return nil, fail("Runtime.ExitError", "the process ended: %s", i.out.String())
	case <-starting.C:
		return nil, fail("Runtime.Unknown", "the process asks for nothing: %s", i.out.String())
	case <-ctx.Done():
		i.broken = true
		return nil, ctx.Err()
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case a := <-i.answers:
		if a.id != request.id {
			return nil, fail("Runtime.InvalidRequestId", "an answer to %s, and asked was %s", a.id, request.id)
		}
		if a.err != nil {
			return nil, a.err
		}
		return a.body, nil
	case <-i.exited:
		return nil, fail("Runtime.ExitError", "the process ended: %s", i.out.String())
	case <-timer.C:
		_ = i.cmd.Process.Kill() // as Lambda does
		return nil, fail("Sandbox.Timedout", "the function has not answered in %s", timeout)
	case <-ctx.Done():
		i.broken = true
		return nil, ctx.Err()
	}
}

func (i *instance) close() {
	close(i.ended)
	_ = i.cmd.Process.Kill() // it may have ended
	<-i.exited
	i.server.CloseClientConnections()
	i.server.Close()
}

// lockedBuffer collects what a process prints.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
