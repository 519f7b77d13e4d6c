package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// pushedAt makes an image as young as this, which may be far ahead.
func pushedAt(t time.Time) Option {
	return With(func(i *image.Image) { i.PushedAt = image.At(t) })
}

// What random worlds found, one world each.
func TestLawEdges(t *testing.T) {
	centuriesAhead := Now.Time().AddDate(400, 0, 0) // more than a time.Duration holds
	archiveOver := func(n int) policy.Spec {
		return policy.Spec{Rules: []policy.Rule{{Action: policy.Archive, Keep: []policy.Keep{{MaxImages: n}}}}}
	}
	archived := With(func(i *image.Image) { i.Status = image.Archived })
	circle := func() *Repository {
		return New("r").Add("a").Add("f", Tags("sha256-"+D("a").Hex()), Artifacts("a", "s")).Add("root", Artifacts("s")).Add("s")
	}
	for _, tt := range []struct {
		name string
		run  run
		want map[string]string
	}{
		{"a push centuries ahead is young", run{spec: rule(older(30 * Day)), repo: New("r").Add("a", pushedAt(centuriesAhead))},
			map[string]string{"a": "keep younger"}},
		{"and so it is in expressions", run{spec: rule(policy.Keep{When: `image.age < duration("24h")`}), repo: New("r").Add("a", pushedAt(centuriesAhead))},
			map[string]string{"a": "keep when"}},
		{"a mark of use centuries ahead is one", run{spec: rule(policy.Keep{UsedWithin: Day}), repo: New("r").Add("a", Tags("in-use-15000000000"))},
			map[string]string{"a": "keep used"}},
		{"of equal push times the smaller digest is newer", run{spec: rule(policy.Keep{Newest: 1}), repo: New("r").Add("a").Add("b").Add("c")},
			map[string]string{"a": "delete not-kept", "b": "delete not-kept", "c": "keep newest"}}, // c's digest is 2e…, b's 3e…, a's ca…
		{"what a circle holds stays, although its other root goes", run{spec: rule(), repo: circle()},
			map[string]string{"a": "keep family", "f": "keep family", "s": "keep family", "root": "delete not-kept"}},
		{"what a circle holds counts as what remains", run{spec: rule(policy.Keep{MaxImages: 4}), repo: circle().Add("p", Age(time.Hour)).Add("q", Age(2*time.Hour))},
			map[string]string{"p": "keep max-images", "q": "delete not-kept", "root": "delete not-kept"}},
		{"an empty capture is a group, and not that of what has none", run{spec: rule(policy.Keep{Newest: 1, Per: "/^([a-z]*)[0-9]/"}),
			repo: New("r").Add("empty", Age(3*Day), Tags("1")).Add("none", Age(2*Day), Tags("-"))},
			map[string]string{"empty": "keep newest", "none": "keep newest"}},
		{"what an index that cannot be read may list takes no place among the newest",
			run{spec: rule(policy.Keep{Newest: 2}), repo: guarded(New("r").Add("i", Age(Day), Tags("v2"), Lists("x", "y")).Add("x", Age(Day)).Add("y", Age(Day)).
				Add("a", Age(2*Day), Tags("v1")).Add("b", Age(3*Day), Tags("v0")).Unread("i"))},
			map[string]string{"i": "keep newest", "a": "keep newest", "x": "held gap,not-kept", "y": "held gap,not-kept", "b": "delete not-kept"}},
		{"maxImages of what is archived: the first run", run{spec: archiveOver(2), repo: New("r").Add("a", Age(Day)).Add("b", Age(2*Day)).Add("c", Age(3*Day)).Add("d", Age(4*Day))},
			map[string]string{"a": "keep max-images", "b": "keep max-images", "c": "archive not-kept", "d": "archive not-kept"}},
		{"maxImages of what is archived: the next run", run{spec: archiveOver(2), repo: New("r").Add("a", Age(Day)).Add("b", Age(2*Day)).Add("c", Age(3*Day), archived).Add("d", Age(4*Day), archived)},
			map[string]string{"a": "keep max-images", "b": "keep max-images", "c": "keep not-kept", "d": "keep not-kept"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var names []string
			for n := range tt.want {
				names = append(names, n)
			}
			if diff := cmp.Diff(tt.want, verdicts(t, tt.run.judge(t), names...)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

// Exactly the allowed share goes, whatever a percentage is as a float.
func TestMaxShareIsExact(t *testing.T) {
	for percent := 1; percent < 100; percent++ {
		repo := New("r")
		for i := range 100 {
			tag := "keep"
			if i < percent {
				tag = "go"
			}
			repo.Add(fmt.Sprint(i), Tags(fmt.Sprintf("%s-%d", tag, i)))
		}
		for allowed, want := range map[int]int{percent: percent, percent - 1: 0} {
			j := run{repo: repo, spec: policy.Spec{
				Rules:  []policy.Rule{{Tags: []string{"go-*"}}},
				Limits: policy.Limits{MaxDeletes: 1000, MaxShare: float64(allowed) / 100},
			}}.judge(t)
			if got := j.Repository(false).Totals.Delete; got != want {
				t.Errorf("%d of 100 would go, %d %% may: %d go, want %d", percent, allowed, got, want)
			}
		}
	}
}
