package render

import (
	"fmt"
	"io"
	"regexp"
	"strings"

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
	p.heldBack(r.HeldBack)
	for i := range r.Repositories {
		p.changed(&r.Repositories[i])
		p.failures(&r.Repositories[i])
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
	if r.Left > 0 {
		s += fmt.Sprintf("; %s left for the next run", Number(r.Left))
	}
	if held := heldImages(r.HeldBack); held > 0 {
		s += fmt.Sprintf("; %s held by a gap or a limit", Number(held))
	}
	images, marks := 0, 0
	for i := range r.Repositories {
		n := r.Repositories[i].Undeleted()
		images, marks = images+n, marks+len(r.Repositories[i].Failures)-n
	}
	if images > 0 {
		s += fmt.Sprintf("; %s failed", Number(images))
	}
	if marks > 0 {
		s += fmt.Sprintf("; %s failed", Count(marks, "mark"))
	}
	p.line("%s", p.style(s+".", bold))
	_, err := io.WriteString(w, p.b.String())
	return err
}

// shownHeld is how many reasons that hold images are shown.
const shownHeld = 10

// heldBack says why images of the plan are held.
func (p *page) heldBack(list []plan.HeldBack) {
	for i, h := range list {
		if i == shownHeld {
			p.line("%s", p.style(fmt.Sprintf("… and %s that are held for other reasons (-o json lists all)", Count(heldImages(list[i:]), "image")), faint))
			return
		}
		where := clean(h.Repository)
		if where == "" {
			where = Count(h.Repositories, "repository")
		}
		p.line("%s %s of %s: %s", p.style("held:", amber), Count(h.Images, "image"), where, clean(fmt.Sprintf("%s: %s", h.Reason.Code, h.Reason.Detail)))
	}
}

// heldImages is how many images are held.
func heldImages(list []plan.HeldBack) (n int) {
	for _, h := range list {
		n += h.Images
	}
	return n
}

// changed lists the first images that were left since something is not as it was
// planned, and why.
func (p *page) changed(r *plan.RepositoryReport) {
	for _, img := range r.FirstChanged {
		why := make([]string, len(img.Reasons))
		for i, reason := range img.Reasons {
			why[i] = clean(fmt.Sprintf("%s: %s", reason.Code, reason.Detail))
		}
		p.line("%s %s/%s %s %s: %s", p.style("left:", amber), r.Registry, r.Name, name(&plan.Image{Tags: img.Tags}), img.Digest, strings.Join(why, "; "))
	}
	if rest := r.Changed - len(r.FirstChanged); rest > 0 && len(r.FirstChanged) > 0 {
		p.line("%s", p.style(fmt.Sprintf("… and %s of %s/%s more that were left (-o json lists all)", Count(rest, "image"), r.Registry, r.Name), faint))
	}
}

// shownFailures is how many lines about failures of one repository are shown.
const shownFailures = 10

// failures lists what failed, with one line for all that failed alike: a missing
// right fails for every image.
func (p *page) failures(r *plan.RepositoryReport) {
	type line struct {
		plan.Failure
		n int
	}
	var lines []line
	index := map[plan.Failure]int{}
	for _, f := range r.Failures {
		like := plan.Failure{Mark: f.Mark, Archive: f.Archive, Detail: tags.ReplaceAllString(strings.ReplaceAll(f.Detail, f.Digest.String(), ""), "")}
		at, ok := index[like]
		if !ok {
			at = len(lines)
			index[like] = at
			lines = append(lines, line{Failure: f})
		}
		lines[at].n++
	}
	rest := 0
	for i, l := range lines {
		if i >= shownFailures {
			rest += l.n
			continue
		}
		what := l.Digest.String()
		if l.n > 1 {
			what += fmt.Sprintf(" and %s more", Number(l.n-1))
		}
		p.line("%s %s/%s %s: %s", p.style(failed(l.Failure), red), r.Registry, r.Name, what, clean(l.Detail))
	}
	if rest > 0 {
		p.line("%s", p.style(fmt.Sprintf("… and %s of %s/%s more (-o json lists all)", Count(rest, "failure"), r.Registry, r.Name), faint))
	}
}

// tags of the grace period end in a time, which differs between images.
var tags = regexp.MustCompile(`\bregsweep-[a-z]+-[0-9]+\b`)

// were returns "1 was" or "2 were".
func were(n int) string {
	if n == 1 {
		return "1 was"
	}
	return Number(n) + " were"
}
