package model_test

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/oracle"
	. "github.com/regsweep/regsweep/internal/oracle/oracletest"
)

const homeRegion = "eu-west-1"

func below(t *rapid.T, n int) int { return rapid.IntRange(0, n-1).Draw(t, "below") }

// ages are how long ago something was: few, so that many are equal or at an edge
// of the rules.
var ages = []int64{100 * day, 50 * day, 50 * day, 31 * day, 30*day + 1, 30 * day, 30*day - 1, 10*day + 1, 10 * day, day, 0}

var (
	repoNames = []string{"apps/web", "apps/team/api", "base", "jobs/nightly"}
	tagPool   = []string{"latest", "v1.0.0", "v1.2.0", "1.2", "v2.0.0-rc.1", "2", "2.0.1", "20260101", "abc1234", "pr-1", "pr-2", "pr-3", "dev-1", "dev-2", "x", "production"}
	marks     = []int64{day, 30 * day, 31 * day} // ages of marks of use
)

func markTag(prefix string, ago int64) string {
	return fmt.Sprintf("%s-%d", prefix, (start.UnixMilli()-ago)/second)
}

// drawRepo draws a repository.
func drawRepo(t *rapid.T, n int, simple bool) repoSpec {
	r := repoSpec{Name: repoNames[n], Region: homeRegion, Immutable: Rare(t, 8)}
	r.Tags = Pick(t, ResourceTags...)
	taken := map[string]bool{}
	for n := range Pick(t, 4, 8, 0, 2, 6) {
		i := drawImage(t, n, simple)
		i.Tags = slices.DeleteFunc(i.Tags, func(tag string) bool { return taken[tag] })
		for _, tag := range i.Tags {
			taken[tag] = true
		}
		r.Images = append(r.Images, i)
	}
	for n := range r.Images {
		if i := &r.Images[n]; Rare(t, 7) {
			i.AttachTag, i.AttachTo = Pick(t, ".sig", ".att", ".sbom", "", ".other"), gone
			if !Rare(t, 4) {
				i.AttachTo = below(t, len(r.Images))
			}
		}
	}
	return r
}

// drawImage draws image n of a repository; simple leaves out what makes it
// depend on chance which of two repositories tells what an index lists.
func drawImage(t *rapid.T, n int, simple bool) img {
	i := img{Seed: n, Kind: Pick(t, plain, plain, plain, docker, index, index, dockerList, artifact, soci), Subject: none, Pulled: none, Ago: Pick(t, ages...)}
	if n == 0 && (i.isIndex() || i.Kind >= artifact) {
		i.Kind = plain
	}
	before := make([]int, n)
	for k := range before {
		before[k] = k
	}
	switch {
	case i.isIndex():
		i.Lists = rapid.SliceOfNDistinct(rapid.SampledFrom(before), 1, min(3, n), rapid.ID[int]).Draw(t, "lists")
		i.Platforms = !Rare(t, 4)
		if i.Kind == index && Rare(t, 10) {
			i.Subject = below(t, n)
		}
	case i.Kind >= artifact:
		i.Subject = below(t, n)
		if Rare(t, 5) {
			i.Subject = gone
		}
	}
	if !Rare(t, 3) {
		i.Pulled = Pick(t, ages...)
	}
	i.Tags = Some(t, Pick(t, 0, 1, 1, 2, 3), tagPool...)
	if Rare(t, 8) {
		i.Tags = append(i.Tags, markTag(Pick(t, "in-use", "keep", "regsweep-condemned", "regsweep-condemned", "regsweep-kept"), Pick(t, marks...)))
	}
	i.AttachTo = none
	if !simple {
		i.Archived = Rare(t, 10)
		// What cannot be read can be given and taken no mark.
		i.Fails = i.isIndex() && Rare(t, 15) && !slices.ContainsFunc(i.Tags, oracle.IsMark)
	}
	i.Deleted, i.Big = Rare(t, 12), Rare(t, 4)
	return i
}

var policies = Policies{
	Repositories: []string{"apps/**", "apps/*", "**", "*", "base", "!apps/web", "!base", "jobs/**", "apps/team/api"},
	Protected:    []string{"!apps/web", "base", "apps/**"},
	Without:      tagPool,
}

