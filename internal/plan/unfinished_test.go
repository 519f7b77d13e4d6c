package plan_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/graph"
	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/oracle"
	. "github.com/regsweep/regsweep/internal/oracle/oracletest"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// left is what an interrupted run may have left.
type left map[image.Digest]policy.Unfinished

// of makes images of a repository what is left of a root that is gone.
func of(r *Repository, names ...string) left {
	l := left{}
	for _, name := range names {
		i, _ := r.Graph().Find(D(name))
		l[D(name)] = policy.Unfinished{Plan: "sha256:abc", Root: D("root"), Rule: "releases", Tags: r.Images[i].Tags, PushedAt: r.Images[i].PushedAt}
	}
	return l
}

// TestUnfinished: what an interrupted run left of a family goes, though no rule
// speaks of it, unless anything else could be meant.
func TestUnfinished(t *testing.T) {
	old := Age(60 * Day)
	tagged := policy.Spec{Rules: []policy.Rule{{Name: "releases", Tags: []string{"v*"}, Keep: []policy.Keep{older(30 * Day)}}}}
	start := func() *Repository { return New("r").Add("young", Tags("v9")).Add("amd", old) }
	for _, tt := range []struct {
		name string
		repo *Repository
		spec policy.Spec
		left func(*Repository) left
		uses []image.Use
		gaps []image.Gap
		want map[string]string
	}{
		{name: "its root is gone", want: map[string]string{"amd": "delete not-kept", "young": "keep younger"}},
		{name: "no run left it", left: func(*Repository) left { return nil }, want: map[string]string{"amd": "keep no-rule"}},
		{name: "its root is there", repo: start().Add("root"), want: map[string]string{"amd": "keep no-rule"}},
		{name: "it has a tag since", left: func(r *Repository) left {
			l := of(r, "amd")
			r.Images[slices.IndexFunc(r.Images, func(i image.Image) bool { return i.Digest == D("amd") })].Tags = []string{"hotfix"}
			return l
		}, want: map[string]string{"amd": "keep no-rule"}},
		{name: "it was pushed again", left: func(r *Repository) left {
			l := of(r, "amd")
			u := l[D("amd")]
			u.PushedAt--
			l[D("amd")] = u
			return l
		}, want: map[string]string{"amd": "keep no-rule"}},
		{name: "an index lists it", repo: start().Add("index", Tags("x"), Lists("amd")), want: map[string]string{"amd": "keep family"}},
		{name: "it is attached to another image", repo: New("r").Add("young", Tags("v9")).Add("amd", old, Subject("young")), want: map[string]string{"amd": "keep family"}},
		{name: "what is attached to it goes too", repo: start().Add("sbom", old, Subject("amd")),
			left: func(r *Repository) left { return of(r, "amd", "sbom") }, want: map[string]string{"amd": "delete not-kept", "sbom": "delete family"}},
		{name: "it shares an image with one that stays", repo: New("r").Add("young", Tags("v9"), Lists("shared")).Add("amd", old, Lists("shared", "own")).
			Add("shared", old).Add("own", old),
			left: func(r *Repository) left { return of(r, "amd", "own") },
			want: map[string]string{"amd": "delete not-kept", "own": "delete family", "shared": "keep family"}},
		{name: "somebody attached something to it", repo: start().Add("sbom", old, Subject("amd")), want: map[string]string{"amd": "keep no-rule", "sbom": "keep family"}},
		{name: "an orphan", repo: New("r").Add("young", Tags("v9")).Add("sbom", old, Subject("amd")),
			left: func(r *Repository) left { return of(r, "sbom") }, want: map[string]string{"sbom": "delete not-kept"}},
		{name: "it is in use", uses: []image.Use{used("@" + D("amd").String())}, want: map[string]string{"amd": "keep in-use"}},
		{name: "it is protected", spec: policy.Spec{Rules: tagged.Rules, Protect: []policy.Protect{{Repositories: []string{"r"}}}}, want: map[string]string{"amd": "keep protected"}},
		{name: "a gap", gaps: []image.Gap{{Source: "ecs", Detail: "denied"}}, want: map[string]string{"amd": "held gap,not-kept"}},
		{name: "a limit", spec: policy.Spec{Rules: tagged.Rules, Limits: policy.Limits{MaxDeletes: 9, MaxShare: 0.1}}, want: map[string]string{"amd": "held limit,not-kept"}},
		{name: "nothing else would remain", repo: New("r").Add("amd", old), spec: policy.Spec{Rules: tagged.Rules, Limits: policy.Limits{MaxDeletes: 9, MaxShare: 1, MinRemaining: 1}},
			want: map[string]string{"amd": "keep limit"}},
		{name: "the grace period was over", spec: policy.Spec{Rules: tagged.Rules, Grace: 7 * Day}, want: map[string]string{"amd": "delete not-kept"}},
		// The newest are what they were: it takes no other's place.
		{name: "it takes no place", repo: New("r").Add("a", Tags("v1"), Age(50*Day)).Add("b", Age(70*Day)).Add("amd", Age(60*Day)), spec: rule(policy.Keep{Newest: 2}),
			want: map[string]string{"amd": "delete not-kept", "a": "keep newest", "b": "keep newest"}},
		{name: "it does not stay as one of the newest roots", repo: New("r").Add("a", Tags("v1"), Age(50*Day)).Add("b", Age(70*Day)).Add("amd", Age(60*Day)),
			spec: policy.Spec{Rules: []policy.Rule{{}}, Limits: policy.Limits{MaxDeletes: 9, MaxShare: 1, MinRemaining: 2}},
			want: map[string]string{"amd": "delete not-kept", "a": "keep limit", "b": "keep limit"}},
		{name: "the last of those is one that may be a root", repo: New("r").Add("amd", Tags("v1"), Age(60*Day)).Add("index", Age(70*Day), Lists("x")).Add("bare", Age(80*Day)).Unread("index"),
			left: func(r *Repository) left { return of(r, "amd", "index") },
			spec: policy.Spec{Rules: []policy.Rule{{}}, Limits: policy.Limits{MaxDeletes: 9, MaxShare: 1, MinRemaining: 1}},
			want: map[string]string{"amd": "held gap,not-kept", "index": "held gap,not-kept", "bare": "keep limit"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repo, spec, unfinished := tt.repo, tt.spec, tt.left
			if repo == nil {
				repo = start()
			}
			if len(spec.Rules) == 0 {
				spec.Rules = tagged.Rules
			}
			if unfinished == nil {
				unfinished = func(r *Repository) left { return of(r, "amd") }
			}
			if strings.Contains(tt.name, "attached to another") || strings.Contains(tt.name, "an orphan") {
				unfinished = func(r *Repository) left { return of(r, slices.Collect(maps.Keys(tt.want))...) }
			}
			l := unfinished(repo)
			p := compile(t, spec)
			g := graph.Build(&repo.Contents)
			j := plan.Judge(g, p.Evaluate(policy.Input{Graph: g, Now: Now, Uses: uses(t, tt.uses...), Gaps: tt.gaps, Unfinished: l}), p.Limits())
			if diff := cmp.Diff(tt.want, verdicts(t, j, slices.Collect(maps.Keys(tt.want))...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// drawLeftovers draws what earlier runs wrote down of families. Mostly the roots
// are gone and the images as they were.
func drawLeftovers(t *rapid.T, w *oracle.World) map[string]oracle.Leftover {
	leftovers := map[string]oracle.Leftover{}
	for _, img := range w.Repository.Images {
		if Rare(t, 3) {
			continue
		}
		l := oracle.Leftover{Root: digest(Pick(t, "gone", "gone", "gone", Pick(t, names...))), Tags: img.Tags, Pushed: img.Pushed}
		if Rare(t, 8) {
			l.Tags = Some(t, 2, tagPool...)
		}
		if Rare(t, 8) {
			l.Pushed = ago(t)
		}
		leftovers[img.Digest] = l
	}
	return leftovers
}

// unfinished translates what earlier runs wrote down.
func unfinished(w *oracle.World) left {
	l := left{}
	for d, o := range w.Leftovers {
		l[parse(d)] = policy.Unfinished{Plan: "sha256:abc", Root: parse(o.Root), Tags: slices.Sorted(slices.Values(o.Tags)), PushedAt: image.Time(o.Pushed)}
	}
	return l
}

// judgeLeft judges a world after a run that was interrupted.
func judgeLeft(t *rapid.T, w *oracle.World, l left) *plan.Judged {
	t.Helper()
	p, problems := policy.Compile(spec(w))
	if len(problems) > 0 {
		t.Fatalf("compile: %v", problems)
	}
	u, err := policy.NewUses(imageUses(w), holders)
	if err != nil {
		t.Fatalf("uses: %v", err)
	}
	g := graph.Build(contents(w))
	return plan.Judge(g, p.Evaluate(policy.Input{Graph: g, Now: image.Time(w.Now), Uses: u, Gaps: imageGaps(w), Unfinished: l}), p.Limits())
}

// announced is what an apply writes down before it deletes a root.
func announced(j *plan.Judged, gone set) left {
	l := left{}
	j.Families(func(root int32, members []int32) {
		if !gone[j.Graph.Images[root].Digest.String()] {
			return
		}
		for _, m := range members {
			img := &j.Graph.Images[m]
			l[img.Digest] = policy.Unfinished{Plan: "sha256:abc", Root: j.Graph.Images[root].Digest, Tags: img.Tags, PushedAt: img.PushedAt}
		}
	})
	return l
}

// TestPropertyUnfinished: a run that is interrupted anywhere is finished by the
// next, which deletes what the first would have deleted, and nothing else.
func TestPropertyUnfinished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{}.worlds().Draw(t, "world")
		j := judgeWorld(t, &w.World)
		all, deleted := going(j), set{}
		for d, v := range verdictsOf(j) {
			if v == policy.VerdictDelete {
				deleted[d] = true
			}
		}
		gone := halfway(t, &w.World, deleted)
		want := maps.Clone(all)
		maps.DeleteFunc(want, func(d string, _ bool) bool { return gone[d] })
		l := announced(j, gone)
		for _, u := range l {
			if !u.PushedAt.Known() {
				return // whether it was pushed again since is not known, so it is held
			}
		}
		next := judgeLeft(t, &w.World, l)
		got := going(next)
		for d := range got {
			if !want[d] {
				t.Fatalf("%s goes, after %v did, and would have stayed, in %#v", d, gone, w)
			}
		}
		// Of what has a root yet the rules decide, by which more may stay: a root
		// can come among the newest when another has gone.
		for _, heads := range [][]int32{next.Graph.Roots, next.Graph.Orphans} {
			for _, i := range heads {
				d := next.Graph.Images[i].Digest
				if _, announced := l[d]; announced && want[d.String()] && !got[d.String()] {
					t.Fatalf("%s stays, after %v went, in %#v", d, gone, w)
				}
			}
		}
	})
}

// TestPropertyUnfinishedUsedStays: whatever journals say, nothing that is in use
// goes, and nothing of its families, and nothing that no journal and no rule
// speaks of. (With maxImages what takes no place any more among the newest can
// let another root be kept, and that takes the room of a third.)
func TestPropertyUnfinishedUsedStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := wanted{noMaxImages: true}.worlds().Draw(t, "world")
		without := verdictsOf(judgeWorld(t, &w.World))
		l := left{}
		for _, img := range contents(&w.World).Images {
			if rapid.Bool().Draw(t, "unfinished") {
				l[img.Digest] = policy.Unfinished{Plan: "sha256:abc", Root: D("gone"), Tags: img.Tags, PushedAt: img.PushedAt}
			}
		}
		j := judgeLeft(t, &w.World, l)
		with := going(j)
		e := edges(&w.World)
		for used := range inUse(&w.World) {
			for member := range families(&w.World, e, used) {
				if with[member] {
					t.Fatalf("%s goes, and its family has %s, which is in use", member, used)
				}
			}
		}
		spoken := set{} // what journals speak of, and what lives with it
		for d := range l {
			maps.Copy(spoken, down(e, d.String()))
		}
		for d := range with {
			if without[d] == policy.VerdictKeep && !spoken[d] {
				t.Fatalf("%s goes, and neither a rule nor a journal says so", d)
			}
		}
	})
}
