package plan_test

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/oracle"
	. "github.com/regsweep/regsweep/internal/oracle/oracletest"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// TestMain sets how many worlds each property sees. For more, and for a seed
// that failed:
//
//	go test ./internal/plan -run Property -rapid.checks=200000 [-rapid.seed=N]
func TestMain(m *testing.M) {
	flag.Parse()
	given := os.Getenv("RAPID_CHECKS") != ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	defaults := map[string]string{"rapid.nofailfile": "true"} // the seed is enough to repeat it
	if !given {
		defaults["rapid.checks"] = "1000"
	}
	for name, value := range defaults {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// judgeWorld is the code under test.
func judgeWorld(t *rapid.T, w *oracle.World) *plan.Judged {
	t.Helper()
	return judgeWith(t, w, imageUses(w))
}

func judgeWith(t *rapid.T, w *oracle.World, uses []image.Use) *plan.Judged {
	t.Helper()
	p, problems := policy.Compile(spec(w))
	if len(problems) > 0 {
		t.Fatalf("compile: %v", problems)
	}
	u, err := policy.NewUses(uses, holders)
	if err != nil {
		t.Fatalf("uses: %v", err)
	}
	g := graph.Build(contents(w))
	return plan.Judge(g, p.Evaluate(policy.Input{Graph: g, Now: image.Time(w.Now), Uses: u, Gaps: imageGaps(w)}), p.Limits())
}

// listed are the images of a complete plan.
func listed(t *rapid.T, j *plan.Judged) []plan.Image {
	t.Helper()
	images, err := j.Repository(true).Images()
	if err != nil {
		t.Fatalf("images: %v", err)
	}
	return images
}

func codes(img plan.Image) []string {
	list := []string{}
	for _, r := range img.Reasons {
		list = append(list, string(r.Code))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestPropertyOracle: every verdict is the oracle's, and what is done about
// marks; and of each root and orphan the grounds are too.
func TestPropertyOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		if Rare(t, 2) {
			w.Leftovers = drawLeftovers(t, &w.World)
		}
		want := oracle.Judge(w.World)
		got := map[string]oracle.Judgement{}
		judged := judgeLeft(t, &w.World, unfinished(&w.World))
		for _, img := range listed(t, judged) {
			j := oracle.Judgement{Verdict: img.Verdict.String(), Mark: string(img.Mark)}
			if want[img.Digest.String()].Grounds != nil {
				j.Grounds = codes(img)
			}
			got[img.Digest.String()] = j
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("verdicts (-oracle +got):\n%s", diff)
		}
		if want, got := oracle.HeldBack(w.World), judged.HeldBack(); want != got {
			t.Fatalf("held by something else than the grace period: %v, want %v", got, want)
		}
	})
}

// TestPropertyUsedStays: no image in use goes, nor anything of its families.
func TestPropertyUsedStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		if len(w.Uses) == 0 {
			w.Uses = append(w.Uses, drawUse(t))
		}
		gone := going(judgeWorld(t, &w.World))
		e := edges(&w.World)
		for used := range inUse(&w.World) {
			for member := range families(&w.World, e, used) {
				if gone[member] {
					t.Fatalf("%s goes, and its family has %s, which is in use", member, used)
				}
			}
		}
	})
}

// TestPropertyOrder: no order of the input shows in the plan, not in a byte.
func TestPropertyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		uses := imageUses(&w.World)
		before := planBytes(t, &w.World, uses)

		uses = shuffled(t, uses)
		w.Repository.Images = shuffled(t, w.Repository.Images)
		for i := range w.Repository.Images {
			img := &w.Repository.Images[i]
			img.Tags, img.Lists = shuffled(t, img.Tags), shuffled(t, img.Lists)
		}
		w.Policy.Rules = slices.Clone(w.Policy.Rules)
		for i := range w.Policy.Rules {
			r := &w.Policy.Rules[i]
			r.Tags, r.Repositories = shuffled(t, r.Tags), shuffled(t, r.Repositories)
		}
		w.Policy.Protect = slices.Clone(w.Policy.Protect)
		for i := range w.Policy.Protect {
			p := &w.Policy.Protect[i]
			p.Tags, p.Repositories = shuffled(t, p.Tags), shuffled(t, p.Repositories)
		}
		if diff := cmp.Diff(before, planBytes(t, &w.World, uses)); diff != "" {
			t.Fatalf("the plan of a shuffled world (-before +after):\n%s", diff)
		}
	})
}

func shuffled[T any](t *rapid.T, list []T) []T {
	if len(list) < 2 {
		return list
	}
	return rapid.Permutation(list).Draw(t, "order")
}

func planBytes(t *rapid.T, w *oracle.World, uses []image.Use) string {
	j := judgeWith(t, w, uses)
	content, err := json.MarshalIndent([]any{listed(t, j), j.Repository(true).Totals}, "", " ")
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return string(content)
}

// TestPropertyGapHoldsAll: where a source could not be read, nothing goes.
func TestPropertyGapHoldsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		w.Gaps = []string{"denied"}
		if gone := going(judgeWorld(t, &w.World)); len(gone) > 0 {
			t.Fatalf("%v go in spite of a gap", gone)
		}
	})
}

