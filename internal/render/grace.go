package render

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// Question says what applying a plan would do, as the beginning of a question.
func Question(t plan.Totals) string {
	var parts []string
	add := func(n int, format, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf(format, Count(n, what)))
		}
	}
	add(t.Delete, "delete %s", "image")
	add(t.Archive, "archive %s", "image")
	add(t.Condemn, "mark %s as condemned", "image")
	add(t.Unmark, "take the mark from %s", "image")
	if len(parts) == 0 {
		return "Change nothing"
	}
	s := parts[0]
	if last := len(parts) - 1; last > 0 {
		s = strings.Join(parts[:last], ", ") + " and " + parts[last]
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// graceSummary says what a plan does about the grace period, for its summary.
func graceSummary(t plan.Totals) (s string) {
	if t.Grace > 0 {
		s += fmt.Sprintf("; %s held by the grace period", Number(t.Grace))
	}
	if t.Condemn > 0 {
		s += fmt.Sprintf("; apply marks %s as condemned", Number(t.Condemn))
	}
	if t.Unmark > 0 {
		s += fmt.Sprintf("; apply takes the mark from %s", Number(t.Unmark))
	}
	return s
}

// digests in a reason name another image, or a plan.
var digests = regexp.MustCompile(`\bsha256:[0-9a-f]{64}\b`)

// likeness is the same for images that belong into one group of a table: those
// that were condemned on one day have marks that are seconds apart, and what an
// interrupted run left has reasons that differ in the digest of the root only.
func likeness(img *plan.Image) string {
	s := img.Verdict.String() + string(img.Mark)
	for _, r := range img.Reasons {
		detail := digests.ReplaceAllString(r.Detail, "")
		if r.Code == policy.CodeGrace && img.CondemnedAt.Known() {
			detail = img.CondemnedAt.Time().Format("2006-01-02")
		}
		s += "\n" + string(r.Code) + detail
	}
	return s
}

// markText says what apply does about the marks of an image that is kept; what
// is to be marked says so itself.
func markText(img *plan.Image) string {
	if img.Mark == plan.Unmark {
		return "; apply takes the mark of the grace period away"
	}
	return ""
}

// failed says what it was that failed with an image.
func failed(f plan.Failure) string {
	switch {
	case f.Mark == plan.Condemn:
		return "not marked:"
	case f.Mark == plan.Unmark:
		return "mark not removed:"
	case f.Archive:
		return "not archived:"
	}
	return "not deleted:"
}
