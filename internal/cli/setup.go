package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/manifests"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/render"
	"github.com/regsweep/regsweep/internal/usage"
)

// recheck is how old what is known of the usage may get during an apply.
const recheck = 5 * time.Minute

// run is a command with its configuration loaded and its registries opened.
type run struct {
	*app.App
	world  *World
	flags  *flags
	config *config.Config
	env    config.RegistryEnv
	// registries are all that the configuration names, whichever the run is about.
	registries []registry.Identity
	// keepless are the rules without a keep that the plan of an apply takes
	// images by.
	keepless []render.Keepless
}

// close ends the use of the cache and of the plan. What is remembered of
// manifests is written as they are read, so an error here loses nothing.
func (r *run) close() {
	stats := r.env.AWS.Stats()
	for _, o := range stats.Operations {
		r.Log.Debug("AWS called", "account", o.Account, "region", o.Region, "service", o.Service, "operation", o.Operation,
			"calls", o.Calls, "retries", o.Retries, "throttled", o.Throttled)
	}
	total := stats.Total()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	r.Log.Debug("run ended", "calls", total.Calls, "retries", total.Retries, "throttled", total.Throttled,
		"images", r.Progress.Counts().Images, "allocatedBytes", memory.TotalAlloc, "systemBytes", memory.Sys)
	for _, end := range []struct {
		problem string
		err     error
	}{
		{cacheProblem, r.env.Manifests.Warning()}, {cacheProblem, r.env.Manifests.Close()}, {"the temporary file of the plan cannot be given back", r.Store.Close()},
	} {
		if end.err != nil {
			r.Log.Warn(end.problem, "error", end.err)
		}
	}
}

// cacheProblem is the message of a log about the cache of manifests; the error
// says what follows from it.
const cacheProblem = "problem with the cache of manifests"

// configPath returns the path of the configuration.
func (f *flags) configPath(w *World) string {
	if f.config != "" {
		return f.config
	}
	if path, ok := w.LookupEnv("REGSWEEP_CONFIG"); ok && path != "" {
		return path
	}
	return "regsweep.yaml"
}

// load reads the configuration.
func (f *flags) load(w *World) (*config.Config, error) {
	cfg, err := config.Load(f.configPath(w), w.LookupEnv, w.Kinds)
	if err != nil {
		var mistakes config.Errors
		if errors.As(err, &mistakes) {
			return nil, err
		}
		return nil, &exitError{exitUsage, fmt.Errorf("%w (regsweep init writes one; --config names another)", err)}
	}
	return cfg, nil
}

