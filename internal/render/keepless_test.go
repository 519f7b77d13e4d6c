package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// TestKeepless counts what a plan takes by rules without a keep, and says it.
func TestKeepless(t *testing.T) {
	img := func(name, rule string, v policy.Verdict) plan.Image {
		d := image.DigestOf([]byte(name))
		return plan.Image{Digest: d, Root: d, Rule: rule, Verdict: v, Reasons: []plan.Reason{{Code: policy.CodeNotKept, Path: "rules[0]"}}}
	}
	images := plan.List{
		img("a", "all", policy.VerdictDelete), img("b", "all", policy.VerdictArchive), img("c", "all", policy.VerdictHeld),
		img("d", "other", policy.VerdictDelete), img("e", "careful", policy.VerdictDelete), img("f", "held", policy.VerdictHeld),
	}
	// What an interrupted run left has the name of the rule that took its root, and no
	// reason of that rule; what goes with it is of its root.
	left := img("left", "all", policy.VerdictDelete)
	left.Root, left.Reasons = left.Digest, []plan.Reason{{Code: policy.CodeNotKept, Detail: "its root was deleted by a plan, which was interrupted"}}
	child := img("child of left", "all", policy.VerdictDelete)
	child.Root, child.Reasons = left.Digest, []plan.Reason{{Code: policy.CodeFamily, Detail: "it goes with its root"}}
	images = append(images, child, left)
	totals := plan.Totals{Images: 8, Delete: 5, Archive: 1, Held: 2}
	doc := &plan.Plan{
		Totals:     totals,
		Registries: []plan.Registry{{Name: "prod", Repositories: []plan.Repository{plan.NewRepository("apps", totals, "", images), plan.Unread("gone", "denied")}}},
	}
	all, other, held := policy.RuleRef{Name: "all", Path: "rules[0]"}, policy.RuleRef{Name: "other", Path: "rules[2]"}, policy.RuleRef{Name: "held", Path: "rules[3]"}
	for _, tt := range []struct {
		name   string
		rules  []policy.RuleRef
		want   []Keepless
		clause string
		lines  []string
	}{
		{name: "none"},
		{name: "one that takes nothing", rules: []policy.RuleRef{held}},
		{
			name: "one", rules: []policy.RuleRef{all}, want: []Keepless{{all, 2}}, clause: `, 2 by rule "all", which keeps nothing`,
			lines: []string{`ATTENTION: rule "all" (rules[0]) has no keep. It takes 2 images: all that it governs, however young.`},
		},
		{
			name: "several", rules: []policy.RuleRef{all, other, held}, want: []Keepless{{all, 2}, {other, 1}},
			clause: `, 2 by rule "all" and 1 by rule "other", which keep nothing`,
			lines: []string{
				`ATTENTION: rule "all" (rules[0]) has no keep. It takes 2 images: all that it governs, however young.`,
				`ATTENTION: rule "other" (rules[2]) has no keep. It takes 1 image: all that it governs, however young.`,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := CountKeepless(doc, tt.rules)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.clause, KeeplessClause(got)); diff != "" {
				t.Errorf("clause (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.lines, keeplessLines(got)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}
