// Package notify tells people what a run did: a summary to webhooks and topics.
// A URL can be a secret, so nothing here shows more of it than its host.
package notify

import (
	"fmt"
	"strings"

	"github.com/regsweep/regsweep/internal/plan"
)

// maxLines is how many repositories, and how many gaps, a message names.
const maxLines = 10

// maxLine bounds what is told of one of them, in bytes.
const maxLine = 300

// Run is what a message tells of.
type Run struct {
	// Name says which run it was, such as "regsweep apply" or the name of a
	// cluster.
	Name string
	// Plan is what was planned, or nil where the run failed before.
	Plan *plan.Plan
	// Report is what was done, or nil where nothing was applied.
	Report *plan.Report
	// Gaps says that something could not be read.
	Gaps bool
	// Err is why the run failed, or nil.
	Err error
	// Stopped is why a run that did not fail ended before it was done, or nil: the
	// process was to end, or the time was up. A later one goes on.
	Stopped error
}

// Message is a summary for people.
type Message struct {
	// Subject is one short line.
	Subject string
	// Text has the subject too, and lines with details.
	Text string
}

// Worth reports whether somebody wants to know of a run: it deleted or archived
// something, something failed, it stopped before its end, or a gap or a limit holds
// something.
func (r Run) Worth() bool {
	if r.Err != nil || r.Stopped != nil || r.Gaps || r.Plan != nil && r.Plan.Totals.HeldBack() > 0 {
		return true
	}
	return r.Report != nil && (r.Report.Deleted+r.Report.Archived+r.Report.Failed > 0 || r.Report.Held)
}

// Message sums the run up.
func (r Run) Message() Message {
	var parts, lines []string
	if r.Report != nil {
		parts, lines = done(r.Report)
	}
	if r.Plan != nil {
		if t := r.Plan.Totals; r.Report == nil && t.Takes() {
			parts = append(parts, fmt.Sprintf("%s would go", images(t.Delete+t.Archive)))
		}
		if held := r.Plan.Totals.HeldBack(); held > 0 {
			parts = append(parts, fmt.Sprintf("%s held by gaps or limits", images(held)))
		}
		gaps := gapsOf(r.Plan)
		if len(gaps) > 0 {
			parts = append(parts, count(len(gaps), "gap", "gaps"))
		}
		lines = append(lines, limited(gaps)...)
	}
	if r.Err != nil {
		parts = append(parts, "the run failed")
		lines = append(lines, line("failed: "+r.Err.Error()))
	}
	if r.Stopped != nil {
		parts = append(parts, "stopped before the end")
		if n := r.left(); n > 0 {
			parts = append(parts, images(n)+" left for later")
		}
		lines = append(lines, line(r.Stopped.Error()))
	}
	if len(parts) == 0 {
		parts = []string{"nothing to do"}
	}
	subject := r.Name + ": " + strings.Join(parts, ", ")
	return Message{Subject: subject, Text: strings.Join(append([]string{subject}, lines...), "\n")}
}

// left is how many images of the plan an apply did not come to: repositories that
// it did not begin are in no report.
func (r Run) left() int {
	if r.Plan == nil || r.Report == nil {
		return 0
	}
	n := r.Plan.Totals.Delete + r.Plan.Totals.Archive
	for i := range r.Report.Repositories {
		repo := &r.Report.Repositories[i]
		n -= repo.Deleted + repo.Archived + repo.Undeleted() + repo.Changed + repo.DoneBefore
	}
	return max(n, 0)
}

// done tells what was done, in short and by repository.
func done(r *plan.Report) (parts, lines []string) {
	parts = append(parts, images(r.Deleted)+" deleted")
	if r.Archived > 0 {
		parts = append(parts, images(r.Archived)+" archived")
	}
	if r.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", r.Failed))
	}
	for i := range r.Repositories {
		repo := &r.Repositories[i]
		var did []string
		for _, n := range []struct {
			images int
			what   string
		}{{repo.Deleted, "deleted"}, {repo.Archived, "archived"}, {len(repo.Failures), "failed"}} {
			if n.images > 0 {
				did = append(did, fmt.Sprintf("%d %s", n.images, n.what))
			}
		}
		if repo.Gap != "" {
			did = append(did, repo.Gap)
		}
		if len(did) > 0 {
			lines = append(lines, line(repo.Registry+"/"+repo.Name+": "+strings.Join(did, ", ")))
		}
	}
	return parts, limited(lines)
}

// gapsOf lists the sources and repositories that could not be read.
func gapsOf(p *plan.Plan) (lines []string) {
	for _, s := range p.Sources {
		if s.Status != "ok" && !s.Ignored {
			lines = append(lines, line("gap "+s.Name+": "+s.Detail))
		}
	}
	for _, reg := range p.Registries {
		for i := range reg.Repositories {
			if repo := &reg.Repositories[i]; repo.Gap != "" {
				lines = append(lines, line("gap "+reg.Name+"/"+repo.Name+": "+repo.Gap))
			}
		}
	}
	return lines
}

// limited leaves out what is too much for a message, and says so.
func limited(lines []string) []string {
	if len(lines) <= maxLines {
		return lines
	}
	return append(lines[:maxLines:maxLines], fmt.Sprintf("and %d more", len(lines)-maxLines))
}

// line makes text from outside one line that is not too long.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	return text
}

func images(n int) string { return count(n, "image", "images") }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
