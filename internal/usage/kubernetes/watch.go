package kubernetes

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/cache"

	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/wait"
)

// The pause before a cluster that could not be reached, or that refused the
// credentials, is tried again, doubled each time. What is lost meanwhile for a
// single kind is the reflector's to find out, which has pauses of its own.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

var _ usage.Watcher = (*source)(nil)

// Watch implements usage.Watcher. It watches the kinds of the table, but not
// Helm releases nor custom resources other than Rollouts: what these declare
// runs in pods, and does not come and go within seconds.
//
// Every kind has a reflector of client-go, which lists it, watches from there
// on, and begins anew where the server no longer knows the moment (410). What is
// kept of an object is its version, until what it names has been told. So memory
// does not follow the size of the cluster, and nothing that comes to the server
// while the connection is down is lost, but what is gone before the server is
// asked again and after it forgot.
func (s *source) Watch(ctx context.Context, seen func([]usage.Observation), failed func(error)) {
	ctx = logr.NewContext(ctx, logr.Discard())
	pause := firstPause
	for ctx.Err() == nil {
		began, err := s.watch(ctx, seen, failed)
		if ctx.Err() != nil {
			return
		}
		failed(err)
		if began {
			pause = firstPause
		}
		if wait.For(ctx, pause) != nil {
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// watch watches until the context ends or the cluster refuses the credentials.
// Then the configuration is read again, since there may be new ones in it. began
// says that the cluster could be reached.
func (s *source) watch(ctx context.Context, seen func([]usage.Observation), failed func(error)) (began bool, err error) {
	config, err := s.cluster.load()
	if err != nil {
		return false, err
	}
	c, err := newClient(s.cluster.name, config)
	if err != nil {
		return false, err
	}
	defer c.close()
	tasks, errs, err := s.watched(ctx, c)
	if err != nil {
		return false, err
	}
	for _, err := range errs {
		failed(err)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	report := func(err error) {
		var credentials *CredentialsError
		if errors.As(err, &credentials) {
			end(err)
			return
		}
		failed(err)
	}
	var reflectors sync.WaitGroup
	logger := logr.Discard()
	for _, t := range tasks {
		watcher := &kindWatcher{client: c, task: t, failed: report}
		r := cache.NewReflectorWithOptions(watcher, &item{}, sink(seen), cache.ReflectorOptions{Name: where(t.String(), t.namespace), Logger: &logger})
		reflectors.Go(func() { r.RunWithContext(ctx) })
	}
	reflectors.Wait()
	return true, context.Cause(ctx)
}

// watched returns what is watched, and what discovery could not see.
func (s *source) watched(ctx context.Context, c *client) ([]task, []error, error) {
	narrow := *s
	narrow.config.Helm, narrow.config.CustomResources = false, false
	tasks, _, errs, fatal := narrow.tasks(ctx, c)
	return tasks, errs, fatal
}

// sink is a store that tells what objects name and keeps none of them.
type sink func([]usage.Observation)

var _ cache.ReflectorStore = sink(nil)

// Add tells what a new object names.
func (s sink) Add(obj any) error { return s.Replace([]any{obj}, "") }

// Update tells what a changed object names: a pod that got its digest.
func (s sink) Update(obj any) error { return s.Replace([]any{obj}, "") }

// Delete tells what an object named at its end: it can come with a digest that
// was never seen before.
func (s sink) Delete(obj any) error { return s.Replace([]any{obj}, "") }

// Replace tells what all objects name.
func (s sink) Replace(objects []any, _ string) error {
	var all []usage.Observation
	for _, obj := range objects {
		if i, ok := obj.(*item); ok {
			all = append(all, i.observations...)
		}
	}
	if len(all) > 0 {
		s(all)
	}
	return nil
}

// Resync does nothing: there is nothing to compare.
func (s sink) Resync() error { return nil }
