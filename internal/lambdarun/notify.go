package lambdarun

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/plan"
)

// notify sums up a run that was made in parts, tells the receivers, and answers
// with the exit code of the whole.
func (r *run) notify(ctx, _ context.Context) error {
	p, err := r.readPlan(ctx, r.event.Plan)
	if err != nil {
		return err
	}
	r.result.planned(p)
	told := notify.Run{Name: name, Plan: p, Gaps: p.HasGaps()}
	whole := 0
	applied := r.config.Mode == config.ModeApply
	if applied && r.event.Reports != "" {
		if told.Report, whole, err = r.reports(ctx); err != nil {
			return err
		}
		r.result.applied(told.Report)
	}
	if left := r.event.Expected - whole; applied && left > 0 {
		told.Err = fmt.Errorf("%d of the plans of %d shards were not applied to their end", left, r.event.Expected)
		r.result.Failures.add("%v", told.Err)
	}
	held := told.Gaps || p.Totals.HeldBack() > 0 || told.Report != nil && told.Report.Held
	r.result.exit(told.Err != nil || told.Report != nil && told.Report.Failed > 0, held)
	if r.Tell != nil {
		r.Tell(ctx, told)
	}
	return nil
}

// reports joins what the invocations of apply saved, and counts the plans that
// were applied to their end.
func (r *run) reports(ctx context.Context) (joined *plan.Report, whole int, err error) {
	folder, err := objects.OpenFolder(r.event.Reports, r.Objects)
	if err != nil {
		return nil, 0, err
	}
	names, err := folder.Names(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("list the reports: %w", err)
	}
	joined = &plan.Report{Schema: plan.ReportSchema}
	at := map[[2]string]int{}
	complete := map[string]bool{}
	for _, name := range names {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		var s savedReport
		path := folder.String() + name
		if err := r.read(ctx, path, func(from io.Reader) error { return json.NewDecoder(from).Decode(&s) }); err != nil {
			return nil, 0, fmt.Errorf("read the report %s: %w", path, err)
		}
		if s.Error == "" && s.Result.Next == nil && s.Report.Plan != "" {
			complete[s.Report.Plan] = true
		}
		joined.Held = joined.Held || s.Report.Held
		for _, repo := range s.Report.Repositories {
			key := [2]string{repo.Registry, repo.Name}
			i, ok := at[key]
			if !ok {
				i = len(joined.Repositories)
				at[key] = i
				joined.Repositories = append(joined.Repositories, plan.RepositoryReport{Registry: repo.Registry, Name: repo.Name})
			}
			repo.addTo(&joined.Repositories[i])
		}
	}
	joined.Finish()
	return joined, len(complete), nil
}

// savedReport is what is read of a Saved.
type savedReport struct {
	Result struct {
		Next *json.RawMessage `json:"next"`
	} `json:"result"`
	Error  string `json:"error"`
	Report struct {
		Plan         string            `json:"plan"`
		Held         bool              `json:"held"`
		Repositories []savedRepository `json:"repositories"`
	} `json:"report"`
}

type savedRepository struct {
	Registry         string         `json:"registry"`
	Name             string         `json:"name"`
	Deleted          int            `json:"deleted"`
	Archived         int            `json:"archived"`
	Condemned        int            `json:"condemned"`
	Unmarked         int            `json:"unmarked"`
	Failures         []plan.Failure `json:"failures"`
	Gap              string         `json:"gap"`
	Held             bool           `json:"held"`
	Changed          int            `json:"changed"`
	Left             int            `json:"left"`
	BytesFreed       int64          `json:"bytesFreed"`
	BytesFreedAtMost int64          `json:"bytesFreedAtMost"`
}

// addTo adds what an invocation did to what those before it did. Of what changed
// and failed, the last one knows.
func (s *savedRepository) addTo(r *plan.RepositoryReport) {
	r.Deleted += s.Deleted
	r.Archived += s.Archived
	r.Condemned += s.Condemned
	r.Unmarked += s.Unmarked
	r.BytesFreed += s.BytesFreed
	r.BytesFreedAtMost += s.BytesFreedAtMost
	r.Failures, r.Gap, r.Held, r.Changed, r.Left = s.Failures, s.Gap, s.Held, s.Changed, s.Left
}
