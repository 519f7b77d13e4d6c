package render

import (
	"fmt"
	"io"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/policy"
)

// History writes what journals tell for people, the oldest run first.
func History(w io.Writer, h *journal.History, opts Options) error {
	p := &page{opts: opts}
	if len(h.Runs) == 0 {
		marks := ""
		if h.MarksLeftOut {
			marks = "; --marks tells of the tags of the grace period"
		}
		p.line("Nothing was found in the journals in %s%s.", clean(h.Place), marks)
	}
	for i := range h.Runs {
		if i > 0 {
			p.line("")
		}
		p.run(&h.Runs[i])
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

func (p *page) run(r *journal.RunHistory) {
	p.line("%s  plan %s of %s", p.style("run "+clean(r.Run), bold), short(r.Plan), moment(r.PlannedAt))
	switch {
	case r.Interrupted && r.FinishedBy != "":
		p.line("  %s nothing of it is half done since run %s", p.style("interrupted:", amber), clean(r.FinishedBy))
	case r.Torn:
		p.line("  %s its last record is not whole", p.style("interrupted:", amber))
	case r.Interrupted:
		p.line("  %s it has no end, or is still going on", p.style("interrupted:", amber))
	case r.Error != "":
		p.line("  %s %s", p.style("stopped:", amber), clean(r.Error))
	}
	if r.Unfinished > 0 {
		p.line("  %s %s may be left of families whose roots are gone, or may be; the next apply deletes those that are still there and that nothing keeps", p.style("unfinished:", amber), Count(r.Unfinished, "image"))
	}
	var rows [][]string
	for i := range r.Events {
		e := &r.Events[i]
		name := short(e.Digest.String())
		if len(e.Tags) > 0 {
			name = clean(e.Tags[0]) + "  " + name
			if n := len(e.Tags) - 1; n > 0 {
				name = fmt.Sprintf("%s +%s", name, Count(n, "tag"))
			}
		}
		rows = append(rows, []string{moment(e.Time), clean(e.Registry + "/" + e.Repository), name, Bytes(e.Size), outcome(e), whatFor(e)})
	}
	if len(rows) > 0 {
		p.table("  ", []string{"TIME", "REPOSITORY", "IMAGE", "SIZE", "OUTCOME", "WHY"}, rows, 3)
	}
}

// actionWords are the words for what was done, by action.
var actionWords = map[journal.Action]string{
	journal.Delete: "deleted", journal.Archive: "archived", journal.Tag: "tagged", journal.Untag: "untagged",
}

// outcome says what came of an event.
func outcome(e *journal.Event) string {
	text := actionWords[e.Action]
	if e.Tag != "" {
		text += " " + clean(e.Tag)
	}
	switch e.Outcome {
	case journal.Done:
		return text
	case journal.Left:
		return "left"
	case journal.Unknown:
		return "unknown"
	case journal.Failed:
	}
	return "not " + text
}

// whatFor says why something was done, or why it was not.
func whatFor(e *journal.Event) string {
	if len(e.Reasons) == 0 || e.Outcome != journal.Done && e.Outcome != journal.Unknown {
		return clean(e.Detail)
	}
	why := fmt.Sprintf("%s: %s", e.Reasons[0].Code, e.Reasons[0].Detail)
	if e.Outcome == journal.Unknown && e.Detail != "" {
		why += " (" + e.Detail + ")"
	}
	return clean(why)
}

// short is a digest, or an id, for a table.
func short(digest string) string {
	const n = len("sha256:") + 12
	return clean(digest)[:min(n, len(clean(digest)))]
}

// moment is a time for a table.
func moment(t time.Time) string { return policy.FormatDate(image.At(t)) }
