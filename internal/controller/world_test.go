package controller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/kinds"
	"github.com/regsweep/regsweep/internal/lease"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/wait"
)

// shelf is a registry in memory with one repository, apps/web.
type shelf struct {
	registry.Writer // nil: nothing else of it is asked for
	find
	mu      sync.Mutex
	images  []image.Image
	batches int
	// deleting is called in each deletion.
	deleting func(batch int)
	// silent is how a deletion fails as a whole, if it does.
	silent error
}

// find is the part of a Reader that nobody asks for.
type find struct{}

func (find) Find(context.Context, string, image.Digest) (image.Image, bool, error) {
	return image.Image{}, false, nil
}

func (find) Resolve(context.Context, string, string) (image.Image, bool, error) {
	return image.Image{}, false, nil
}

func (s *shelf) push(name string, at time.Time, tags ...string) {
	r := graphtest.New("apps/web")
	r.Add(name, graphtest.Tags(tags...))
	img := r.Images[0]
	img.PushedAt = image.At(at)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.images = append(s.images, img)
	slices.SortFunc(s.images, func(a, b image.Image) int { return a.Digest.Compare(b.Digest) })
}

func (s *shelf) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tags []string
	for _, img := range s.images {
		tags = append(tags, img.Tags...)
	}
	slices.Sort(tags)
	return tags
}

func (s *shelf) Identity() registry.Identity {
	return registry.Identity{Name: "prod", Host: "registry.example.com"}
}

func (s *shelf) Repositories(_ context.Context, want func(string) bool, _ bool) (list []image.Repository, err error) {
	if want("apps/web") {
		list = append(list, image.Repository{Registry: "prod", Name: "apps/web"})
	}
	return list, nil
}

func (s *shelf) Read(_ context.Context, repo image.Repository, _ bool) (*image.Contents, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	contents := graphtest.New(repo.Name).Contents
	contents.Images = slices.Clone(s.images)
	contents.Manifests = make([]*image.Manifest, len(s.images))
	return &contents, nil
}

// MaxBatch makes each image a call of its own.
func (s *shelf) MaxBatch() int { return 1 }

func (s *shelf) Delete(_ context.Context, _ string, digests []image.Digest) ([]error, error) {
	s.mu.Lock()
	s.batches++
	batch, deleting := s.batches, s.deleting
	s.mu.Unlock()
	if deleting != nil {
		deleting(batch)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent != nil {
		return nil, s.silent
	}
	s.images = slices.DeleteFunc(s.images, func(i image.Image) bool { return slices.Contains(digests, i.Digest) })
	return make([]error, len(digests)), nil
}

// source is a usage source that can be watched.
type source struct {
	mu    sync.Mutex
	found []usage.Observation
	see   func([]usage.Observation)
	fail  func(error)
	// denied is told when a watch begins.
	denied error
}

func (*source) Name() string { return "live" }

func (s *source) Collect(context.Context) (usage.Findings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return usage.Findings{Observations: slices.Clone(s.found)}, nil
}

func (s *source) Watch(ctx context.Context, seen func([]usage.Observation), failed func(error)) {
	s.mu.Lock()
	s.see, s.fail = seen, failed
	denied := s.denied
	s.mu.Unlock()
	for denied != nil {
		failed(denied)
		if wait.For(ctx, time.Minute) != nil {
			return
		}
	}
	seen(nil)
	<-ctx.Done()
}

// pod makes watches see that a pod runs an image.
func (s *source) pod(tag string) {
	s.sees(usage.Observation{Holder: "shop/Job/" + tag, State: image.Running, Asked: "registry.example.com/apps/web:" + tag})
}

// sees makes watches see something.
func (s *source) sees(all ...usage.Observation) {
	s.mu.Lock()
	see := s.see
	s.mu.Unlock()
	see(all)
}

// recorded is Events in memory.
type recorded struct {
	mu  sync.Mutex
	all []string
	err error
}

func (r *recorded) Record(_ context.Context, kind EventType, reason, message string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, fmt.Sprintf("%s %s: %s", kind, reason, message))
	return r.err
}

func (r *recorded) has(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.all, func(e string) bool { return strings.Contains(e, text) })
}

// buffer is a log that a test reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// world is a controller in virtual time, and what it works on.
type world struct {
	*shelf
	source *source
	events *recorded
	log    *buffer
	opts   Options

	mu   sync.Mutex
	file string
	runs []time.Time
	told []string
	open error

	*Controller
	cancel context.CancelFunc
	done   chan error
}

