package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

const week = 7 * Day

// condemned and kept are the tags of the grace period, put so long ago.
func condemned(ago time.Duration) string { return graceTag(policy.CondemnedPrefix, ago) }
func kept(ago time.Duration) string      { return graceTag(policy.KeptPrefix, ago) }

func graceTag(prefix string, ago time.Duration) string {
	return fmt.Sprintf("%s%d", prefix, Now.Time().Add(-ago).Unix())
}

// marked tags an image as condemned so long ago.
func marked(ago time.Duration) Option { return Tags(condemned(ago)) }

// manyTags gives an image so many tags.
func manyTags(n int) Option {
	var tags []string
	for i := range n {
		tags = append(tags, fmt.Sprintf("t%03d", i))
	}
	return Tags(tags...)
}

// old keeps what is younger than 30 days, and gives the rest a week.
func old() policy.Spec {
	s := rule(older(30 * Day))
	s.Grace = week
	return s
}

// TestGrace has a case for each sentence about the grace period. An image that
// is to be marked, or to lose its marks, has that behind its verdict.
func TestGrace(t *testing.T) {
	aged := Age(50 * Day)
	archived := With(func(i *image.Image) { i.Status = image.Archived })
	activating := With(func(i *image.Image) { i.Status = image.Activating })
	all := func(keeps ...policy.Keep) policy.Spec {
		s := rule(keeps...)
		s.Grace = week
		return s
	}
	only := func(r policy.Rule) policy.Spec { return policy.Spec{Grace: week, Rules: []policy.Rule{r}} }
	signature := Tags("sha256-" + D("a").Hex() + ".sig")
	for _, tt := range []struct {
		name string
		run  run
		want map[string]string
		back bool // something else than the grace period holds an image
	}{
		{"without a mark it is held and marked", run{spec: old(), repo: New("r").Add("a", aged)},
			map[string]string{"a": "held grace,not-kept condemn"}, false},
		{"a mark of now", run{spec: old(), repo: New("r").Add("a", aged, marked(0))},
			map[string]string{"a": "held grace,not-kept"}, false},
		{"a mark of exactly a week is not over", run{spec: old(), repo: New("r").Add("a", aged, marked(week))},
			map[string]string{"a": "held grace,not-kept"}, false},
		{"a second more is", run{spec: old(), repo: New("r").Add("a", aged, marked(week+time.Second))},
			map[string]string{"a": "delete not-kept,grace"}, false},
		{"a mark from before the push does not count", run{spec: old(), repo: New("r").Add("a", aged, marked(50*Day+time.Second)).Add("b", aged, Tags("regsweep-condemned-100000000"))},
			map[string]string{"a": "held grace,not-kept condemn", "b": "held grace,not-kept condemn"}, false},
		{"and one of the same second does", run{spec: old(), repo: New("r").Add("a", aged, marked(50*Day))},
			map[string]string{"a": "delete not-kept,grace"}, false},
		{"nor does it by a later one that was voided", run{spec: old(), repo: New("r").Add("a", aged, marked(60*Day), marked(30*Day), Tags(kept(20*Day)))},
			map[string]string{"a": "held grace,not-kept condemn"}, false},
		{"a mark that a person put in the future keeps longer", run{spec: old(), repo: New("r").Add("a", aged, Tags("regsweep-condemned-15000000000"))},
			map[string]string{"a": "held grace,not-kept"}, false},
		{"what is no mark is a tag", run{spec: only(policy.Rule{Untagged: true}), repo: New("r").Add("a", aged, Tags("regsweep-condemned-soon"))},
			map[string]string{"a": "keep no-rule"}, false},
		{"without a grace period marks mean nothing", run{spec: rule(older(30 * Day)), repo: New("r").Add("a", aged, marked(Day)).Add("b", marked(Day))},
			map[string]string{"a": "delete not-kept", "b": "keep younger"}, false},

		{"of several marks the latest counts", run{spec: old(), repo: New("r").Add("a", aged, marked(30*Day), marked(Day))},
			map[string]string{"a": "held grace,not-kept"}, false},
		{"kept since, and to be marked anew", run{spec: old(), repo: New("r").Add("a", aged, marked(30*Day), Tags(kept(20*Day)))},
			map[string]string{"a": "held grace,not-kept condemn"}, false},
		{"kept in the same second", run{spec: old(), repo: New("r").Add("a", aged, marked(30*Day), Tags(kept(30*Day)))},
			map[string]string{"a": "held grace,not-kept condemn"}, false},
		{"kept before", run{spec: old(), repo: New("r").Add("a", aged, marked(20*Day), Tags(kept(30*Day)))},
			map[string]string{"a": "delete not-kept,grace"}, false},
		{"kept, and marked anew since", run{spec: old(), repo: New("r").Add("a", aged, marked(20*Day), Tags(kept(10*Day)), marked(Day))},
			map[string]string{"a": "held grace,not-kept"}, false},

		{"a mark is no tag for rules", run{spec: only(policy.Rule{Tags: []string{"*"}}), repo: New("r").Add("a", aged, marked(Day)).Add("b", aged, Tags(kept(Day)))},
			map[string]string{"a": "keep no-rule unmark", "b": "keep no-rule"}, false},
		{"and an untagged image stays untagged", run{spec: only(policy.Rule{Untagged: true}), repo: New("r").Add("a", aged, marked(Day)).Add("b", aged, Tags(kept(Day)))},
			map[string]string{"a": "held grace,not-kept", "b": "held grace,not-kept condemn"}, false},
		{"nor for protect", run{spec: policy.Spec{Grace: week, Protect: []policy.Protect{{Tags: []string{"*"}}}, Rules: []policy.Rule{{}}}, repo: New("r").Add("a", aged, marked(8*Day))},
			map[string]string{"a": "delete not-kept,grace"}, false},
		{"nor for expressions", run{spec: all(policy.Keep{When: "image.tags.size() > 0"}), repo: New("r").Add("a", aged, marked(8*Day), Tags(kept(9*Day)))},
			map[string]string{"a": "delete not-kept,grace"}, false},

		{"archiving can be undone and needs no mark", run{spec: only(policy.Rule{Action: policy.Archive}), repo: New("r").Add("a", aged)},
			map[string]string{"a": "archive not-kept"}, false},
		{"a gap comes first: nothing is marked, and marks stay", run{spec: old(), repo: New("r").Add("a", aged).Add("b", aged, marked(Day)).Add("c", aged, marked(8*Day)),
			gaps: []image.Gap{{Source: "ecs", Detail: "denied"}}},
			map[string]string{"a": "held gap,not-kept", "b": "held gap,not-kept", "c": "held gap,not-kept"}, true},

		{"an orphan", run{spec: only(policy.Rule{Orphans: true}), repo: New("r").Add("o", aged, Tags("sha256-"+D("gone").Hex()+".sig")).
			Add("p", aged, Tags("sha256-"+D("gone").Hex()+".att"), marked(8*Day))},
			map[string]string{"o": "held grace,orphan,not-kept condemn", "p": "delete orphan,not-kept,grace"}, false},
		{"only the root is marked, and its family follows", run{spec: old(), repo: New("r").Add("i", aged, Lists("x", "y")).Add("x", aged).Add("y", aged).
			Add("a", aged).Add("sig", aged, signature)},
			map[string]string{"i": "held grace,not-kept condemn", "x": "held family", "y": "held family", "a": "held grace,not-kept condemn", "sig": "held family"}, false},
		{"a family goes with its root", run{spec: old(), repo: New("r").Add("i", aged, Lists("x"), marked(8*Day)).Add("x", aged)},
			map[string]string{"i": "delete not-kept,grace", "x": "delete family"}, false},
		{"of two roots with one image the later decides", run{spec: old(), repo: New("r").Add("i", aged, Lists("x", "s"), marked(8*Day)).Add("k", aged, Lists("s"), marked(Day)).
			Add("x", aged).Add("s", aged)},
			map[string]string{"i": "delete not-kept,grace", "x": "delete family", "k": "held grace,not-kept", "s": "held family"}, false},
		{"a signature with a mark is still one", run{spec: old(), repo: New("r").Add("a", aged, marked(8*Day)).Add("sig", aged, signature, Tags(kept(Day), condemned(2*Day)))},
			map[string]string{"a": "delete not-kept,grace", "sig": "delete family"}, false},
		{"and so is the index of a referrers tag", run{spec: old(), repo: New("r").Add("a", aged, marked(8*Day)).
			Add("refs", aged, Artifacts("sbom"), Tags("sha256-"+D("a").Hex(), kept(9*Day))).Add("sbom", aged)},
			map[string]string{"a": "delete not-kept,grace", "refs": "delete family", "sbom": "delete family"}, false},

		{"what is in use loses its mark", run{spec: old(), repo: New("r").Add("a", aged, Tags("v1"), marked(8*Day)), uses: []image.Use{used(":v1")}},
			map[string]string{"a": "keep in-use unmark"}, false},
		{"what a keep keeps loses its mark", run{spec: old(), repo: New("r").Add("a", Age(10*Day), marked(8*Day))},
			map[string]string{"a": "keep younger unmark"}, false},
		{"also what does not count any more", run{spec: old(), repo: New("r").Add("a", Age(10*Day), marked(8*Day), Tags(kept(Day)))},
			map[string]string{"a": "keep younger unmark"}, false},
		{"also what was marked before it was pushed", run{spec: old(), repo: New("r").Add("a", marked(8*Day))},
			map[string]string{"a": "keep younger unmark"}, false},
		{"also what came into an index since", run{spec: old(), repo: New("r").Add("i", Lists("x"), Tags("v1")).Add("x", aged, marked(8*Day))},
			map[string]string{"i": "keep younger", "x": "keep family unmark"}, false},
		{"a mark that is in use by its name stays when it does not count", run{spec: old(), repo: New("r").Add("a", Age(10*Day), marked(8*Day), Tags(kept(Day))),
			uses: []image.Use{used(":" + condemned(8*Day))}},
			map[string]string{"a": "keep in-use,younger"}, false},

		{"what is archived cannot be marked", run{spec: old(), repo: New("r").Add("a", aged, archived).Add("b", aged, activating)},
			map[string]string{"a": "held grace,not-kept", "b": "held grace,not-kept"}, true},
		{"nor does a mark from before count", run{spec: old(), repo: New("r").Add("a", aged, archived, marked(8*Day))},
			map[string]string{"a": "held grace,not-kept"}, true},
		{"nor can it be unmarked", run{spec: old(), repo: New("r").Add("a", Age(10*Day), archived, marked(8*Day))},
			map[string]string{"a": "keep younger"}, false},
		{"1,000 tags", run{spec: old(), repo: New("r").Add("a", aged, manyTags(1000))},
			map[string]string{"a": "held grace,not-kept"}, true},
		{"999 tags leave no room for what must stay", run{spec: old(), repo: New("r").Add("a", aged, manyTags(999))},
			map[string]string{"a": "held grace,not-kept"}, true},
		{"998 tags", run{spec: old(), repo: New("r").Add("a", aged, manyTags(998))},
			map[string]string{"a": "held grace,not-kept condemn"}, false},
		{"999 tags with what must stay", run{spec: old(), repo: New("r").Add("a", aged, manyTags(998), Tags(kept(Day)))},
			map[string]string{"a": "held grace,not-kept condemn"}, false},
		{"1,000 tags with the mark", run{spec: old(), repo: New("r").Add("a", aged, manyTags(999), marked(8*Day))},
			map[string]string{"a": "delete not-kept,grace"}, false},

		{"limits count what would be deleted", run{spec: limited(0.5), repo: New("r").Add("a", aged, marked(8*Day)).Add("b", aged, marked(Day)).Add("c", aged).Add("d", aged)},
			map[string]string{"a": "delete not-kept,grace", "b": "held grace,not-kept", "c": "held grace,not-kept condemn", "d": "held grace,not-kept condemn"}, false},
		{"over a limit marks go on", run{spec: limited(0.2), repo: New("r").Add("a", aged, marked(8*Day)).Add("b", aged, marked(Day)).Add("c", aged).Add("d", aged)},
			map[string]string{"a": "held limit,not-kept,grace", "b": "held grace,not-kept", "c": "held grace,not-kept condemn", "d": "held grace,not-kept condemn"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := tt.run.judge(t)
			got := map[string]string{}
			for name := range tt.want {
				got[name] = verdicts(t, j, name)[name]
				i, _ := j.Graph.Find(D(name))
				if m := j.Image(i).Mark; m != "" {
					got[name] += " " + string(m)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
			totals := j.Repository(false).Totals
			if j.HeldBack() != tt.back || totals.HeldBack() > 0 != tt.back {
				t.Errorf("held by something else: %v, and %d of %d", j.HeldBack(), totals.HeldBack(), totals.Held)
			}
			var condemn, unmark int
			for _, v := range tt.want {
				if strings.HasSuffix(v, " condemn") {
					condemn++
				}
				if strings.HasSuffix(v, " unmark") {
					unmark++
				}
			}
			if totals.Condemn != condemn || totals.Unmark != unmark {
				t.Errorf("totals say %d to mark and %d to unmark, want %d and %d", totals.Condemn, totals.Unmark, condemn, unmark)
			}
		})
	}
}

func limited(share float64) policy.Spec {
	s := old()
	s.Limits = policy.Limits{MaxDeletes: 1000, MaxShare: share}
	return s
}

// The reasons say when it was marked and when it goes, and what to do about it
// where it cannot be marked.
func TestGraceReasons(t *testing.T) {
	for _, tt := range []struct {
		name  string
		image []Option
		want  string
	}{
		{"to be marked", nil, "apply marks it as condemned, and it can go after 2026-06-22 12:00"},
		{"waiting", []Option{marked(Day)}, "condemned since 2026-06-14 12:00, goes after 2026-06-21 12:00"},
		{"over", []Option{marked(8 * Day)}, "condemned since 2026-06-07 12:00, more than 7d ago"},
		{"archived", []Option{With(func(i *image.Image) { i.Status = image.Archived })},
			"it is archived: it cannot be read, and so not be marked for the grace period; restore it, or set grace: 0s"},
		{"many tags", []Option{manyTags(1000)},
			"it has 1000 tags, and ECR takes 1000, so that it cannot be marked for the grace period; remove two of them, or set grace: 0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := run{spec: old(), repo: New("r").Add("a", append([]Option{Age(50 * Day)}, tt.image...)...)}.judge(t)
			img := j.Image(0)
			var got []plan.Reason
			for _, r := range img.Reasons {
				if r.Code == policy.CodeGrace {
					got = append(got, r)
				}
			}
			if diff := cmp.Diff([]plan.Reason{{Code: policy.CodeGrace, Detail: tt.want, Path: "grace"}}, got); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

// What is condemned since when is in the plan.
func TestCondemnedAt(t *testing.T) {
	j := run{spec: old(), repo: New("r").Add("a", Age(50*Day), marked(Day), marked(2*Day))}.judge(t)
	if got, want := j.Image(0).CondemnedAt, Now-image.Time(Day.Milliseconds()); got != want {
		t.Errorf("condemnedAt = %s, want %s", got.Time(), want.Time())
	}
	j = run{spec: old(), repo: New("r").Add("a", Age(50*Day), marked(2*Day), Tags(kept(Day)))}.judge(t)
	if got := j.Image(0).CondemnedAt; got.Known() {
		t.Errorf("condemnedAt of what was kept since = %s", got.Time())
	}
}

// What is kept loses its marks, the earliest first, and a tag that stays is
// there before.
func TestRevocations(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tags   []string
		use    string
		marks  []string
		anchor string
		after  time.Duration
	}{
		{"one mark", []string{condemned(Day)}, "", []string{condemned(Day)}, "", Day},
		{"several", []string{condemned(Day), condemned(3 * Day)}, "", []string{condemned(3 * Day), condemned(Day)}, "", Day},
		{"kept once before", []string{condemned(Day), kept(3 * Day)}, "", []string{condemned(Day)}, kept(3 * Day), Day},
		{"interrupted after the anchor", []string{condemned(3 * Day), kept(Day)}, "", []string{condemned(3 * Day)}, kept(Day), 3 * Day},
		{"two anchors: the newest", []string{condemned(3 * Day), kept(Day), kept(5 * Day)}, "", []string{condemned(3 * Day)}, kept(Day), 3 * Day},
		{"a mark in use by its name needs a new anchor", []string{condemned(Day), kept(3 * Day)}, condemned(Day), nil, "", Day},
		{"one of two marks in use by its name", []string{condemned(Day), condemned(2 * Day), kept(Day)}, condemned(Day), []string{condemned(2 * Day)}, kept(Day), Day},
		{"a mark of the future", []string{condemned(-Day)}, "", []string{condemned(-Day)}, "", -Day},
		{"a mark from before the push", []string{condemned(20 * Day)}, "", []string{condemned(20 * Day)}, "", 20 * Day},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run{spec: old(), repo: New("r").Add("a", Age(10*Day), Tags(tt.tags...))}
			if tt.use != "" {
				r.uses = []image.Use{used(":" + tt.use)}
			}
			list := r.judge(t).Revocations()
			if len(list) != 1 {
				t.Fatalf("%d revocations, want one", len(list))
			}
			var marks []string
			for _, m := range list[0].Marks {
				marks = append(marks, m.Tag)
			}
			if diff := cmp.Diff(tt.marks, marks); diff != "" {
				t.Errorf("marks (-want +got):\n%s", diff)
			}
			if got := list[0]; got.Anchor != tt.anchor || got.After != Now-image.Time(tt.after.Milliseconds()) {
				t.Errorf("anchor %q after %s, want %q after %s ago", got.Anchor, got.After.Time(), tt.anchor, tt.after)
			}
		})
	}
}

// A plan that is applied marks only what it lists as such.
func TestConfirmMarks(t *testing.T) {
	before := run{spec: old(), repo: New("r").Add("a", Age(50*Day)).Add("b", Age(49*Day)).Add("c", Age(20*Day))}
	earlier := before.judge(t).Repository(false)
	now := run{spec: old(), repo: New("r").Add("a", Age(50*Day)).Add("b", Age(49*Day), marked(Day)).Add("c", Age(50*Day)).Add("d", Age(50*Day))}
	j := now.judge(t)
	if err := j.Confirm(earlier, policy.Limits{MaxShare: 1}); err != nil {
		t.Fatal(err)
	}
	var got []image.Digest
	for _, i := range j.ToCondemn() {
		got = append(got, j.Graph.Images[i].Digest)
	}
	if diff := cmp.Diff([]image.Digest{D("a")}, got); diff != "" {
		t.Errorf("marked (-want +got):\n%s", diff)
	}
	if revocations := j.Revocations(); len(revocations) > 0 {
		t.Errorf("what Confirm keeps loses its marks: %v", revocations)
	}
}

// A plan whose totals were edited to say less about marks is not believed.
func TestTallyOfMarks(t *testing.T) {
	r := run{spec: old(), repo: New("r").Add("a", Age(50*Day)).Add("b", marked(Day))}.judge(t).Repository(false)
	check := func(totals plan.Totals) error {
		var tally plan.Tally
		err := r.Each(func(img *plan.Image) error {
			tally.Add(img)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return tally.Check(totals, r)
	}
	if err := check(r.Totals); err != nil {
		t.Errorf("as it is: %v", err)
	}
	for name, change := range map[string]func(*plan.Totals){
		"fewer to mark":            func(t *plan.Totals) { t.Condemn-- },
		"fewer to unmark":          func(t *plan.Totals) { t.Unmark-- },
		"more held by grace":       func(t *plan.Totals) { t.Grace = t.Held + 1 },
		"fewer than none by grace": func(t *plan.Totals) { t.Grace = -1 },
	} {
		totals := r.Totals
		change(&totals)
		if check(totals) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
