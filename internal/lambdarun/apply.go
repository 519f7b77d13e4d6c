package lambdarun

import (
	"context"
	"errors"
	"fmt"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/plan"
)

// apply applies the saved plan of the event, or a new one.
func (r *run) apply(ctx, hard context.Context) error {
	told := notify.Run{}
	err := r.planAndApply(ctx, hard, &told)
	told.Err = err
	if err == nil && r.result.Next != nil {
		told.Stopped = &DeadlineError{"the next run goes on"}
	}
	r.tell(hard, told)
	return err
}

func (r *run) planAndApply(ctx, hard context.Context, told *notify.Run) error {
	outcome, err := r.outcome(ctx)
	if err != nil {
		return ended(ctx, err, "planning takes longer: give the function more time, or plan in shards and apply each plan")
	}
	told.Plan, told.Gaps = outcome.Plan, outcome.Gaps
	report, err := r.App.Apply(ctx, outcome.Plan, r.Open)
	told.Report = report
	r.result.applied(report)
	r.result.exit(report.Failed > 0, outcome.Held() || report.Held)
	if late := ended(ctx, err, "applying takes longer than the function has time: plan in more shards"); err != nil {
		// Without anything done, to go on would be to begin again for ever.
		if _, is := errors.AsType[*DeadlineError](late); !is || !advanced(report) {
			return r.failed(hard, report, late)
		}
		next := r.event
		r.result.Next = &next
		r.result.exit(true, false)
	}
	return r.saveReport(hard, report, nil)
}

// advanced reports whether an apply did something.
func advanced(report *plan.Report) bool {
	return report.Deleted+report.Archived+report.Condemned+report.Unmarked > 0
}

// failed saves what was done before an error.
func (r *run) failed(ctx context.Context, report *plan.Report, err error) error {
	r.result.ExitCode = exitPartial
	if saveErr := r.saveReport(ctx, report, err); saveErr != nil {
		r.log.Error("the report is lost", "error", saveErr)
	}
	return after(report, err)
}

// outcome returns the plan to apply.
func (r *run) outcome(ctx context.Context) (*app.Outcome, error) {
	if r.event.Plan == "" {
		return r.planned(ctx)
	}
	p, err := r.readPlan(ctx, r.event.Plan)
	if err != nil {
		return nil, err
	}
	if err := p.Enforce(r.App.Policy.Limits(), r.App.Price); err != nil {
		return nil, fmt.Errorf("the plan %s: %w", r.event.Plan, err)
	}
	r.result.planned(p)
	return &app.Outcome{Plan: p, Gaps: p.HasGaps()}, nil
}

// Saved is what an invocation of apply saves of itself.
type Saved struct {
	Result *Result `json:"result"`
	// Error is why it failed, or "".
	Error  string       `json:"error,omitempty"`
	Report *plan.Report `json:"report"`
}

// saveReport saves the report under a name that no other invocation uses: that of
// the run in the journal.
func (r *run) saveReport(ctx context.Context, report *plan.Report, failure error) error {
	if r.event.Out == "" || report.Run == "" { // nothing was to be done
		return nil
	}
	r.result.Out = r.event.Out + report.Run + ".json"
	saved := Saved{Result: &r.result, Report: report}
	if failure != nil {
		saved.Error = failure.Error()
	}
	if err := r.saveJSON(ctx, r.result.Out, saved); err != nil {
		return fmt.Errorf("save the report: %w", err)
	}
	return nil
}
