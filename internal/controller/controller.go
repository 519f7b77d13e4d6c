// Package controller runs regsweep by itself: on a schedule, in one process of
// several, with the uses of clusters kept warm in between. It shows what it does
// as metrics, as a page and as Events. What a run is, package app knows.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/lease"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/wait"
)

const (
	// pollConfig is how often the configuration file is looked at. Kubernetes
	// itself takes a minute to bring a changed ConfigMap into a pod.
	pollConfig = 10 * time.Second
	// stopWithin is how long a run that is to end may take: the calls in flight
	// are waited for. Kubernetes gives a pod 30 seconds.
	stopWithin = 25 * time.Second
	// warmUp bounds how long the first run waits for the watches to begin.
	warmUp = 5 * time.Second
)

// Job is one run, opened.
type Job struct {
	App *app.App
	// Open opens registries for changing.
	Open app.OpenWriter
	// Currency is that of the prices.
	Currency string
	// Tell sends a summary to whom the configuration names; it may be nil.
	Tell func(ctx context.Context, what notify.Run)
	// Close frees what the run holds, its plan too.
	Close func()
}

// Options are what a controller needs. All functions are required, but for those
// that say that they may be nil.
type Options struct {
	// Read returns the configuration file, and Parse what it says.
	Read  func() ([]byte, error)
	Parse func([]byte) (*config.Config, error)
	// Watchers opens the sources of a configuration that can be watched.
	Watchers func(*config.Config) ([]usage.Watcher, error)
	// Open opens a run. It is called for each, never two at a time.
	Open func(context.Context, *config.Config) (*Job, error)
	// Tag marks what is in use until the context ends, while this process leads; it
	// may be nil. With an error it is called again.
	Tag func(context.Context, *config.Config) error
	// Lock is the Lease that a run needs; nil for none.
	Lock *lease.Lock
	// Events gets what happens; it may be nil.
	Events Events
	// Jitter is how much later than due a run may start, by chance.
	Jitter time.Duration
	// Random returns numbers in [0, 1).
	Random func() float64
	// Calls counts the calls of AWS of all runs.
	Calls   func() Calls
	Now     func() time.Time
	Log     *slog.Logger
	Version string
	// Pprof serves profiles of the process.
	Pprof bool
}

// Controller runs plans and applies on a schedule. Its Handler may be used by
// several goroutines at once; Run is called once.
type Controller struct {
	Options
	warm    *warm
	metrics *metrics
	// changed tells the loop that there is a new configuration.
	changed chan struct{}

	mu     sync.Mutex
	config *config.Config
	// inUse ends when config is replaced.
	inUse  context.Context //nolint:containedctx // it is the life of a configuration
	renew  context.CancelFunc
	status status
	told   map[string]time.Time

	// shown is the last plan, for the page. It stays open until the next.
	shown struct {
		sync.Mutex
		job  *Job
		plan *plan.Plan
	}
}

// status is what the page and the checks show.
type status struct {
	loadedAt time.Time
	// refused is what is wrong with the configuration file as it is now.
	refused error
	// holds says whether the Lease is held at this moment; nil while it is waited for.
	holds    func() error
	leaseErr error
	leaseAt  time.Time
	running  bool
	stopping bool
	last     *Ended
	next     time.Time
}

// ErrStopTimeout says that a run did not end in time. Its journal says what was
// done, and the next run goes on from there.
var ErrStopTimeout = fmt.Errorf("the run did not end within %s", stopWithin)

// New returns a controller that does nothing yet.
func New(o Options) *Controller {
	c := &Controller{Options: o, warm: newWarm(o.Now), changed: make(chan struct{}, 1), told: map[string]time.Time{}}
	c.metrics = newMetrics(o.Version, o.Calls, func() float64 { return float64(c.warm.size()) }, c.leads)
	if o.Lock != nil {
		o.Lock.Failed = c.leaseFailed
	}
	return c
}

// Config returns the configuration that is used, or nil before Run.
func (c *Controller) Config() *config.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config
}

// start reads the configuration for the first time. The error is that of the
// configuration.
func (c *Controller) start() (content []byte, watchers []usage.Watcher, err error) {
	if content, err = c.Read(); err != nil {
		return nil, nil, err
	}
	cfg, watchers, err := c.load(content)
	if err != nil {
		return nil, nil, err
	}
	c.use(cfg)
	return content, watchers, nil
}

// load parses a configuration and opens what of it is watched.
func (c *Controller) load(content []byte) (*config.Config, []usage.Watcher, error) {
	cfg, err := c.Parse(content)
	if err != nil {
		return nil, nil, err
	}
	watchers, err := c.Watchers(cfg)
	return cfg, watchers, err
}

func (c *Controller) use(cfg *config.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.config != cfg {
		if c.renew != nil {
			c.renew()
		}
		c.inUse, c.renew = context.WithCancel(context.Background())
	}
	c.config, c.status.loadedAt, c.status.refused = cfg, c.Now(), nil
}

