package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/lease"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/plan"
)

// Result is how a run ended.
type Result string

// The results.
const (
	// OK is a run that did all that is to be done.
	OK Result = "ok"
	// Held is one in which a gap or a limit held something.
	Held Result = "held"
	// Partial is one in which some deletions failed.
	Partial Result = "partial"
	// Failed is one that an error ended.
	Failed Result = "failed"
	// Stopped is one that was to end before it was done: the process ends, or the
	// Lease was lost.
	Stopped Result = "stopped"
)

// results are all of them.
var results = []Result{OK, Held, Partial, Failed, Stopped}

// Ended is what is known of a run that is over.
type Ended struct {
	Result  Result
	Mode    config.Mode
	Started time.Time
	Took    time.Duration
	// Totals are those of the plan, where there is one, and Gaps how many sources
	// and repositories could not be read.
	Totals plan.Totals
	Gaps   int
	// Deleted, Archived and Failed count what an apply did.
	Deleted, Archived, Failed int
	// Err is why it failed or stopped, or nil.
	Err error
}

// run makes one run: it plans and, where the configuration says so, applies.
func (c *Controller) run(ctx context.Context, guard func() error) {
	cfg := c.Config()
	e := &Ended{Mode: cfg.Mode, Started: c.Now()}
	c.mu.Lock()
	c.status.running = true
	c.mu.Unlock()
	c.Log.Info("run started", "mode", string(cfg.Mode))
	what := notify.Run{Name: "regsweep controller"}
	job, err := c.Open(ctx, cfg)
	if err == nil {
		err = c.planAndApply(ctx, cfg, job, guard, &what)
	}
	e.Err = because(ctx, err)
	c.sumUp(ctx, e, &what)
	if e.Result == OK || e.Result == Partial || e.Result == Held {
		// What was seen before this run has counted in it.
		c.warm.forget(e.Started)
	}
	c.mu.Lock()
	c.status.running, c.status.last = false, e
	c.mu.Unlock()
	if what.Plan != nil {
		c.show(job, what.Plan)
	}
	c.report(ctx, e, &what)
	// Of a run that was stopped before it did anything, the next one tells.
	if job != nil && job.Tell != nil && (e.Result != Stopped || e.Deleted+e.Archived+e.Failed > 0) {
		job.Tell(ctx, what)
	}
	if job != nil && what.Plan == nil {
		job.Close() // and the page has the plan before
	}
}

// planAndApply does what a run does, and notes what came of it also where it
// fails.
func (c *Controller) planAndApply(ctx context.Context, cfg *config.Config, job *Job, guard func() error, what *notify.Run) error {
	a := job.App
	a.Sources = c.warm.wrap(a.Sources)
	a.Guard, a.Fresh = guard, c.warm.fresh
	outcome, err := a.Plan(ctx)
	if err != nil {
		return err
	}
	what.Plan, what.Gaps = outcome.Plan, outcome.Gaps
	if cfg.Mode != config.ModeApply {
		return nil
	}
	what.Report, err = a.Apply(ctx, outcome.Plan, job.Open)
	return err
}

// because returns why a run ended: that the Lease was lost, where it was,
// whatever the next call made of it.
func because(ctx context.Context, err error) error {
	var lost *lease.LostError
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case errors.As(context.Cause(ctx), &lost):
		return lost
	}
	return fmt.Errorf("the process was told to end: %w", err)
}

// sumUp notes how a run ended.
func (c *Controller) sumUp(ctx context.Context, e *Ended, what *notify.Run) {
	e.Took = c.Now().Sub(e.Started)
	held := what.Gaps
	if p := what.Plan; p != nil {
		e.Totals, e.Gaps = p.Totals, gapCount(p)
		held = held || p.Totals.HeldBack() > 0
		c.metrics.planned(e.Totals, e.Gaps)
	}
	if r := what.Report; r != nil {
		e.Deleted, e.Archived, e.Failed = r.Deleted, r.Archived, r.Failed
		held = held || r.Held
		c.metrics.applied(r)
	}
	var lost *lease.LostError
	switch {
	case e.Err != nil && (ctx.Err() != nil || errors.As(e.Err, &lost)):
		e.Result, what.Stopped = Stopped, e.Err
	case e.Err != nil:
		e.Result, what.Err = Failed, e.Err
	case e.Failed > 0:
		e.Result = Partial
	case held:
		e.Result = Held
	default:
		e.Result = OK
	}
	c.metrics.ended(e.Result, e.Took, c.Now())
}

// gapCount is how many sources and repositories could not be read.
func gapCount(p *plan.Plan) (n int) {
	for _, s := range p.Sources {
		if s.Status != "ok" {
			n++
		}
	}
	for _, reg := range p.Registries {
		for i := range reg.Repositories {
			if reg.Repositories[i].Gap != "" {
				n++
			}
		}
	}
	return n
}

// maxGapEvents is how many gaps of a run have an Event of their own.
const maxGapEvents = 5

// report logs a run and makes its Events.
func (c *Controller) report(ctx context.Context, e *Ended, what *notify.Run) {
	log := []any{"result", string(e.Result), "took", e.Took.String(), "images", e.Totals.Images, "toDelete", e.Totals.Delete, "toArchive", e.Totals.Archive,
		"held", e.Totals.HeldBack(), "gaps", e.Gaps, "deleted", e.Deleted, "archived", e.Archived, "failed", e.Failed}
	text := what.Message().Text
	level, kind, reason := slog.LevelWarn, Warning, ""
	switch e.Result {
	case Failed:
		level, reason, text = slog.LevelError, "RunFailed", mistakes(e.Err)
	case Stopped:
		reason, text = "RunStopped", mistakes(e.Err)
	case Partial:
		reason = "RunPartial"
	case Held:
		reason = "RunHeld"
	case OK:
		level, kind, reason = slog.LevelInfo, Normal, "RunCompleted"
	}
	c.event(ctx, kind, reason, text)
	if e.Deleted+e.Archived > 0 {
		c.event(ctx, Normal, "ImagesDeleted", fmt.Sprintf("%d images deleted, %d archived", e.Deleted, e.Archived))
	}
	if what.Plan != nil {
		for _, warning := range what.Plan.Warnings {
			c.Log.Warn("warning of the plan", "warning", warning)
		}
		n := 0
		for _, s := range what.Plan.Sources {
			if s.Status != "ok" && n < maxGapEvents {
				n++
				c.event(ctx, Warning, "Gap", s.Name+": "+s.Detail)
			}
		}
	}
	if e.Err != nil {
		log = append(log, "error", e.Err)
	}
	c.Log.Log(ctx, level, "run ended", log...)
}

// show makes a plan that of the page, and frees the one before.
func (c *Controller) show(job *Job, p *plan.Plan) {
	c.shown.Lock()
	defer c.shown.Unlock()
	if c.shown.job != nil {
		c.shown.job.Close()
	}
	c.shown.job, c.shown.plan = job, p
}
