package controller

import (
	"context"
	"time"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/wait"
)

// tagAgain is how long tagging that ended is left alone before it begins anew.
const tagAgain = time.Minute

// tag marks what is in use until the context ends, with each configuration as
// long as it is used.
func (c *Controller) tag(ctx context.Context) {
	for ctx.Err() == nil {
		cfg, replaced := c.current()
		tagging, end := context.WithCancel(ctx)
		stop := context.AfterFunc(replaced, end) //nolint:contextcheck // the life of the configuration, not of a call
		err := c.Tag(tagging, cfg)
		stop()
		end()
		if err == nil || ctx.Err() != nil || replaced.Err() != nil {
			continue
		}
		c.tellOnce("cannot tag", "what is in use", err)
		if wait.For(ctx, tagAgain) != nil {
			return
		}
	}
}

// current returns the configuration that is used, and a context that ends when
// there is another.
func (c *Controller) current() (cfg *config.Config, replaced context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.config, c.inUse
}
