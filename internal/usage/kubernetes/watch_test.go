package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/rest"

	"github.com/regsweep/regsweep/internal/kubetest"
	"github.com/regsweep/regsweep/internal/usage"
)

// watching is a running Watch.
type watching struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	seen     map[string]int
	errs     []error
	total    int // observations
	changed  chan struct{}
	observed []usage.Observation
}

// startWatch begins to watch; when the test ends nothing of it must be left.
func startWatch(t *testing.T, config *rest.Config, c Config) *watching {
	t.Helper()
	before := goleak.IgnoreCurrent()
	w := &watching{t: t, done: make(chan struct{}), seen: map[string]int{}, changed: make(chan struct{}, 1)}
	w.start(config, c)
	t.Cleanup(func() {
		w.stop()
		if err := goleak.Find(before, kubetest.IgnoreServer()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *watching) start(config *rest.Config, c Config) {
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(w.done)
		sourceFor(config, c).Watch(ctx, w.see, w.fail)
	}()
}

func (w *watching) stop() {
	w.cancel()
	<-w.done
}

func (w *watching) see(all []usage.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range all {
		w.seen[fmt.Sprintf("%s %s %s", o.State, o.Asked, o.Got)]++
	}
	w.total += len(all)
	if len(w.observed) < 1000 {
		w.observed = append(w.observed, all...)
	}
	w.wake()
}

func (w *watching) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errs = append(w.errs, err)
	w.wake()
}

func (w *watching) wake() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// patience is how long is waited for a real server on a busy machine. It is less
// than go test has for a package, so that what was seen is shown.
const patience = 5 * time.Minute

// until waits until what was seen and told is as wanted.
func (w *watching) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		done := ok()
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-w.changed:
		case <-deadline:
			w.t.Fatalf("%s: not within %s; seen %v, errors %v", what, patience, w.seen, w.errs)
		}
	}
}

// sees waits until an image was seen, by what is asked for and got.
func (w *watching) sees(image string) {
	w.t.Helper()
	w.until(image, func() bool {
		for line := range w.seen {
			if strings.Contains(line, image) {
				return true
			}
		}
		return false
	})
}

func pod(name, image, status string) string {
	text := fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec: {containers: [{name: app, image: %q}]}
`, name, image)
	if status != "" {
		text += fmt.Sprintf(`
status:
  phase: Running
  containerStatuses: [{name: app, image: %q, imageID: %q, ready: true, restartCount: 0, state: {}, lastState: {}}]
`, image, status)
	}
	return text
}

func job(name, image string) string {
	return fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: %s}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: app, image: %q}]}}}
`, name, image)
}

