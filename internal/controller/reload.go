package controller

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/wait"
)

// reload watches the sources of the configuration, and takes a new one when the
// content of its file has changed. One with mistakes is refused, and the one
// before stays. It is by content, since a ConfigMap changes by links.
func (c *Controller) reload(ctx context.Context, content []byte, running *watches) {
	defer func() { running.end() }()
	used, last := sha256.Sum256(content), sha256.Sum256(content)
	for wait.For(ctx, pollConfig) == nil {
		content, err := c.Read()
		var sum [sha256.Size]byte
		if err == nil {
			sum = sha256.Sum256(content)
		} else {
			sum = sha256.Sum256([]byte(err.Error()))
		}
		if sum == last {
			continue
		}
		last = sum
		if sum == used { // as it was before a mistake
			c.accept(ctx, c.Config(), false)
			continue
		}
		var cfg *config.Config
		var watchers []usage.Watcher
		if err == nil {
			cfg, watchers, err = c.load(content)
		}
		if err != nil {
			c.refuse(ctx, err)
			continue
		}
		used = sum
		running.end()
		c.accept(ctx, cfg, true)
		running = c.startWatches(ctx, watchers)
	}
}

// refuse notes that the configuration file cannot be used.
func (c *Controller) refuse(ctx context.Context, err error) {
	c.mu.Lock()
	c.status.refused = err
	c.mu.Unlock()
	flag(c.metrics.configValid, false)
	c.metrics.reloads.WithLabelValues("refused").Inc()
	c.Log.Error("configuration refused, and the one before stays", "error", mistakes(err))
	c.event(ctx, Warning, "ConfigRefused", "the configuration before stays: "+mistakes(err))
}

// accept uses a configuration.
func (c *Controller) accept(ctx context.Context, cfg *config.Config, isNew bool) {
	c.use(cfg)
	flag(c.metrics.configValid, true)
	if !isNew {
		c.Log.Info("configuration as before")
		return
	}
	c.metrics.reloads.WithLabelValues("ok").Inc()
	c.Log.Info("new configuration", "hash", cfg.Hash(), "mode", string(cfg.Mode))
	c.event(ctx, Normal, "ConfigReloaded", fmt.Sprintf("a new configuration is used, mode %s", cfg.Mode))
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// mistakes puts an error on one line.
func mistakes(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
