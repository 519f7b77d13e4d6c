package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// call is one call of a run: what is asked for, and the how-manieth of equal
// calls it is, from 1. The calls of a run come in any order, but runs in equal
// worlds make equal calls.
type call struct {
	action, request string
	nth             int
}

// seen is a call as it came in.
type seen struct {
	call
	// number counts all calls of the run, from 1, and phase says what the run
	// was doing.
	number int
	phase  string
	// paged says that it asks for a page after the first.
	paged bool
	// body is all of the request's.
	body string
}

func (c seen) String() string {
	return fmt.Sprintf("%s, number %d of %s, while %s", c.action, c.nth, c.request, c.phase)
}

// wire lies between a run and the account. It makes pages small, tells calls
// apart by what they ask for, and lets some go wrong.
type wire struct {
	server *embedded.Server
	direct http.RoundTripper
	// fault chooses what goes wrong with a call; nil means nothing.
	fault func(seen) embedded.Fault

	// entry is held from when a request is known until the server asks what goes
	// wrong with it, which is in the same goroutine.
	entry  sync.Mutex
	choose func(service, operation string) embedded.Fault

	mu    sync.Mutex
	phase string
	asked map[string]int
	calls []seen
	hit   int // calls that went wrong
}

// newWire puts a wire before a server.
func newWire(srv *embedded.Server, fault func(seen) embedded.Fault) *wire {
	w := &wire{server: srv, direct: srv.Client().Transport, fault: fault, asked: map[string]int{}}
	srv.SetFaults(func(_ int, service, operation string) embedded.Fault { return w.choose(service, operation) })
	return w
}

// enter says what the run is doing.
func (w *wire) enter(phase string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = phase
}

// silence is how long a call waits for its answer: the patience of awsapi's own
// client, which a client without a network cannot have.
const silence = 20 * time.Second

// RoundTrip answers a request without a network.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), silence, errSilent{})
	defer cancel()
	inner := r.Clone(ctx)
	pass, err := w.admit(inner)
	if err != nil {
		return nil, err
	}
	defer pass()
	response, err := w.direct.RoundTrip(inner)
	if err != nil && r.Context().Err() == nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return response, err
}

// ServeHTTP answers a request of the network.
func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	pass, err := w.admit(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	defer pass()
	w.server.ServeHTTP(rw, r)
}

// errSilent is what net/http says when no answer begins in time.
type errSilent struct{}

func (errSilent) Error() string   { return "timeout awaiting response headers" }
func (errSilent) Timeout() bool   { return true }
func (errSilent) Temporary() bool { return true }

// admit makes the server know which call the request is. What it returns is to
// be called when the request has been served, for when the server never asked.
func (w *wire) admit(r *http.Request) (pass func(), err error) {
	request, body, paged, err := small(r)
	if err != nil {
		return nil, err
	}
	w.entry.Lock()
	pass = sync.OnceFunc(w.entry.Unlock)
	w.choose = func(service, operation string) embedded.Fault {
		defer pass()
		return w.see(service+":"+operation, request, body, paged)
	}
	return pass, nil
}

// see notes a call and returns what goes wrong with it.
func (w *wire) see(action, request, body string, paged bool) embedded.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := action + " " + request
	w.asked[key]++
	c := seen{call{action, request, w.asked[key]}, len(w.calls) + 1, w.phase, paged, body}
	w.calls = append(w.calls, c)
	if w.fault == nil {
		return embedded.Fault{}
	}
	f := w.fault(c)
	if f.Kind != embedded.FaultNone {
		w.hit++
	}
	return f
}

// Sizes of pages. AWS may return fewer than it is asked for; with these the
// lists of a small world have a middle.
var (
	pageSize = regexp.MustCompile(`"(maxResults|MaxResults|ResourcesPerPage)":\d+`)
	sizes    = map[string]string{
		"DescribeImages": "11", "DescribeRepositories": "3", "GetResources": "2", "ListTaskDefinitions": "2",
	}
)

// runName is the name of a run in its journal, which has the time in it.
var runName = regexp.MustCompile(`[0-9]{8}T[0-9.]+Z-[0-9a-z]+`)

// small makes a request ask for small pages. It returns what it asks for, its body,
// and whether that is a page after the first. What is put into Amazon S3 is told by
// its name alone: of a journal, which repository a record is about is not fixed.
func small(r *http.Request) (request, content string, paged bool, err error) {
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return "", "", false, err
		}
	}
	target := r.Header.Get("X-Amz-Target")
	_, operation, _ := strings.Cut(target, ".")
	size := sizes[operation]
	if size == "" {
		size = "1"
	}
	body = pageSize.ReplaceAll(body, []byte(`"$1":`+size))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	query := r.URL.Query()
	if query.Has("MaxItems") {
		query.Set("MaxItems", "3")
		r.URL = &url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.Path, RawQuery: query.Encode()}
	}
	asked := url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	paged = query.Has("Marker") || bytes.Contains(bytes.ToLower(body), []byte(`token":"`))
	request = asked.String() + " "
	if r.Method != http.MethodPut {
		request += string(body)
	}
	return runName.ReplaceAllString(request, "RUN"), string(body), paged, nil
}
