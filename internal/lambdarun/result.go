package lambdarun

import (
	"fmt"
	"strings"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/plan"
)

// Exit codes: those of the command line that a result can have. What fails is an
// error and no result.
const (
	exitDone    = 0
	exitPartial = 3
	exitHeld    = 4
)

// Result is what an invocation answers: counts and paths. Step Functions takes
// 256 KiB between two states and Lambda answers with 6 MB at most ("Quotas" in
// their developer guides), so lists are cut here and whole in Amazon S3.
type Result struct {
	Op string `json:"op"`
	// ExitCode is 0 for done, 3 for done in part, and 4 where a gap or a limit held
	// something.
	ExitCode int         `json:"exitCode"`
	Mode     config.Mode `json:"mode"`
	Shard    string      `json:"shard,omitempty"`
	// Out is where the whole is.
	Out string `json:"out,omitempty"`
	// Uses counts those of a usage, and Repositories and Shards what a list has.
	Uses         *int `json:"uses,omitempty"`
	Repositories *int `json:"repositories,omitempty"`
	Shards       *int `json:"shards,omitempty"`
	// Totals are those of a plan, and Acting is how many of the merged plans change
	// something.
	Totals *plan.Totals `json:"totals,omitempty"`
	Acting *int         `json:"acting,omitempty"`
	// Applied is what an apply did, and Tagged what tagging did.
	Applied *Applied `json:"applied,omitempty"`
	Tagged  *Tagged  `json:"tagged,omitempty"`
	// Gaps is what could not be read, Failures what failed, and Warnings is what else
	// there is to say.
	Gaps     List `json:"gaps,omitzero"`
	Failures List `json:"failures,omitzero"`
	Warnings List `json:"warnings,omitzero"`
	// Next is the event that goes on where the deadline ended this one.
	Next *Event `json:"next,omitempty"`
}

// Applied counts images.
type Applied struct {
	Plan             string `json:"plan,omitempty"`
	Deleted          int    `json:"deleted"`
	Archived         int    `json:"archived"`
	Changed          int    `json:"changed"`
	Left             int    `json:"left"`
	DoneBefore       int    `json:"doneBefore"`
	Failed           int    `json:"failed"`
	Condemned        int    `json:"condemned"`
	Unmarked         int    `json:"unmarked"`
	BytesFreed       int64  `json:"bytesFreed"`
	BytesFreedAtMost int64  `json:"bytesFreedAtMost"`
}

// Tagged counts images.
type Tagged struct {
	DryRun  bool `json:"dryRun"`
	Tagged  int  `json:"tagged"`
	Moved   int  `json:"moved"`
	Removed int  `json:"removed"`
	Failed  int  `json:"failed"`
}

const (
	// maxLines and maxLine (in bytes) bound a list of a result: three lists are
	// less than 20 KiB, also where each byte is escaped.
	maxLines = 10
	maxLine  = 300
)

// List is some lines, and how many there are.
type List struct {
	Count int      `json:"count"`
	Some  []string `json:"some"`
}

// add counts a line, and takes it while there is room.
func (l *List) add(format string, args ...any) {
	l.Count++
	if len(l.Some) == maxLines {
		return
	}
	text := strings.ToValidUTF8(fmt.Sprintf(format, args...), "�")
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	l.Some = append(l.Some, text)
}

// planned puts a plan into the result.
func (r *Result) planned(p *plan.Plan) {
	totals := p.Totals
	r.Totals, r.Shard = &totals, p.Shard.String()
	for _, s := range p.Sources {
		if s.Status != "ok" && !s.Ignored {
			r.Gaps.add("%s: %s", s.Name, s.Detail)
		}
	}
	for _, reg := range p.Registries {
		for i := range reg.Repositories {
			if repo := &reg.Repositories[i]; repo.Gap != "" {
				r.Gaps.add("%s/%s: %s", reg.Name, repo.Name, repo.Gap)
			}
		}
	}
	for _, w := range p.Warnings {
		r.Warnings.add("%s", w)
	}
}

// applied puts the report of an apply into the result.
func (r *Result) applied(report *plan.Report) {
	r.Applied = &Applied{
		Plan: report.Plan, Deleted: report.Deleted, Archived: report.Archived, Changed: report.Changed, Left: report.Left, DoneBefore: report.DoneBefore,
		Failed: report.Failed, Condemned: report.Condemned, Unmarked: report.Unmarked,
		BytesFreed: report.BytesFreed, BytesFreedAtMost: report.BytesFreedAtMost,
	}
	for i := range report.Repositories {
		repo := &report.Repositories[i]
		for _, f := range repo.Failures {
			r.Failures.add("%s/%s@%s: %s", repo.Registry, repo.Name, f.Digest, f.Detail)
		}
		if repo.Gap != "" {
			r.Gaps.add("%s/%s: %s", repo.Registry, repo.Name, repo.Gap)
		}
	}
}

// exit sets the exit code from what is known.
func (r *Result) exit(failed, held bool) {
	switch {
	case failed:
		r.ExitCode = exitPartial
	case held:
		r.ExitCode = exitHeld
	default:
		r.ExitCode = exitDone
	}
}
