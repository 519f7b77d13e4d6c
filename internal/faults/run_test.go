package faults_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/manifests"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/usage"
)

// The phases of a run.
const (
	opening  = "opening"
	planning = "planning"
	applying = "applying"
)

// The exit codes, as the README has them.
const (
	done    = 0
	failed  = 1
	partial = 3
	held    = 4
	// stopped is failed, or partial where something was done until then.
	stopped = -1
	unknown = -2
)

// outcome is what came of a run.
type outcome struct {
	exit   int
	err    error
	plan   *plan.Plan
	report *plan.Report
}

// setting is what runs have in common.
type setting struct {
	config *config.Config
	// latency is how long each call takes.
	latency time.Duration
	// recheck is how old what is known of the usage may get during an apply.
	recheck time.Duration
	// journal is where the journal is, or "" for none.
	journal string
	// repositories are those that the run is about; none is all.
	repositories []string
	// before says what goes wrong in a run before the one that is looked at; nil is
	// none.
	before func(*world) func(seen) embedded.Fault
}

// scratch returns a folder for the caches of a run, in memory where the system has
// a folder that is: a run syncs what it writes, and thousands of them would wait
// for a disk.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "regsweep-faults-") //nolint:usetesting // what testing makes may be on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(os.RemoveAll(dir)) })
	return dir
}

// recheck is that of the command.
const recheck = 5 * time.Minute

// run is regsweep apply --yes, on the clock of a bubble. It opens what the
// configuration names as the command does, but calls AWS over the wire.
func run(ctx context.Context, w *wire, s setting, cacheDir string) outcome {
	w.enter(opening)
	cfg, now := s.config, time.Now
	session := awsapi.NewSession(awsapi.Options{
		Region: "eu-west-1", Now: now, Version: "test", Endpoint: "http://aws.example.com",
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		HTTPClient:  &http.Client{Transport: w}, Random: func() float64 { return 0.5 },
	})
	env := config.RegistryEnv{AWS: session, Now: now, Manifests: manifests.Open(cacheDir)}
	a := &app.App{
		Usage:      usage.Options{CacheDir: cacheDir, ConfigID: cfg.Hash(), Now: now},
		Policy:     cfg.Compiled,
		ConfigHash: cfg.Hash(), Version: "test",
		Judge: now, Now: now, Recheck: s.recheck,
		Store: planfile.NewStore(), Progress: &app.Progress{}, Log: slog.New(slog.DiscardHandler),
	}
	a.Repositories, _ = policy.CompileRepositories(s.repositories)
	if s.journal != "" {
		place, err := journal.Open(s.journal, objects.Env{AWS: session}, io.Discard)
		must(err)
		a.Journal = place
	}
	var out outcome
	out.err = func() error {
		defer func() { must(errors.Join(env.Manifests.Warning(), env.Manifests.Close(), a.Store.Close())) }()
		if err := open(ctx, a, cfg, env, cacheDir); err != nil {
			return err
		}
		w.enter(planning)
		planned, err := a.Plan(ctx)
		if err != nil {
			return err
		}
		out.plan = planned.Plan
		w.enter(applying)
		report, err := a.Apply(ctx, planned.Plan, func(ctx context.Context, name string) (registry.Writer, error) {
			return cfg.Registries[0].Config.OpenWriter(ctx, name, env)
		})
		out.report = report
		switch {
		case err != nil:
			return err
		case report.Failed > 0:
			out.exit = partial
		case planned.Held() || report.Held:
			out.exit = held
		}
		return nil
	}()
	if out.err != nil {
		out.exit = failed
		if r := out.report; r != nil && r.Deleted+r.Archived+r.Condemned+r.Unmarked > 0 {
			out.exit = partial
		}
	}
	return out
}

// is reports whether an exit code is the one that is wanted.
func is(exit, want int) bool {
	return exit == want || want == unknown || want == stopped && (exit == failed || exit == partial)
}

// open opens the sources and the registry.
func open(ctx context.Context, a *app.App, cfg *config.Config, env config.RegistryEnv, cacheDir string) error {
	for _, s := range cfg.Usage.Sources {
		sources, err := s.Config.Open(s.Name, usage.Env{AWS: env.AWS, Getenv: func(string) string { return "" }, Now: env.Now, CacheDir: cacheDir})
		if err != nil {
			return fmt.Errorf("usage source %s: %w", s.Name, err)
		}
		for _, source := range sources {
			a.Sources = append(a.Sources, usage.Entry{Source: source, Covers: s.Covers, AtLeast: s.AtLeast})
		}
	}
	for _, r := range cfg.Registries {
		reader, err := r.Config.OpenReader(ctx, r.Name, env)
		if err != nil {
			return fmt.Errorf("registry %s: %w", r.Name, err)
		}
		a.Readers = append(a.Readers, reader)
	}
	return nil
}
