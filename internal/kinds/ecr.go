package kinds

import (
	"context"
	"time"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/registry/ecr"
)

// ecrConfig gives the configuration of ECR the form of every registry's.
type ecrConfig struct {
	ecr.Config `yaml:",inline"`
}

// OpenReader implements config.RegistryConfig.
func (c *ecrConfig) OpenReader(ctx context.Context, name string, env config.RegistryEnv) (registry.Reader, error) {
	// Not returned at once: a nil *ecr.Reader is no nil registry.Reader.
	r, err := c.Config.OpenReader(ctx, name, ecr.Env(env))
	if err != nil {
		return nil, err
	}
	return r, nil
}

// OpenWriter implements config.RegistryConfig.
func (c *ecrConfig) OpenWriter(ctx context.Context, name string, env config.RegistryEnv) (registry.Writer, error) {
	w, err := c.Config.OpenWriter(ctx, name, ecr.Env(env))
	if err != nil {
		return nil, err
	}
	return w, nil
}

// OpenTagger implements config.RegistryConfig.
func (c *ecrConfig) OpenTagger(ctx context.Context, name string, env config.RegistryEnv) (registry.Tagger, error) {
	t, err := c.Config.OpenTagger(ctx, name, ecr.Env(env))
	if err != nil {
		return nil, err
	}
	return t, nil
}

var _ config.LifecycleConfig = (*ecrConfig)(nil)

// OpenLifecycle implements config.LifecycleConfig.
func (c *ecrConfig) OpenLifecycle(ctx context.Context, name string, env config.RegistryEnv, wait func(context.Context, time.Duration) error) (registry.LifecycleReader, error) {
	l, err := c.Config.OpenLifecycle(ctx, name, ecr.Env(env), wait)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// OpenLifecycleWriter implements config.LifecycleConfig.
func (c *ecrConfig) OpenLifecycleWriter(ctx context.Context, name string, env config.RegistryEnv) (registry.LifecycleWriter, error) {
	w, err := c.Config.OpenLifecycleWriter(ctx, name, ecr.Env(env))
	if err != nil {
		return nil, err
	}
	return w, nil
}
