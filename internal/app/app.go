// Package app holds the flow once: read what is in use, judge one repository
// after the other, and apply what was planned. Every command and mode calls it.
// It knows neither flags nor terminals, and it deletes only in Apply.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/usage"
)

// readAhead is how many repositories are read or judged at the same time. Each
// holds one page of its images and the calls are limited below it, in awsapi;
// more would cost memory and gain nothing.
const readAhead = 48

// App is one run over one configuration.
type App struct {
	// Readers are the registries to look at, in the order of the configuration.
	Readers []registry.Reader
	// Sources are the usage sources.
	Sources []usage.Entry
	// Usage are the options of collecting, but for IgnoreGaps.
	Usage usage.Options
	// UsageNone says that the configuration states that nothing is in use.
	UsageNone bool
	Policy    *policy.Policy
	Price     plan.Price
	// ConfigHash identifies the configuration in plans.
	ConfigHash string
	// Version is the tool's version.
	Version string
	// Judge returns the time to judge as of.
	Judge func() time.Time
	// Now is the clock.
	Now func() time.Time
	// Recheck is how old what is known of the usage may get while a plan is
	// applied.
	Recheck time.Duration
	// Fresh reports whether what was known of the usage at a time still is all
	// that is known, so that it need not be read again before Recheck; it may be
	// nil.
	Fresh func(at time.Time) bool
	// Guard is asked before each call that changes something. An error ends the
	// run, and the call is not made. It may be nil.
	Guard func() error
	// Repositories narrows the run to matching names.
	Repositories policy.Repositories
	// Shard narrows the run to its part of the repositories.
	Shard plan.Shard
	// Scope is what the flags made the run about, as plans say it: Readers,
	// Repositories and Judge follow from it.
	Scope plan.Scope
	// All lists kept images in plans too.
	All bool
	// ExactSizes reads every manifest, so that shared layers are counted.
	ExactSizes bool
	// Store keeps the images of plans.
	Store *planfile.Store
	// Journal is where apply writes down what it does, and where what interrupted
	// runs did is read; it may be nil, and then neither is done.
	Journal *journal.Place
	// Progress counts what is done; it may be nil.
	Progress *Progress
	Log      *slog.Logger

	// unfinished is what interrupted runs left, as it was read last, and when.
	unfinished *journal.Unfinished
	remembered time.Time
}

// ErrNoUsage says that nothing is known of what is in use.
var ErrNoUsage = errors.New("no usage source is configured, so everything could be in use: add sources under usage, or write \"usage: none\" where nothing can run these images")

// Outcome is a plan with what the document does not say.
type Outcome struct {
	Plan *plan.Plan
	// Gaps says that something could not be read and was not overridden.
	Gaps bool
}

// Held reports whether something is held by a gap or a limit. What only the
// grace period holds is as it should be.
func (o *Outcome) Held() bool { return o.Gaps || o.Plan.Totals.HeldBack() > 0 }

// CollectUsage reads the usage sources.
func (a *App) CollectUsage(ctx context.Context) (*usage.Result, error) {
	a.Progress.phase("reading what is in use")
	opts := a.Usage
	opts.Read = func(s usage.Status, took time.Duration) {
		a.Log.Debug("usage source read", "source", s.Name, "uses", s.Uses, "status", s.Status, "detail", s.Detail, "took", took.Round(time.Millisecond))
	}
	return usage.Collect(ctx, a.Sources, opts)
}

// known is what is in use, in the form that judging needs.
type known struct {
	uses *policy.Uses
	gaps []coveredGap
	// sources are for the plan.
	sources []plan.Source
	any     bool
}

type coveredGap struct {
	image.Gap
	covers policy.Repositories
}

// coveredGaps returns the gaps of a reading.
func coveredGaps(result *usage.Result) (gaps []coveredGap, err error) {
	for _, g := range result.Gaps {
		covers, errs := policy.CompileRepositories(g.Covers)
		for _, err := range errs {
			return nil, fmt.Errorf("covers of source %s: %w", g.Source, err)
		}
		gaps = append(gaps, coveredGap{g.Gap, covers})
	}
	return gaps, nil
}

// learn collects the usage and indexes it.
func (a *App) learn(ctx context.Context) (*known, error) {
	if len(a.Sources) == 0 && !a.UsageNone {
		return nil, ErrNoUsage
	}
	result, err := a.CollectUsage(ctx)
	if err != nil {
		return nil, err
	}
	for _, warning := range result.Warnings {
		a.Log.Warn("memory of earlier runs", "error", warning)
	}
	k := &known{any: len(result.Gaps) > 0}
	k.sources = planSources(result)
	if k.gaps, err = coveredGaps(result); err != nil {
		return nil, err
	}
	k.uses, err = policy.NewUses(result.Snapshot.Uses, a.holders)
	return k, err
}

// planSources is how plans and reports tell of the usage sources.
func planSources(result *usage.Result) (sources []plan.Source) {
	for _, s := range result.Snapshot.Sources {
		counts := slices.ContainsFunc(result.Gaps, func(g usage.Gap) bool { return g.Source == s.Name })
		sources = append(sources, plan.Source{
			Name: s.Name, Uses: s.Uses, Status: s.Status, Detail: s.Detail, Ignored: s.Status != usage.StatusOK && !counts,
		})
	}
	return sources
}

// holders returns the names of the registries that a reference points to.
func (a *App) holders(ref image.Reference) (names []string) {
	for _, r := range a.Readers {
		if id := r.Identity(); id.Holds(ref) {
			names = append(names, id.Name)
		}
	}
	return names
}

// covering returns the gaps that could hide a use of the repository.
func (k *known) covering(repository string) []image.Gap { return covering(k.gaps, repository) }

func covering(all []coveredGap, repository string) (gaps []image.Gap) {
	for _, g := range all {
		if g.covers.Match(repository) {
			gaps = append(gaps, g.Gap)
		}
	}
	return gaps
}

// Plan judges every repository. A repository that cannot be read is left alone
// and named; when none can be read, or nothing can be read at all, that is the
// error.
func (a *App) Plan(ctx context.Context) (*Outcome, error) {
	if len(a.Sources) == 0 && !a.UsageNone {
		return nil, ErrNoUsage
	}
	warnings, err := a.remember(ctx)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	var k *known
	learned := make(chan struct{})
	group.Go(func() (err error) {
		if k, err = a.learn(ctx); err == nil {
			close(learned)
		}
		return err
	})
	wait := func() (*known, error) {
		select {
		case <-learned:
			return k, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	out := &Outcome{Plan: &plan.Plan{Tool: a.Version, CreatedAt: a.Now().UTC().Truncate(time.Second), Config: a.ConfigHash, Shard: a.Shard, Scope: a.Scope}}
	out.Plan.Warnings = warnings
	group.Go(func() error { return a.judgeAll(ctx, wait, out) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out.Plan.Sources = k.sources
	if out.Plan.Sources == nil {
		out.Plan.Sources = []plan.Source{}
	}
	out.Gaps = out.Gaps || k.any
	out.Plan.Finish(a.Policy.Limits(), a.Price)
	return out, nil
}
