package render

import (
	"fmt"
	"io"

	"github.com/regsweep/regsweep/internal/plan"
)

// Report writes what an apply did for people.
func Report(w io.Writer, r *plan.Report, opts Options) error {
	p := &page{opts: opts}
	var rows [][]string
	for _, repo := range r.Repositories {
		rows = append(rows, []string{repo.Registry + "/" + repo.Name, Number(repo.Deleted), Number(repo.Archived),
			Number(repo.Changed), Number(len(repo.Failures)), freed(repo.BytesFreed, repo.BytesFreedAtMost), clean(repo.Gap)})
	}
	if len(rows) > 0 {
		p.table("  ", []string{"REPOSITORY", "DELETED", "ARCHIVED", "CHANGED", "FAILED", "FREED", ""}, rows, 1, 2, 3, 4)
	}
	for _, g := range r.Gaps {
		p.line("%s %s", p.style("gap:", amber), clean(g))
	}
	for _, repo := range r.Repositories {
		for _, f := range repo.Failures {
			p.line("%s %s/%s %s: %s", p.style(failed(f), red), repo.Registry, repo.Name, f.Digest, clean(f.Detail))
		}
	}
	s := fmt.Sprintf("Deleted %s", Count(r.Deleted, "image"))
	if r.Deleted > 0 {
		s += ", which frees " + freed(r.BytesFreed, r.BytesFreedAtMost)
	}
	if r.Archived > 0 {
		s += fmt.Sprintf("; archived %s", Number(r.Archived))
	}
	if r.Condemned > 0 {
		s += fmt.Sprintf("; marked %s as condemned", Number(r.Condemned))
	}
	if r.Unmarked > 0 {
		s += fmt.Sprintf("; took the mark from %s", Number(r.Unmarked))
	}
	if r.DoneBefore > 0 {
		s += fmt.Sprintf("; %s done before this run", were(r.DoneBefore))
	}
	if r.Changed > 0 {
		s += fmt.Sprintf("; left %s that changed, came into use or are held since the plan", Number(r.Changed))
	}
	if r.Failed > 0 {
		s += fmt.Sprintf("; %s failed", Number(r.Failed))
	}
	p.line("%s", p.style(s+".", bold))
	_, err := io.WriteString(w, p.b.String())
	return err
}

// were returns "1 was" or "2 were".
func were(n int) string {
	if n == 1 {
		return "1 was"
	}
	return Number(n) + " were"
}