func drawPolicy(t *rapid.T) oracle.Policy {
	p := oracle.Policy{MaxSharePercent: 100, MinRemaining: Pick(t, 0, 0, 0, 0, 1, 2), MarkPrefix: "in-use"}
	if Rare(t, 6) {
		p.MaxSharePercent = Pick(t, 29, 50, 67, 0, 80)
	}
	p.Rules = policies.Rules(t)
	if Rare(t, 2) {
		p.Rules = append(p.Rules, oracle.Rule{Orphans: true, Keeps: []oracle.Keep{{YoungerThan: &oracle.Age{Fixed: day}}}})
	}
	// A rule that governs everything must be the last of its sort.
	all := map[bool]bool{}
	p.Rules = slices.DeleteFunc(p.Rules, func(r oracle.Rule) bool {
		governed := all[r.Orphans]
		all[r.Orphans] = governed || len(r.Repositories)+len(r.RepositoryTags)+len(r.Tags) == 0 && !r.Untagged
		return governed
	})
	if Rare(t, 8) {
		p.MarkPrefix = "keep"
	} else if Rare(t, 8) && !slices.ContainsFunc(p.Rules, func(r oracle.Rule) bool {
		return slices.ContainsFunc(r.Keeps, func(k oracle.Keep) bool { return k.UsedWithin > 0 })
	}) {
		p.MarkName = "production"
	}
	if Rare(t, 4) {
		p.Grace = Pick(t, day, 7*day)
	}
	for range Pick(t, 0, 0, 0, 0, 1, 2) {
		p.Protect = append(p.Protect, policies.Protect(t))
	}
	return p
}

// drawRef draws a reference; exact leaves out hosts under other names than the
// registry's own, which the embedded ECS and Lambda do not resolve.
func drawRef(t *rapid.T, w *world, exact bool) ref {
	r := ref{Repo: below(t, len(w.Repos)), Digest: none, ID: none}
	if Rare(t, 12) {
		r.Repo = gone
	}
	if !exact && Rare(t, 2) {
		r.Host = Pick(t, fips, dualstack, upper, alias, otherAccount, otherRegion, foreign)
	}
	images := 0
	if r.Repo >= 0 {
		images = len(w.Repos[r.Repo].Images)
	}
	if images > 0 && !Rare(t, 5) { // of an image that is there
		n := below(t, images)
		i := w.Repos[r.Repo].Images[n]
		if len(i.Tags) > 0 && !Rare(t, 3) {
			r.Tag = Pick(t, i.Tags...)
		}
		if r.Tag == "" || Rare(t, 3) {
			r.Digest = n
		}
		return r
	}
	r.Tag = Pick(t, append([]string{"", "", "gone"}, tagPool...)...)
	if Rare(t, 3) {
		r.Digest = gone
	}
	return r
}

func drawUse(t *rapid.T, w *world) use {
	var ways []string
	for _, s := range w.Sources {
		ways = append(ways, map[string][]string{
			"ecs": {"task", "service", "definition"}, "lambda": {"function"}, "appRunner": {"apprunner"}, "snapshot": {"snapshot", "snapshot"},
		}[s.Kind]...)
	}
	u := use{By: Pick(t, ways...), Count: below(t, 2), Publish: Rare(t, 2)}
	u.Ref = drawRef(t, w, u.By != "snapshot" && u.By != "apprunner")
	if (u.By == "service" || u.By == "function") && Rare(t, 2) {
		then := drawRef(t, w, true)
		u.Then = &then
		u.Outcome = Pick(t, embedded.DeploymentSuccessful, embedded.DeploymentInProgress, embedded.DeploymentRolledBack)
	}
	return u
}

func drawSources(t *rapid.T) (list []source) {
	for _, kind := range Some(t, Pick(t, 1, 1, 2, 2, 3), "snapshot", "ecs", "lambda", "appRunner") {
		s := source{Kind: kind, AtLeast: Pick(t, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1000)}
		if Rare(t, 3) {
			s.Covers = []string{Pick(t, "apps/**", "base", "!apps/web", "jobs/*")}
		}
		s.Broken = Rare(t, 16)
		if s.Kind == "snapshot" {
			s.Ignored = Rare(t, 3)
		}
		list = append(list, s)
	}
	return list
}

