package kubernetes

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// streams is an API server whose watches of pods say what a real one cannot be
// made to say, one after the other. Then watches say nothing more. All other
// kinds are empty and quiet. Lists say how often they were asked for.
type streams struct {
	lists   []string // the last one from then on
	watches []string

	mu     sync.Mutex
	listed int
	// quiet, where it is set, is closed when the first watch of pods begins that says
	// nothing more.
	quiet chan struct{}
}

func (s *streams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	watch, pods := r.URL.Query().Has("watch"), r.URL.Path == "/api/v1/pods"
	switch {
	case r.URL.Path == "/apis":
		fmt.Fprint(w, emptyDiscovery)
	case !watch && !pods:
		fmt.Fprint(w, list())
	case !watch:
		s.mu.Lock()
		body := s.lists[min(s.listed, len(s.lists)-1)]
		s.listed++
		s.mu.Unlock()
		fmt.Fprint(w, body)
	default:
		body := ""
		if s.mu.Lock(); pods && len(s.watches) > 0 {
			body, s.watches = s.watches[0], s.watches[1:]
		} else if pods && s.quiet != nil {
			close(s.quiet)
			s.quiet = nil
		}
		s.mu.Unlock()
		fmt.Fprint(w, body)
		_ = http.NewResponseController(w).Flush() // the client may be gone
		if body == "" {
			<-r.Context().Done()
		}
	}
}

func (s *streams) start(t *testing.T) *rest.Config {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}
}

// event is an event of a watch, with the version of its object.
func event(kind string, version int, object string) string {
	object = strings.Replace(object, `{"metadata":{`, fmt.Sprintf(`{"metadata":{"resourceVersion":"%d",`, version), 1)
	return fmt.Sprintf(`{"type":%q,"object":%s}`+"\n", kind, object)
}

// Whatever a watch says, it goes on: what comes after it is seen, and what was
// wrong is told, but for what is as it should be.
func TestWatchUnexpectedAnswers(t *testing.T) {
	after := event("ADDED", 9, podJSON("after", "registry.example.com/after:1"))
	expired := `{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"too old"}}`
	for name, test := range map[string]struct {
		watches []string
		// lists is how often pods must have been listed at least.
		lists int
		told  []string
	}{
		"a bookmark before an event":    {[]string{event("BOOKMARK", 8, `{"metadata":{"name":""}}`) + after}, 1, nil},
		"the end of a watch":            {[]string{event("ADDED", 8, podJSON("web", "registry.example.com/web:1")), after}, 1, nil},
		"a watch that ends in an event": {[]string{after[:30], after}, 1, []string{"connection lost while reading pods"}},
		"the moment is forgotten":       {[]string{expired, after}, 2, nil},
		"an error of the server": {[]string{`{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"InternalError","code":500,"message":"leader changed"}}`, after}, 1,
			[]string{"watch pods: leader changed"}},
		"no JSON":                {[]string{`<html>hello</html>`, after}, 1, []string{"watch pods: the answer is not a list of objects", "invalid character"}},
		"an unknown event":       {[]string{event("MOVED", 8, podJSON("web", "registry.example.com/web:1")), after}, 1, []string{"watch pods: ", `unknown event "MOVED"`}},
		"an error of no form":    {[]string{`{"type":"ERROR","object":7}`, after}, 1, []string{"watch pods: ", "read an error of the server"}},
		"an object that is none": {[]string{event("ADDED", 8, `"web"`), after}, 1, []string{"watch pods: "}},
		"an object of no form": {[]string{event("ADDED", 8, `{"metadata":{"namespace":"shop","name":"bad"},"spec":7}`) + after}, 1,
			[]string{"read Pod shop/bad"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &streams{lists: []string{list(podJSON("first", "registry.example.com/first:1"))}, watches: test.watches}
			w := &watching{t: t, seen: map[string]int{}, changed: make(chan struct{}, 1), done: make(chan struct{})}
			w.start(s.start(t), Config{})
			t.Cleanup(w.stop) // before the server, which waits for its watches
			w.sees("registry.example.com/first:1")
			w.sees("registry.example.com/after:1")
			w.stop()
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.listed < test.lists {
				t.Errorf("listed %d times, want %d", s.listed, test.lists)
			}
			if test.told == nil {
				if len(w.errs) > 0 {
					t.Errorf("told %v", w.errs)
				}
				return
			}
			if !slices.ContainsFunc(w.errs, func(err error) bool {
				all := true
				for _, text := range test.told {
					all = all && strings.Contains(err.Error(), text)
				}
				return all
			}) {
				t.Errorf("told %v, want %q", w.errs, test.told)
			}
		})
	}
}

// What is kept does not grow with the objects: of many large ones nothing stays.
func TestWatchKeepsNoObjects(t *testing.T) {
	const pods, annotation = 5000, 4000
	var all []string
	for i := range pods {
		all = append(all, fmt.Sprintf(`{"metadata":{"namespace":"shop","name":"p%d","resourceVersion":"7","annotations":{"x":%q}},"spec":{"containers":[{"name":"c","image":"registry.example.com/web:%d"}]}}`,
			i, strings.Repeat("x", annotation), i%3))
	}
	quiet := make(chan struct{})
	s := &streams{lists: []string{list(all...)}, quiet: quiet}
	config := s.start(t)
	w := &watching{t: t, seen: map[string]int{}, changed: make(chan struct{}, 1), done: make(chan struct{})}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	w.start(config, Config{})
	t.Cleanup(w.stop)
	w.until("all pods", func() bool { return len(w.seen) == 3 && w.total == pods })
	<-quiet // the list has been dealt with when the watch begins
	if grown := int64(heap()) - int64(before); grown > pods*annotation/10 {
		t.Errorf("%d bytes are kept of %d objects of %d", grown, pods, annotation)
	}
	w.stop()
}
