package lambdarun

import (
	"context"
	"errors"
)

// tag marks what is in use, or says what would be marked where the mode is plan.
func (r *run) tag(ctx, hard context.Context) error {
	report, gaps, err := r.App.Tag(ctx, r.Tagging)
	t := report.Totals
	done := t.Tagged + t.Moved + t.Removed
	r.result.Tagged = &Tagged{DryRun: report.DryRun, Tagged: t.Tagged, Moved: t.Moved, Removed: t.Removed, Failed: t.Failed}
	for _, reg := range report.Registries {
		for _, repo := range reg.Repositories {
			if repo.Error != "" {
				r.result.Failures.add("%s/%s: %s", reg.Name, repo.Name, repo.Error)
			}
			for _, img := range repo.Images {
				if img.Error != "" {
					r.result.Failures.add("%s/%s@%s: %s", reg.Name, repo.Name, img.Digest, img.Error)
				}
			}
		}
	}
	for _, s := range report.Sources {
		if s.Status != "ok" && !s.Ignored {
			r.result.Gaps.add("%s: %s", s.Name, s.Detail)
		}
	}
	for _, w := range report.Warnings {
		r.result.Warnings.add("%s", w)
	}
	r.result.exit(t.Failed > 0, gaps)
	if late := ended(ctx, err, "tagging takes longer than the function has time"); err != nil {
		// Images that have their mark need no call, so that a next invocation gets
		// further if this one did.
		if _, is := errors.AsType[*DeadlineError](late); !is || report.DryRun || done == 0 {
			return late
		}
		next := r.event
		r.result.Next = &next
		r.result.exit(true, false)
	}
	return r.saveJSON(hard, r.event.Out, report)
}