const header = "version: 1\nregistries: [{name: prod, ecr: {region: eu-west-1}}]\nusage: none\nrules: [{keep: [{youngerThan: 1d}]}]\n"

// newWorld returns one that is not running. Every image of the shelf that is
// older than a day would go.
func newWorld(t *testing.T, file string) *world {
	t.Helper()
	w := &world{shelf: &shelf{}, source: &source{}, events: &recorded{}, log: &buffer{}, file: file, done: make(chan error, 1)}
	w.opts = Options{
		Read: func() ([]byte, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.file == "" {
				return nil, errors.New("the file is gone")
			}
			return []byte(w.file), nil
		},
		Parse: func(content []byte) (*config.Config, error) {
			return config.Parse("regsweep.yaml", content, func(string) (string, bool) { return "", false }, kinds.All())
		},
		Watchers: func(*config.Config) ([]usage.Watcher, error) { return []usage.Watcher{w.source}, nil },
		Open:     w.job,
		Events:   w.events, Random: func() float64 { return 0 }, Calls: func() Calls { return Calls{7, 3} },
		Now: time.Now, Log: slog.New(slog.NewTextHandler(w.log, nil)), Version: "1.2.3",
	}
	return w
}

// job opens a run.
func (w *world) job(_ context.Context, cfg *config.Config) (*Job, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs = append(w.runs, time.Now())
	if w.open != nil {
		return nil, w.open
	}
	store := planfile.NewStore()
	return &Job{
		App: &app.App{
			Readers: []registry.Reader{w.shelf}, Sources: []usage.Entry{{Source: w.source}}, Policy: cfg.Compiled, ConfigHash: cfg.Hash(),
			Usage: usage.Options{Now: time.Now}, Judge: time.Now, Now: time.Now, Recheck: time.Hour, Store: store, Progress: &app.Progress{},
			Log: slog.New(slog.DiscardHandler), Version: "1.2.3", Price: plan.Price{Currency: "USD"},
		},
		Open:  func(context.Context, string) (registry.Writer, error) { return w.shelf, nil },
		Close: func() { _ = store.Close() }, Currency: "USD",
		Tell: func(_ context.Context, what notify.Run) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if what.Worth() {
				w.told = append(w.told, what.Message().Text)
			}
		},
	}, nil
}

// start begins to run.
func (w *world) start(t *testing.T) {
	t.Helper()
	w.Controller = New(w.opts)
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() { w.done <- w.Run(ctx) }()
}

// stop ends it and returns what Run says.
func (w *world) stop() error {
	w.cancel()
	return <-w.done
}

func (w *world) end(t *testing.T) {
	t.Helper()
	if err := w.stop(); err != nil {
		t.Error(err)
	}
}

// write replaces the configuration.
func (w *world) write(file string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.file = file
}

func (w *world) runCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.runs)
}

// get returns what the server answers.
func (w *world) get(path string) (code int, body string) {
	answer := httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
	return answer.Code, answer.Body.String()
}

func (w *world) want(t *testing.T, path string, code int, texts ...string) {
	t.Helper()
	got, body := w.get(path)
	if got != code {
		t.Errorf("%s: status %d, want %d\n%s", path, got, code, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("%s: %q is not in\n%s", path, text, body)
		}
	}
}

// leases is a Lease in memory.
type leases struct {
	mu     sync.Mutex
	record *lease.Record
	fail   error
	writes int
}

var leaseResource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

func (l *leases) Get(context.Context) (*lease.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.fail != nil:
		return nil, l.fail
	case l.record == nil:
		return nil, apierrors.NewNotFound(leaseResource, "regsweep")
	}
	r := *l.record
	return &r, nil
}

func (l *leases) Create(ctx context.Context, r *lease.Record) (*lease.Record, error) {
	return l.Update(ctx, r)
}

func (l *leases) Update(_ context.Context, r *lease.Record) (*lease.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.fail != nil:
		return nil, l.fail
	case l.record != nil && l.record.Version != r.Version:
		return nil, apierrors.NewConflict(leaseResource, "regsweep", errors.New("changed"))
	}
	l.writes++
	stored := *r
	stored.Version = fmt.Sprint(l.writes)
	l.record = &stored
	answer := stored
	return &answer, nil
}

func (l *leases) set(f func(*leases)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}