// The events, between plan and apply and during the apply.
var (
	happenings = []string{"use tag", "use digest", "retag", "steal tag", "list", "sign", "cosign", "push again", "delete", "archive"}
	between    = append([]string{"days", "push", "break", "empty snapshot"}, happenings...)
)

func drawEvent(t *rapid.T, w *world, what ...string) event {
	return event{What: Pick(t, what...), Repo: below(t, len(w.Repos)), Target: below(t, 8), Other: below(t, 8), Tag: Pick(t, "late-1", "pr-9", "v9.0.0", "latest"), Flag: Rare(t, 2)}
}

// drawWorld draws a world.
func drawWorld(t *rapid.T) world {
	w := world{Policy: drawPolicy(t), Excluded: Rare(t, 2), Now: Pick(t, clockNow, givenNow, givenNow, givenPast), Saved: Rare(t, 2), All: Rare(t, 3), Ripe: Rare(t, 2), Batch: Pick(t, 1, 1, 1, 2, 3, 100)}
	simple := w.Excluded && Rare(t, 2) // equal indexes may be in several repositories
	for n := range rapid.IntRange(1, len(repoNames)).Draw(t, "repositories") {
		w.Repos = append(w.Repos, drawRepo(t, n, simple))
	}
	if len(w.Repos) > 2 && Rare(t, 2) {
		w.Repos[2].Region = "us-east-1"
	}
	if Rare(t, 15) {
		w.Repos[below(t, len(w.Repos))].Unreadable = true
	}
	for r := range w.Repos {
		for i := range w.Repos[r].Images {
			if img := &w.Repos[r].Images[i]; !simple && img.isIndex() || Rare(t, 2) {
				img.Seed += 100 * (r + 1)
			}
		}
	}
	w.NoTags = Rare(t, 20)
	if Rare(t, 12) {
		w.MaxDeletes = Pick(t, 1, 2, 5)
	}
	w.Alias = Rare(t, 2)
	w.Sources = drawSources(t)
	if len(w.Sources) > 0 {
		for range Pick(t, 0, 1, 1, 2, 3) {
			w.Uses = append(w.Uses, drawUse(t, &w))
		}
	}
	if simple && Rare(t, 3) {
		w.drawImageID(t)
	}
	for range Pick(t, 0, 0, 0, 1) {
		if r := below(t, len(w.Repos)); len(w.Repos[r].Images) > 0 {
			w.Moves = append(w.Moves, move{r, below(t, len(w.Repos[r].Images)), Pick(t, tagPool...)})
		}
	}
	if w.Saved {
		w.Pause = Pick(t, 0, minute, day, 12*day)
		for range Pick(t, 0, 1, 1, 2) {
			w.Between = append(w.Between, drawEvent(t, &w, between...))
		}
	}
	// After a day our own reading of an index may count as a pull, or may not.
	w.Excluded = w.Excluded || w.Pause >= day || w.Ripe && w.Policy.Grace > 0
	switch {
	case Rare(t, 12):
		w.Flaky = 3 + below(t, 9)
		w.Now = givenPast
	case Rare(t, 2):
		for range Pick(t, 1, 2, 3, 6, 12) {
			d := during{Nth: below(t, 3), event: drawEvent(t, &w, happenings...), Takes: Pick(t, 31*second, 31*second, 31*second, 0)}
			if d.What == "use tag" || d.What == "use digest" {
				d.Takes = Pick(t, 301*second, 301*second, 0)
			}
			w.During = append(w.During, d)
		}
	}
	if Rare(t, 3) {
		w.Kill = &kill{Repo: below(t, len(w.Repos)), Nth: below(t, 3), Acted: Rare(t, 2)}
	}
	return w
}

// drawImageID lets the snapshot name an image by its config.
func (w *world) drawImageID(t *rapid.T) {
	if !slices.ContainsFunc(w.Sources, func(s source) bool { return s.Kind == "snapshot" }) {
		return
	}
	u := use{By: "snapshot", Ref: drawRef(t, w, true)}
	u.Ref.ID = gone
	if u.Ref.Repo >= 0 && len(w.Repos[u.Ref.Repo].Images) > 0 {
		u.Ref.ID = below(t, len(w.Repos[u.Ref.Repo].Images))
	}
	w.Uses = append(w.Uses, u)
}
