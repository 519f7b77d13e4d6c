package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// Keepless is a rule that keeps nothing, and how many images a plan takes by it.
type Keepless struct {
	policy.RuleRef
	Images int
}

// CountKeepless returns those of the rules that a plan takes images by, in their
// order. An error is one of reading the plan's images.
func CountKeepless(doc *plan.Plan, rules []policy.RuleRef) (list []Keepless, err error) {
	if len(rules) == 0 || doc.Totals.Delete+doc.Totals.Archive == 0 {
		return nil, nil
	}
	taken := map[string]int{}
	for _, reg := range doc.Registries {
		for i := range reg.Repositories {
			r := &reg.Repositories[i]
			if r.Totals.Delete+r.Totals.Archive == 0 {
				continue
			}
			// What an interrupted run left has the name of the rule that took its root,
			// and no place in the rules: that rule need not govern it now.
			left := map[image.Digest]bool{} // roots
			count := func(img *plan.Image) error {
				if img.Verdict == policy.VerdictDelete || img.Verdict == policy.VerdictArchive {
					taken[img.Rule]++
					if slices.ContainsFunc(img.Reasons, func(r plan.Reason) bool { return r.Code == policy.CodeNotKept && r.Path == "" }) {
						left[img.Root] = true
					}
				}
				return nil
			}
			forget := func(img *plan.Image) error {
				if left[img.Root] && (img.Verdict == policy.VerdictDelete || img.Verdict == policy.VerdictArchive) {
					taken[img.Rule]--
				}
				return nil
			}
			err := r.Each(count)
			if err == nil && len(left) > 0 {
				err = r.Each(forget)
			}
			if err != nil {
				return nil, fmt.Errorf("repository %s: %w", r.Name, err)
			}
		}
	}
	for _, rule := range rules {
		if n := taken[rule.Name]; n > 0 {
			list = append(list, Keepless{rule, n})
		}
	}
	return list, nil
}

// keeplessLines says what rules without a keep do, for the end of a plan.
func keeplessLines(list []Keepless) (lines []string) {
	for _, k := range list {
		lines = append(lines, fmt.Sprintf("ATTENTION: rule %q (%s) has no keep. It takes %s: all that it governs, however young.",
			clean(k.Name), k.Path, Count(k.Images, "image")))
	}
	return lines
}

// KeeplessClause says the same for the end of a Question, or nothing.
func KeeplessClause(list []Keepless) string {
	var parts []string
	for _, k := range list {
		parts = append(parts, fmt.Sprintf("%s by rule %q", Number(k.Images), clean(k.Name)))
	}
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return ", " + parts[0] + ", which keeps nothing"
	}
	last := len(parts) - 1
	return ", " + strings.Join(parts[:last], ", ") + " and " + parts[last] + ", which keep nothing"
}