// Run runs until the context ends, which is no error. An error is that of a
// configuration that cannot be used, or ErrStopTimeout.
func (c *Controller) Run(ctx context.Context) error {
	content, watchers, err := c.start()
	if err != nil {
		return err
	}
	running := c.startWatches(ctx, watchers)
	var workers sync.WaitGroup
	workers.Go(func() { c.reload(ctx, content, running) })
	workers.Go(func() { c.lead(ctx) })
	ended := make(chan struct{})
	go func() {
		workers.Wait()
		close(ended)
	}()
	<-ctx.Done()
	c.mu.Lock()
	c.status.stopping = true
	c.mu.Unlock()
	timer := time.NewTimer(stopWithin) //nolint:forbidigo // bounds the end of the process; tests run it in virtual time
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		return ErrStopTimeout
	}
	c.show(nil, nil)
	c.renew()
	return nil
}

// lead runs as long as this process has the Lease.
func (c *Controller) lead(ctx context.Context) {
	c.warm.wait(ctx, warmUp)
	if c.Lock == nil {
		always := func() error { return nil }
		c.setHolds(always)
		c.work(ctx, always)
		return
	}
	for ctx.Err() == nil {
		held, err := c.acquire(ctx)
		if err != nil {
			return // the context ended
		}
		c.setHolds(held.Check)
		c.Log.Info("leading", "lease", c.Lock.Name, "identity", c.Lock.Identity)
		c.event(ctx, Normal, "Leading", c.Lock.Identity+" has the Lease "+c.Lock.Name)
		within, stop := held.Within(ctx)
		c.work(within, held.Check)
		cause := context.Cause(within)
		stop()
		c.setHolds(nil)
		if err := held.Release(ctx); err != nil {
			c.Log.Warn("lease not released", "error", err)
		}
		var lost *lease.LostError
		if errors.As(cause, &lost) {
			c.Log.Warn("lease lost", "error", lost)
			c.event(ctx, Warning, "LeaseLost", lost.Error())
		}
	}
}

// work does what only one process does: it runs, and marks what is in use.
func (c *Controller) work(ctx context.Context, guard func() error) {
	var marking sync.WaitGroup
	if c.Tag != nil {
		marking.Go(func() { c.tag(ctx) })
	}
	c.runs(ctx, guard)
	marking.Wait()
}

// acquire waits for the Lease. Meanwhile what watches saw is forgotten as if this
// process ran: whoever has the Lease does.
func (c *Controller) acquire(ctx context.Context) (*lease.Held, error) {
	standby, end := context.WithCancel(ctx)
	var forgetting sync.WaitGroup
	forgetting.Go(func() {
		since := c.Now()
		for {
			due := c.Config().Controller.Next(c.Now())
			if wait.For(standby, due.Sub(c.Now())) != nil {
				return
			}
			c.warm.forget(since)
			since = due
		}
	})
	held, err := c.Lock.Acquire(ctx, lease.Forever)
	end()
	forgetting.Wait()
	return held, err
}

// setHolds notes what tells whether this process has the Lease, or nil where it
// waits for it.
func (c *Controller) setHolds(holds func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.holds = holds
	if holds != nil {
		c.status.leaseErr = nil
	}
}

// leads reports whether this process has the Lease at this moment.
func (c *Controller) leads() bool {
	c.mu.Lock()
	holds := c.status.holds
	c.mu.Unlock()
	return holds != nil && holds() == nil
}

func (c *Controller) leaseFailed(err error) {
	c.mu.Lock()
	c.status.leaseErr, c.status.leaseAt = err, c.Now()
	c.mu.Unlock()
	c.tellOnce("lease", c.Lock.Name, err)
}

// runs makes the first run at once and the others when they are due, one after
// the other, until the context ends.
func (c *Controller) runs(ctx context.Context, guard func() error) {
	for ctx.Err() == nil {
		started := c.Now()
		c.run(ctx, guard)
		for ctx.Err() == nil { // again with each new configuration
			due := c.Config().Controller.Next(started)
			if !due.After(c.Now()) { // a long run; what was due meanwhile is left out
				due = c.Config().Controller.Next(c.Now())
			}
			if c.waitUntil(ctx, due.Add(time.Duration(c.Random()*float64(c.Jitter)))) {
				break
			}
		}
	}
	c.setNext(time.Time{})
}

// waitUntil waits for a run, and returns false where it is not due: the context
// ended, or there is another configuration.
func (c *Controller) waitUntil(ctx context.Context, next time.Time) bool {
	c.setNext(next)
	timer := time.NewTimer(next.Sub(c.Now())) //nolint:forbidigo // the schedule; tests run it in virtual time
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-c.changed:
	case <-ctx.Done():
	}
	return false
}

func (c *Controller) setNext(next time.Time) {
	c.metrics.nextRun.Set(0)
	if !next.IsZero() {
		c.metrics.nextRun.Set(float64(next.Unix()))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.next = next
}
