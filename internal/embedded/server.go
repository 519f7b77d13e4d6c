package embedded

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// maxBody bounds a request. The largest that is valid is a PutImage with a
// manifest of 4 MiB, which JSON escapes may make some times larger.
const maxBody = 32 << 20

// Options configures a Server.
type Options struct {
	// Clock tells the time; it is required.
	Clock func() time.Time
	// Latency is how long each call takes at least.
	Latency time.Duration
	// Wait waits for a duration, or returns the context's error when that ends
	// first. The default waits on a real timer (a fake one in a synctest bubble).
	Wait func(ctx context.Context, d time.Duration) error
	// Faults chooses the calls that go wrong; nil means none.
	Faults FaultFunc
	// LogCalls keeps a record of every call, for Server.Calls.
	LogCalls bool
	// RestoreTime is how long an archived image is ACTIVATING before it can be
	// pulled again.
	RestoreTime time.Duration
	// LayerTime is how long the layers of a deleted image that no other image of
	// the repository lists are still there, so that it can be pushed again by its
	// manifest alone.
	LayerTime time.Duration
}

// Server is the embedded AWS. It is safe for concurrent use.
type Server struct {
	clock    func() time.Time
	wait     func(context.Context, time.Duration) error
	restore  time.Duration
	layers   time.Duration
	services []*service
	targets  map[string]*service // by prefix of X-Amz-Target
	actions  map[string]*service // by Action of the Query protocol
	rest     *http.ServeMux
	xml      *service // the one that speaks restXML
	limits   limits
	stats    stats
	s3       s3State

	mu       sync.Mutex
	latency  time.Duration
	faults   FaultFunc
	accounts map[string]*Account
	keys     map[string]*Principal
	expired  map[string]bool
	denials  []denial
	policies map[string]policy // by principal
	sessions int               // sessions of roles given out so far
	topics   map[string][]SNSMessage
}

// New returns a server with the default account in it, which has nothing yet.
// It panics when there is no clock.
func New(o Options) *Server {
	if o.Clock == nil {
		panic("embedded: Options.Clock is required")
	}
	if o.Wait == nil {
		o.Wait = waitOnTimer
	}
	s := &Server{
		clock:    o.Clock,
		wait:     o.Wait,
		restore:  o.RestoreTime,
		layers:   o.LayerTime,
		services: services(),
		targets:  map[string]*service{},
		actions:  map[string]*service{},
		rest:     http.NewServeMux(),
		limits:   limits{rates: map[string]Rate{}, buckets: map[string]*bucket{}},
		stats:    stats{calls: map[string]int{}, throttled: map[string]int{}, keep: o.LogCalls},
		latency:  o.Latency,
		faults:   o.Faults,
		accounts: map[string]*Account{},
		keys:     map[string]*Principal{},
		expired:  map[string]bool{},
		policies: map[string]policy{},
	}
	for _, svc := range s.services {
		switch svc.protocol {
		case json10, json11:
			s.targets[svc.target] = svc
		case query:
			for op := range svc.operations {
				s.actions[op] = svc
			}
		case restXML:
			s.xml = svc
		case restJSON:
			for op, pattern := range svc.routes {
				s.rest.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, svc, op) })
			}
		}
	}
	s.Account(DefaultAccount)
	return s
}

// SetLatency changes how long each further call takes at least.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// ServeHTTP answers one request of any of the services. Faults that drop the
// connection panic with http.ErrAbortHandler, as net/http wants it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, _, service, _ := credentialScope(r); service == "s3" {
		s.serveS3(w, r)
		return
	}
	if prefix, op, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		svc := s.targets[prefix]
		if svc == nil {
			writeError(w, json11, &Error{Code: "UnknownOperationException", Message: "no service " + prefix}, nil)
			return
		}
		s.serve(w, r, svc, op)
		return
	}
	if r.URL.Path == "/" && r.Method == http.MethodPost {
		s.serveQuery(w, r)
		return
	}
	s.rest.ServeHTTP(w, withoutTrailingSlash(r))
}

// withoutTrailingSlash returns the request with the path that routes are
// written for. Older clients end the paths of some lists with a slash, and AWS
// takes both.
func withoutTrailingSlash(r *http.Request) *http.Request {
	if !strings.HasSuffix(r.URL.Path, "/") {
		return r
	}
	trimmed, u := *r, *r.URL
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	trimmed.URL = &u
	return &trimmed
}

// serveQuery finds the service of a request of the Query protocol.
func (s *Server) serveQuery(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		writeError(w, query, errorf("MalformedQueryString", "%v", err), nil)
		return
	}
	svc := s.actions[form.Get("Action")]
	if svc == nil {
		writeError(w, query, errorf("InvalidAction", "Could not find operation %s", form.Get("Action")), nil)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	r.Form = form
	s.serve(w, r, svc, form.Get("Action"))
}

// serve answers one call: what all calls have in common, then the operation.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, svc *service, op string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		writeError(w, svc.protocol, &Error{Code: "RequestEntityTooLargeException", Message: "the request is too large", Status: http.StatusRequestEntityTooLarge}, nil)
		return
	} else if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	principal, region, ok := s.identify(r)
	if !ok {
		writeError(w, svc.protocol, &Error{Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token", Status: http.StatusForbidden}, nil)
		return
	}
	account := s.Account(principal.Account)
	c := &Call{
		Context: r.Context(), Server: s, Service: svc.name, Operation: op,
		Principal: principal, Account: account, Region: account.Region(region),
		Now: s.clock(), Body: body, Query: r.Form, service: svc, request: r,
	}
	if c.Query == nil {
		c.Query = r.URL.Query()
	}
	act, known := svc.operations[op]
	if !known {
		writeError(w, svc.protocol, errorf("UnknownOperationException", "no operation %s:%s", svc.name, op), c)
		return
	}
	s.stats.begin(c)
	defer s.stats.end()
	fault := s.fault(c)
	answer, err := s.answer(c, act, fault)
	if fault.Kind == FaultDropAfter {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		apiErr := (*Error)(nil)
		if !errors.As(err, &apiErr) {
			apiErr = internalFailure(err.Error())
		}
		writeError(w, svc.protocol, apiErr, c)
		return
	}
	writeAnswer(w, c, answer, fault)
}

// answer does what all calls have in common before the operation, and the
// operation itself.
func (s *Server) answer(c *Call, act operation, fault Fault) (any, error) {
	s.mu.Lock()
	latency := s.latency
	s.mu.Unlock()
	if latency > 0 && s.wait(c.Context, latency) != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	if err := fault.before(c); err != nil {
		return nil, err
	}
	c.Now = s.clock() // waiting took time
	if s.keyExpired(c.Principal, c.Now) {
		return nil, c.service.expired()
	}
	if !s.limits.allow(c) {
		s.stats.throttle(c)
		return nil, c.service.throttle()
	}
	if err := s.authorize(c); err != nil {
		return nil, err
	}
	if fault.Kind == FaultEmptyObject {
		return c.service.protocol.nothing(), nil
	}
	return act(c)
}

// waitOnTimer waits for d, or until the context ends.
func waitOnTimer(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d) //nolint:forbidigo // the default of Options.Wait, which is the injected timer
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