// remove deletes an object at once. path is that of its kind.
func remove(t *testing.T, s *kubetest.Server, path, ns, kind, name string) {
	t.Helper()
	c, err := newClient("test", s.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	err = c.rest.Delete().AbsPath(path, "namespaces", ns, kind, name).
		Param("gracePeriodSeconds", "0").Param("propagationPolicy", "Background").Do(t.Context()).Error()
	if err != nil {
		t.Fatal(err)
	}
}

// What is there at the beginning is seen, and so is what comes and goes at once;
// a pod is seen again when its node tells the digest.
func TestWatch(t *testing.T) {
	ns := server.Namespace(t)
	server.Apply(t, ns, deployment("web", "registry.example.com/web:1"))
	c := Config{Namespaces: []string{ns}}
	config, _ := server.ServiceAccountConfig(t, ns, "watcher", watchRBAC(c))
	w := startWatch(t, config, c)
	w.sees("declared registry.example.com/web:1")

	// Once it tells of a Job that stays, it tells of all that come after that.
	server.Apply(t, ns, job("long", "registry.example.com/long:1"))
	w.sees("registry.example.com/long:1")
	server.Apply(t, ns, job("brief", "registry.example.com/brief:1"))
	remove(t, server, "/apis/batch/v1", ns, "jobs", "brief")
	w.sees("declared registry.example.com/brief:1")

	server.Apply(t, ns, pod("zero", "registry.example.com/zero:1", ""))
	w.sees("registry.example.com/zero:1")
	server.Apply(t, ns, pod("one", "registry.example.com/one:1", "registry.example.com/one@"+digest("ab")))
	remove(t, server, "/api/v1", ns, "pods", "one")
	w.sees("running registry.example.com/one:1 registry.example.com/one@" + digest("ab"))
	w.stop()
	if len(w.errs) > 0 {
		t.Errorf("errors: %v", w.errs)
	}
	if !slices.ContainsFunc(w.observed, func(o usage.Observation) bool { return o.Holder == ns+"/Job/brief" }) {
		t.Errorf("holders: %v", w.observed)
	}
}

// Without the verb watch each kind is an error, and is tried again.
func TestWatchDenied(t *testing.T) {
	ns := server.Namespace(t)
	server.Apply(t, ns, deployment("web", "registry.example.com/denied:1"))
	c := Config{Namespaces: []string{ns}}
	w := startWatch(t, reader(t, server, ns, c), c)
	w.sees("registry.example.com/denied:1")
	for _, kind := range workloads() {
		if kind.optional || kind.kind == helmKind {
			continue
		}
		resource := resource{group: kind.group, name: kind.resource}.String()
		w.until("the watch of "+resource+" is denied", func() bool {
			return slices.ContainsFunc(w.errs, func(err error) bool {
				var access *AccessError
				return errors.As(err, &access) && access.Verb == "watch" && access.Resources[0] == resource
			})
		})
	}
}

// When the API server is back, what is there is seen, and after that again what
// comes and goes at once.
func TestWatchOutlivesTheServer(t *testing.T) {
	s := kubetest.Start(t, kubetest.Options{})
	ns := s.Namespace(t)
	w := startWatch(t, s.Config(), Config{Namespaces: []string{ns}})
	s.Apply(t, ns, deployment("before", "registry.example.com/before:1"))
	w.sees("registry.example.com/before:1")
	s.Kill()
	w.until("the loss of the connection", func() bool {
		return slices.ContainsFunc(w.errs, func(err error) bool {
			var lost *UnreachableError
			return errors.As(err, &lost)
		})
	})
	s.Restart(t)
	s.Apply(t, ns, job("after", "registry.example.com/after:1"))
	w.sees("registry.example.com/after:1")
	s.Apply(t, ns, job("brief", "registry.example.com/brief:1"))
	remove(t, s, "/apis/batch/v1", ns, "jobs", "brief")
	w.sees("registry.example.com/brief:1")
}

// A server that cannot be reached at first, and one that refuses the
// credentials, are tried again with what the configuration says by then.
func TestWatchBeginsLate(t *testing.T) {
	ns := server.Namespace(t)
	server.Apply(t, ns, deployment("web", "registry.example.com/late:1"))
	refused := server.Config()
	refused.BearerToken = "wrong"
	var mu sync.Mutex
	loads := 0
	before := goleak.IgnoreCurrent()
	src := sourceFor(nil, Config{Namespaces: []string{ns}})
	src.cluster.load = func() (*rest.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		if loads++; loads == 1 {
			return refused, nil
		}
		return server.Config(), nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{t: t, cancel: cancel, done: make(chan struct{}), seen: map[string]int{}, changed: make(chan struct{}, 1)}
	go func() {
		defer close(w.done)
		src.Watch(ctx, w.see, w.fail)
	}()
	w.sees("registry.example.com/late:1")
	w.stop()
	var credentials *CredentialsError
	if len(w.errs) == 0 || !errors.As(w.errs[0], &credentials) {
		t.Errorf("errors %v, want the refused credentials", w.errs)
	}
	if err := goleak.Find(before, kubetest.IgnoreServer()); err != nil {
		t.Error(err)
	}
}

// watchRBAC is what Watch and Collect need, and nothing else.
func watchRBAC(c Config) []kubetest.Rule {
	var rules []kubetest.Rule
	for _, r := range WatchRules(c) {
		rule := kubetest.Rule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources}
		if !c.AllNamespaces() {
			rule.Namespaces = c.namespaces()
		}
		rules = append(rules, rule)
	}
	return rules
}

// What came while the watch was down and is there still is seen, although the
// server no longer knows the moment from which to go on (410).
func TestWatchOutlivesTheServersMemory(t *testing.T) {
	s := kubetest.Start(t, kubetest.Options{NoWatchCache: true})
	ns := s.Namespace(t)
	s.Apply(t, ns, deployment("before", "registry.example.com/before:1"))
	var mu sync.Mutex
	down, lists := false, 0
	config := s.Config()
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper{next, func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			refuse := down
			if strings.HasSuffix(r.URL.Path, "/deployments") && !r.URL.Query().Has("watch") && !refuse {
				lists++
			}
			mu.Unlock()
			if refuse {
				return nil, errors.New("the network is down")
			}
			return next.RoundTrip(r)
		}}
	})
	set := func(to bool) {
		mu.Lock()
		defer mu.Unlock()
		down = to
	}
	w := startWatch(t, config, Config{Namespaces: []string{ns}})
	w.sees("registry.example.com/before:1")
	set(true)
	s.Kill()
	s.Restart(t)
	s.Apply(t, ns, deployment("meanwhile", "registry.example.com/meanwhile:1"))
	s.ExpireContinueTokens(t)
	set(false)
	w.sees("registry.example.com/meanwhile:1")
	w.stop()
	mu.Lock()
	defer mu.Unlock()
	if lists < 2 {
		t.Errorf("Deployments were listed %d times, want a second time", lists)
	}
}