// TestPropertyMoreKeepsMore: one more use, protect entry, keep or gap lets
// nothing go that stayed without it.
//
// The law does not promise it everywhere. "maxImages" fills a repository up, so
// what another reason keeps takes the room of something else; and "maxShare"
// holds a repository back only while too much would go. Both are left out, but
// for gaps: these come after everything that is kept.
func TestPropertyMoreKeepsMore(t *testing.T) {
	for _, tt := range []struct {
		name string
		want wanted
		add  func(t *rapid.T, w *oracle.World)
	}{
		{"use", wanted{noMaxImages: true, noMaxShare: true}, func(t *rapid.T, w *oracle.World) {
			w.Uses = append(slices.Clone(w.Uses), drawUse(t))
		}},
		{"protect", wanted{noMaxImages: true, noMaxShare: true}, func(t *rapid.T, w *oracle.World) {
			w.Policy.Protect = append(slices.Clone(w.Policy.Protect), policies.Protect(t))
		}},
		{"keep", wanted{noMaxImages: true, noMaxShare: true}, func(t *rapid.T, w *oracle.World) {
			w.Policy.Rules = slices.Clone(w.Policy.Rules)
			if len(w.Policy.Rules) > 0 {
				r := &w.Policy.Rules[rapid.IntRange(0, len(w.Policy.Rules)-1).Draw(t, "rule")]
				r.Keeps = append(slices.Clone(r.Keeps), policies.Keep(t, r.Orphans))
			}
		}},
		{"gap", wanted{}, func(_ *rapid.T, w *oracle.World) {
			w.Gaps = append(slices.Clone(w.Gaps), "throttled")
		}},
		{"resource tags not known", wanted{noMaxImages: true, noMaxShare: true}, func(_ *rapid.T, w *oracle.World) {
			w.Repository.Tags, w.Repository.TagsUnknown = nil, true
		}},
		{"push time not known", wanted{noMaxImages: true, noMaxShare: true}, func(t *rapid.T, w *oracle.World) {
			w.Repository.Images = slices.Clone(w.Repository.Images)
			if n := len(w.Repository.Images); n > 0 {
				w.Repository.Images[rapid.IntRange(0, n-1).Draw(t, "image")].Pushed = 0
			}
		}},
		{"index that cannot be read", wanted{noMaxImages: true, noMaxShare: true}, loseIndex},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := tt.want.worlds().Draw(t, "world")
				before := going(judgeWorld(t, &w.World))
				tt.add(t, &w.World)
				for d := range going(judgeWorld(t, &w.World)) {
					if !before[d] {
						t.Fatalf("%s goes now, in %#v", d, w)
					}
				}
			})
		})
	}
}

// loseIndex makes an index unreadable, but for one with tagged children in a
// registry that guards them: there a tagged child counts as a root, and it is
// the registry that refuses to delete it.
func loseIndex(t *rapid.T, w *oracle.World) {
	w.Repository.Images = slices.Clone(w.Repository.Images)
	var indexes []*oracle.Image
	e := edges(w)
	for i := range w.Repository.Images {
		img := &w.Repository.Images[i]
		tagged := slices.ContainsFunc(w.Repository.Images, func(o oracle.Image) bool {
			return len(o.Tags) > 0 && slices.Contains(e[img.Digest], o.Digest)
		})
		if img.Index && (!tagged || !w.Repository.Guards) {
			indexes = append(indexes, img)
		}
	}
	if len(indexes) > 0 {
		img := rapid.SampledFrom(indexes).Draw(t, "index")
		img.Lists, img.Unreadable = nil, true
	}
}

// TestPropertyAgain: when what the plan says is done, all that is in use is
// there, no image that stays has lost anything that it holds, and a new plan
// says that all is done.
func TestPropertyAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		verdicts := verdictsOf(judgeWorld(t, &w.World))
		for from, held := range edges(&w.World) {
			for _, to := range held {
				// Verdicts grow from delete to keep.
				if verdicts[to] < verdicts[from] {
					t.Fatalf("%s holds %s, and their verdicts are %s and %s", from, to, verdicts[from], verdicts[to])
				}
			}
		}
		used := inUse(&w.World)
		after := w
		after.Repository.Images = nil
		for _, img := range w.Repository.Images {
			v := verdicts[img.Digest]
			if v == policy.VerdictDelete && used[img.Digest] {
				t.Fatalf("%s is in use and deleted", img.Digest)
			}
			if v == policy.VerdictArchive {
				img.Archived = true
			}
			if v != policy.VerdictDelete {
				after.Repository.Images = append(after.Repository.Images, img)
			}
		}
		again := judgeWorld(t, &after.World)
		for d := range going(again) {
			t.Fatalf("%s goes in a second plan, which is %#v", d, after)
		}
	})
}

// TestPropertyTrace: the traces of a root tell what the verdict says.
func TestPropertyTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		j := judgeWorld(t, &w.World)
		for k, d := range j.Result.Decisions {
			paths := map[string]bool{}
			for _, r := range d.Reasons {
				paths[r.Path] = true
			}
			traces := j.Result.Trace(d.Root)
			if (j.Result.RuleOf(k) == "") != (traces == nil) && len(traces) > 0 {
				t.Fatalf("rule %q has traces %v", j.Result.RuleOf(k), traces)
			}
			for _, trace := range traces {
				if trace.Holds != paths[trace.Path] {
					t.Fatalf("%s is traced as %v (%s), and the reasons are %v", trace.Path, trace.Holds, trace.Detail, d.Reasons)
				}
				if trace.Holds && d.Verdict != policy.VerdictKeep {
					t.Fatalf("%s keeps, and the verdict is %s", trace.Path, d.Verdict)
				}
				if trace.Detail == "" || strings.HasSuffix(trace.Detail, ": ") {
					t.Fatalf("%s says nothing: %q", trace.Path, trace.Detail)
				}
			}
		}
	})
}
