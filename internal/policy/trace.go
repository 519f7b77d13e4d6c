package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Trace tells how one keep entry judged one root.
type Trace struct {
	// Path is the entry's place in the configuration.
	Path string `json:"path"`
	// Holds says that the entry keeps the root.
	Holds bool `json:"holds"`
	// Detail says why it holds, or which of its fields does not.
	Detail string `json:"detail"`
}

// Trace tells how each keep of the rule that governs a root judged it; nothing
// where no rule governs it or root is neither a root nor an orphan.
func (r *Result) Trace(root int32) []Trace {
	e := r.evaluation
	k := slices.IndexFunc(r.Decisions, func(d Decision) bool { return d.Root == root })
	if k < 0 || e.rule(k) == nil {
		return nil
	}
	rule := e.rule(k)
	var traces []Trace
	for at := range rule.keeps {
		t := Trace{Path: rule.keeps[at].path}
		if n := rule.keeps[at].MaxImages; n > 0 {
			i := slices.IndexFunc(r.Decisions[k].Reasons, func(reason Reason) bool {
				return reason.Code == CodeMaxImages && reason.Path == t.Path
			})
			t.Holds, t.Detail = i >= 0, fmt.Sprintf("it is not needed to fill the repository up to %d images", n)
			if t.Holds {
				t.Detail = r.Decisions[k].Reasons[i].Detail()
			}
		} else if reasons := e.holds(rule, at, root, k); len(reasons) > 0 {
			t.Holds = true
			var parts []string
			for _, reason := range reasons {
				parts = append(parts, reason.Detail())
			}
			t.Detail = strings.Join(parts, "; ")
		} else {
			t.Detail = e.fails(rule, at, root, k)
		}
		traces = append(traces, t)
	}
	return traces
}

// fails says which field of a keep entry does not hold; it is the mirror of
// holds, for people.
func (e *evaluation) fails(r *activeRule, at int, root int32, decision int) string {
	k := &r.keeps[at]
	img := &e.g.Images[root]
	if k.Newest > 0 {
		if _, ok := r.ranks[at][int32(decision)]; !ok {
			i := slices.IndexFunc(e.ranked(r, r.governed, len(r.governed)), func(c candidate) bool { return c.decision == int32(decision) })
			text := fmt.Sprintf("number %d of %d that the rule governs, and the %d newest are kept", i+1, len(r.governed), k.Newest)
			if k.per != nil {
				text += " of each group"
			}
			return text
		}
	}
	if !k.YoungerThan.IsZero() && !e.within(img.PushedAt, r.ages[at]) {
		return fmt.Sprintf("pushed %s, more than %s ago", FormatDate(img.PushedAt), FormatDuration(r.ages[at]))
	}
	if pulled := e.pulled(root); k.PulledWithin > 0 && pulled.Known() && !e.within(pulled, k.PulledWithin+pullSlack) {
		return fmt.Sprintf("last pulled %s, more than %s and a day's slack ago", FormatDate(pulled), FormatDuration(k.PulledWithin))
	}
	if used := e.used(root); k.UsedWithin > 0 && (!used.Known() || !e.within(used, k.UsedWithin)) {
		if !used.Known() {
			return "no mark of use"
		}
		return fmt.Sprintf("last marked as in use %s, more than %s ago", FormatDate(used), FormatDuration(k.UsedWithin))
	}
	if k.constraint != nil {
		if _, ok := satisfies(k.constraint, e.tags(root)); !ok {
			return "no tag satisfies " + k.Semver
		}
	}
	return "not true: " + k.When
}