// open loads the configuration and opens the registries for reading. It holds
// nothing that could delete.
func (f *flags) open(ctx context.Context, w *World, cfg *config.Config, session *awsapi.Session) (*run, error) {
	log, err := f.logger(w)
	if err != nil {
		return nil, err
	}
	judge, err := f.judge(w)
	if err != nil {
		return nil, err
	}
	scope := plan.Scope{Registry: f.registry, Repositories: f.repositories}
	if f.now != "" {
		scope.Now = judge()
	}
	repositories, shard, err := f.narrowed()
	if err != nil {
		return nil, err
	}
	if session == nil {
		aws := w.AWS
		aws.Now, aws.Version = w.Now, Version()
		session = awsapi.NewSession(aws)
	}
	env := usage.Env{AWS: session, Getenv: w.getenv, Now: w.Now, Dir: cfg.Dir, CacheDir: w.cacheDir()}
	if env.CacheDir == "" {
		log.Warn("there is no cache folder (HOME and XDG_CACHE_HOME are not set): a source that suddenly sees nothing is not noticed, and manifests are read again in every run; set atLeast on each source")
	}
	store := (*manifests.Store)(nil)
	if env.CacheDir != "" {
		store = manifests.Open(env.CacheDir)
		if err := store.Warning(); err != nil {
			log.Warn(cacheProblem, "error", err)
		}
	}
	r := &run{world: w, flags: f, config: cfg, env: config.RegistryEnv{AWS: session, Now: w.Now, Manifests: store}}
	r.App = &app.App{
		Usage: usage.Options{
			IgnoreGaps: f.ignoreGaps, CacheDir: env.CacheDir, Now: w.Now,
		},
		UsageNone: cfg.Usage.None, Policy: cfg.Compiled, ConfigHash: cfg.Hash(), Version: Version(),
		Price: plan.Price{PerGBMonth: cfg.Price.PerGBMonth, Currency: cfg.Price.Currency},
		Judge: judge, Now: w.Now, Recheck: recheck, Repositories: repositories, Shard: shard, Scope: scope,
		Store: planfile.NewStore(), Progress: &app.Progress{}, Log: log,
	}
	if err := r.openAll(ctx, env); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// narrowed returns the repositories that the run is about, as the flags say.
func (f *flags) narrowed() (repositories policy.Repositories, shard plan.Shard, err error) {
	repositories, errs := policy.CompileRepositories(f.repositories)
	for _, err := range errs { // one is enough to stop
		return policy.Repositories{}, plan.Shard{}, usageError("--repository: %w", err)
	}
	if f.shard != "" {
		if shard, err = plan.ParseShard(f.shard); err != nil {
			return policy.Repositories{}, plan.Shard{}, usageError("--shard: %w", err)
		}
	}
	return repositories, shard, nil
}

// openAll opens the usage sources and the readers of the registries.
func (r *run) openAll(ctx context.Context, env usage.Env) error {
	f, cfg := r.flags, r.config
	// All registries are opened, also where the run is about one of them: what is
	// in use may be in the region of another.
	for _, reg := range cfg.Registries {
		reader, err := reg.Config.OpenReader(ctx, reg.Name, r.env)
		if err != nil {
			return fmt.Errorf("registry %s: %w", reg.Name, err)
		}
		for _, other := range r.registries {
			if other.Host == reader.Identity().Host {
				return usageError("registries %s and %s are the same one (%s): every image would be judged twice; remove one",
					other.Name, reg.Name, other.Host)
			}
		}
		r.registries = append(r.registries, reader.Identity())
		if f.registry == "" || f.registry == reg.Name {
			r.Readers = append(r.Readers, reader)
		}
	}
	if len(r.Readers) == 0 {
		return usageError("--registry %s: the configuration has no registry of this name", f.registry)
	}
	// The guard against a source that suddenly sees nothing remembers by registry:
	// an edited configuration is still about the same images.
	var hosts []string
	for _, id := range r.registries {
		hosts = append(hosts, id.Host)
		env.Regions = append(env.Regions, id.Region)
	}
	r.Usage.ConfigID = strings.Join(hosts, " ")
	if own, err := env.AWS.Config(ctx, awsapi.Target{}); err == nil {
		env.Regions = append(env.Regions, own.Region)
	}
	slices.Sort(env.Regions)
	env.Regions = slices.DeleteFunc(slices.Compact(env.Regions), func(region string) bool { return region == "" })
	for _, s := range cfg.Usage.Sources {
		sources, err := s.Config.Open(s.Name, env)
		if err != nil {
			return &exitError{exitUsage, fmt.Errorf("usage source %s: %w", s.Name, err)}
		}
		for _, source := range sources {
			r.Sources = append(r.Sources, usage.Entry{Source: source, Covers: s.Covers, AtLeast: s.AtLeast})
		}
	}
	return usage.Check(r.Sources, f.ignoreGaps)
}

// start loads the configuration and opens what it names.
func (f *flags) start(ctx context.Context, w *World) (*run, error) {
	cfg, err := f.load(w)
	if err != nil {
		return nil, err
	}
	return f.open(ctx, w, cfg, nil)
}

// writer opens a registry for changing; only apply calls it.
func (r *run) writer(ctx context.Context, name string) (registry.Writer, error) {
	for _, reg := range r.config.Registries {
		if reg.Name == name {
			return reg.Config.OpenWriter(ctx, name, r.env)
		}
	}
	return nil, fmt.Errorf("registry %s: not in the configuration", name)
}

// judge returns the time of judgement: --now, or the clock.
func (f *flags) judge(w *World) (func() time.Time, error) {
	if f.now == "" {
		return w.Now, nil
	}
	t, err := time.Parse(time.RFC3339, f.now)
	if err != nil {
		return nil, usageError("--now %s: write a time such as 2026-01-31T12:00:00Z", f.now)
	}
	return func() time.Time { return t }, nil
}

// colors reports whether output to a stream may be coloured, given whether it is
// a terminal. NO_COLOR (https://no-color.org) and a terminal that knows no escape
// sequences forbid it.
func (w *World) colors(terminal bool) bool {
	return terminal && w.getenv("NO_COLOR") == "" && !w.dumb()
}

// dumb reports whether the terminal knows no escape sequences.
func (w *World) dumb() bool { return w.getenv("TERM") == "dumb" }

func (w *World) getenv(name string) string {
	v, _ := w.LookupEnv(name)
	return v
}

// cacheDir returns the folder for what never changes, under the user's cache
// directory, or "" where there is none.
func (w *World) cacheDir() string {
	if dir := w.getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "regsweep")
	}
	if home := w.getenv("HOME"); home != "" {
		return filepath.Join(home, ".cache", "regsweep")
	}
	return ""
}
