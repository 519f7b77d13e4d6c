package controller

import (
	"context"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/usage"
)

// tellAgain is how long the same failure is not logged again.
const tellAgain = time.Hour

// watches are the sources that are being watched.
type watches struct {
	stop context.CancelFunc
	all  sync.WaitGroup
}

// startWatches watches the sources until they are ended.
func (c *Controller) startWatches(ctx context.Context, sources []usage.Watcher) *watches {
	ctx, stop := context.WithCancel(ctx)
	w := &watches{stop: stop}
	var names []string
	for _, source := range sources {
		names = append(names, source.Name())
	}
	c.warm.keep(names)
	for _, source := range sources {
		name := source.Name()
		w.all.Go(func() {
			source.Watch(ctx, func(all []usage.Observation) { c.warm.see(name, all) }, func(err error) {
				c.warm.fail(name, err)
				c.metrics.watchErrors.WithLabelValues(name).Inc()
				c.tellOnce("cannot watch", name, err)
			})
		})
	}
	return w
}

// end ends the watches and waits for them.
func (w *watches) end() {
	if w != nil {
		w.stop()
		w.all.Wait()
	}
}

// tellOnce logs a failure, but not the same again and again.
func (c *Controller) tellOnce(message, of string, err error) {
	now := c.Now()
	text := message + " " + of + " " + err.Error()
	c.mu.Lock()
	last, told := c.told[text]
	if told && now.Sub(last) < tellAgain {
		c.mu.Unlock()
		return
	}
	if len(c.told) > 1000 {
		clear(c.told)
	}
	c.told[text] = now
	c.mu.Unlock()
	c.Log.Warn(message, "of", of, "error", err)
}
