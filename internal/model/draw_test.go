package model_test

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/oracle"
)

const homeRegion = "eu-west-1"

// rare is true once in so many draws; failures shrink towards false.
func rare(t *rapid.T, once int) bool { return rapid.IntRange(1, once).Draw(t, "rare") == once }

func pick[T any](t *rapid.T, of ...T) T { return rapid.SampledFrom(of).Draw(t, "pick") }

func below(t *rapid.T, n int) int { return rapid.IntRange(0, n-1).Draw(t, "below") }

func some[T comparable](t *rapid.T, most int, of ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, min(most, len(of)), rapid.ID[T]).Draw(t, "some")
}

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
	r := repoSpec{Name: repoNames[n], Region: homeRegion, Immutable: rare(t, 8)}
	r.Tags = pick(t, nil, nil, nil, map[string]string{"Sweep": "true"}, map[string]string{"Sweep": "false", "Days": "30"},
		map[string]string{"Sweep": "true", "Days": "9w"}, map[string]string{"Days": " 10d "}, map[string]string{"Days": "0"},
		map[string]string{"Days": "many"}, map[string]string{"Sweep": "true", "Days": "-1"}, map[string]string{"Days": "99999999999"})
	taken := map[string]bool{}
	for n := range pick(t, 4, 8, 0, 2, 6) {
		i := drawImage(t, n, simple)
		i.Tags = slices.DeleteFunc(i.Tags, func(tag string) bool { return taken[tag] })
		for _, tag := range i.Tags {
			taken[tag] = true
		}
		r.Images = append(r.Images, i)
	}
	for n := range r.Images {
		if i := &r.Images[n]; rare(t, 7) {
			i.AttachTag, i.AttachTo = pick(t, ".sig", ".att", ".sbom", "", ".other"), gone
			if !rare(t, 4) {
				i.AttachTo = below(t, len(r.Images))
			}
		}
	}
	return r
}

// drawImage draws image n of a repository; simple leaves out what makes it
// depend on chance which of two repositories tells what an index lists.
func drawImage(t *rapid.T, n int, simple bool) img {
	i := img{Seed: n, Kind: pick(t, plain, plain, plain, docker, index, index, dockerList, artifact, soci), Subject: none, Pulled: none, Ago: pick(t, ages...)}
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
		i.Platforms = !rare(t, 4)
		if i.Kind == index && rare(t, 10) {
			i.Subject = below(t, n)
		}
	case i.Kind >= artifact:
		i.Subject = below(t, n)
		if rare(t, 5) {
			i.Subject = gone
		}
	}
	if !rare(t, 3) {
		i.Pulled = pick(t, ages...)
	}
	i.Tags = some(t, pick(t, 0, 1, 1, 2, 3), tagPool...)
	if rare(t, 8) {
		i.Tags = append(i.Tags, markTag(pick(t, "in-use", "keep", "regsweep-condemned", "regsweep-condemned", "regsweep-kept"), pick(t, marks...)))
	}
	i.AttachTo = none
	if !simple {
		i.Archived = rare(t, 10)
		// What cannot be read can be given and taken no mark.
		i.Fails = i.isIndex() && rare(t, 15) && !slices.ContainsFunc(i.Tags, oracle.IsMark)
	}
	i.Deleted, i.Big = rare(t, 12), rare(t, 4)
	return i
}

var (
	tagPatterns  = []string{"pr-*", "v*", "*", "?", "dev-?", "latest", "/^[0-9.]+$/", "/-/", "sha256-*", "in-use*", "production", "*.sig"}
	repoPatterns = []string{"apps/**", "apps/*", "**", "*", "base", "!apps/web", "!base", "jobs/**", "apps/team/api"}
)

// drawKeep draws an entry.
func drawKeep(t *rapid.T, orphans bool) oracle.Keep {
	var k oracle.Keep
	for {
		switch rapid.IntRange(0, 9).Draw(t, "keep") {
		case 0, 1:
			if !orphans {
				k.Newest = pick(t, 1, 1, 2, 3)
				k.Per = pick(t, "", "", "", "/^([a-z]+)-/", "/^([a-z]*)-?/", "semver.major", "semver.minor")
			}
		case 2:
			k.YoungerThan = &oracle.Age{Fixed: pick(t, day, 10*day, 30*day)}
		case 3:
			k.YoungerThan = &oracle.Age{Tag: "Days", Unit: day}
			if !rare(t, 4) {
				k.YoungerThan.HasDefault, k.YoungerThan.Default = true, 10*day
			}
		case 4:
			k.PulledWithin = pick(t, 30*day, 9*day)
		case 5:
			k.UsedWithin = pick(t, day, 30*day)
		case 6:
			k.Semver = pick(t, ">=1.2.0", "^1.0", "~2.0", "<2", "1.2.x")
		case 7, 8:
			if !orphans {
				k.MaxImages = pick(t, 1, 2, 3, 4, 6)
			}
		case 9:
			if rare(t, 3) { // compiling one takes long
				k.When = &oracle.When{Below: pick(t, int64(1000), 100_000), Without: pick(t, tagPool...)}
			}
		}
		if k != (oracle.Keep{}) && !rare(t, 3) {
			return k
		}
	}
}

func drawRule(t *rapid.T) oracle.Rule {
	r := oracle.Rule{Orphans: rare(t, 4), Archive: rare(t, 6)}
	if rare(t, 5) {
		r.Repositories = some(t, 3, repoPatterns...)
	}
	if rare(t, 10) {
		r.RepositoryTags = map[string]string{"Sweep": "true"}
	}
	if rare(t, 3) {
		r.Tags = some(t, 3, tagPatterns...)
		r.AnyTag = len(r.Tags) > 0 && rare(t, 3)
	}
	if !r.Orphans {
		r.Untagged, r.Semver = rare(t, 6), rare(t, 4)
	}
	for range pick(t, 1, 0, 1, 2) {
		r.Keeps = append(r.Keeps, drawKeep(t, r.Orphans))
	}
	return r
}

func drawProtect(t *rapid.T) oracle.Protect {
	p := oracle.Protect{Tags: some(t, 2, tagPatterns...)}
	if len(p.Tags) == 0 || rare(t, 3) {
		p.Repositories = append(some(t, 1, repoPatterns...), pick(t, "!apps/web", "base", "apps/**"))
		slices.Sort(p.Repositories)
		p.Repositories = slices.Compact(p.Repositories)
	}
	return p
}

func drawPolicy(t *rapid.T) oracle.Policy {
	p := oracle.Policy{MaxSharePercent: 100, MinRemaining: pick(t, 0, 0, 0, 0, 1, 2), MarkPrefix: "in-use"}
	if rare(t, 6) {
		p.MaxSharePercent = pick(t, 29, 50, 67, 0, 80)
	}
	for range pick(t, 0, 1, 1, 2) {
		p.Rules = append(p.Rules, drawRule(t))
	}
	if !rare(t, 5) { // the rest
		rest := drawRule(t)
		rest.Repositories, rest.RepositoryTags, rest.Tags, rest.AnyTag, rest.Untagged, rest.Orphans = nil, nil, nil, false, false, false
		p.Rules = append(p.Rules, rest)
	}
	if rare(t, 2) {
		p.Rules = append(p.Rules, oracle.Rule{Orphans: true, Keeps: []oracle.Keep{{YoungerThan: &oracle.Age{Fixed: day}}}})
	}
	// A rule that governs everything must be the last of its sort.
	all := map[bool]bool{}
	p.Rules = slices.DeleteFunc(p.Rules, func(r oracle.Rule) bool {
		governed := all[r.Orphans]
		all[r.Orphans] = governed || len(r.Repositories)+len(r.RepositoryTags)+len(r.Tags) == 0 && !r.Untagged
		return governed
	})
	if rare(t, 8) {
		p.MarkPrefix = "keep"
	} else if rare(t, 8) && !slices.ContainsFunc(p.Rules, func(r oracle.Rule) bool {
		return slices.ContainsFunc(r.Keeps, func(k oracle.Keep) bool { return k.UsedWithin > 0 })
	}) {
		p.MarkName = "production"
	}
	if rare(t, 4) {
		p.Grace = pick(t, day, 7*day)
	}
	for range pick(t, 0, 0, 0, 0, 1, 2) {
		p.Protect = append(p.Protect, drawProtect(t))
	}
	return p
}

// drawRef draws a reference; exact leaves out hosts under other names than the
// registry's own, which the embedded ECS and Lambda do not resolve.
func drawRef(t *rapid.T, w *world, exact bool) ref {
	r := ref{Repo: below(t, len(w.Repos)), Digest: none, ID: none}
	if rare(t, 12) {
		r.Repo = gone
	}
	if !exact && rare(t, 2) {
		r.Host = pick(t, fips, dualstack, upper, alias, otherAccount, otherRegion, foreign)
	}
	images := 0
	if r.Repo >= 0 {
		images = len(w.Repos[r.Repo].Images)
	}
	if images > 0 && !rare(t, 5) { // of an image that is there
		n := below(t, images)
		i := w.Repos[r.Repo].Images[n]
		if len(i.Tags) > 0 && !rare(t, 3) {
			r.Tag = pick(t, i.Tags...)
		}
		if r.Tag == "" || rare(t, 3) {
			r.Digest = n
		}
		return r
	}
	r.Tag = pick(t, append([]string{"", "", "gone"}, tagPool...)...)
	if rare(t, 3) {
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
	u := use{By: pick(t, ways...), Count: below(t, 2), Publish: rare(t, 2)}
	u.Ref = drawRef(t, w, u.By != "snapshot" && u.By != "apprunner")
	if (u.By == "service" || u.By == "function") && rare(t, 2) {
		then := drawRef(t, w, true)
		u.Then = &then
		u.Outcome = pick(t, embedded.DeploymentSuccessful, embedded.DeploymentInProgress, embedded.DeploymentRolledBack)
	}
	return u
}

func drawSources(t *rapid.T) (list []source) {
	for _, kind := range some(t, pick(t, 1, 1, 2, 2, 3), "snapshot", "ecs", "lambda", "appRunner") {
		s := source{Kind: kind, AtLeast: pick(t, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1000)}
		if rare(t, 3) {
			s.Covers = []string{pick(t, "apps/**", "base", "!apps/web", "jobs/*")}
		}
		s.Broken = rare(t, 16)
		if s.Kind == "snapshot" {
			s.Ignored = rare(t, 3)
		}
		list = append(list, s)
	}
	return list
}

// The events, between plan and apply and during the apply.
var (
	happenings = []string{"use tag", "use digest", "retag", "steal tag", "list", "sign", "cosign", "delete", "archive"}
	between    = append([]string{"days", "push", "break", "empty snapshot"}, happenings...)
)

func drawEvent(t *rapid.T, w *world, what ...string) event {
	return event{What: pick(t, what...), Repo: below(t, len(w.Repos)), Target: below(t, 8), Other: below(t, 8), Tag: pick(t, "late-1", "pr-9", "v9.0.0", "latest"), Flag: rare(t, 2)}
}

// drawWorld draws a world.
func drawWorld(t *rapid.T) world {
	w := world{Policy: drawPolicy(t), Excluded: rare(t, 2), Now: pick(t, clockNow, givenNow, givenNow, givenPast), Saved: rare(t, 2), All: rare(t, 3), Ripe: rare(t, 2), Batch: pick(t, 1, 1, 1, 2, 3, 100)}
	simple := w.Excluded && rare(t, 2) // equal indexes may be in several repositories
	for n := range rapid.IntRange(1, len(repoNames)).Draw(t, "repositories") {
		w.Repos = append(w.Repos, drawRepo(t, n, simple))
	}
	if len(w.Repos) > 2 && rare(t, 2) {
		w.Repos[2].Region = "us-east-1"
	}
	if rare(t, 15) {
		w.Repos[below(t, len(w.Repos))].Unreadable = true
	}
	for r := range w.Repos {
		for i := range w.Repos[r].Images {
			if img := &w.Repos[r].Images[i]; !simple && img.isIndex() || rare(t, 2) {
				img.Seed += 100 * (r + 1)
			}
		}
	}
	w.NoTags = rare(t, 20)
	if rare(t, 12) {
		w.MaxDeletes = pick(t, 1, 2, 5)
	}
	w.Alias = rare(t, 2)
	w.Sources = drawSources(t)
	if len(w.Sources) > 0 {
		for range pick(t, 0, 1, 1, 2, 3) {
			w.Uses = append(w.Uses, drawUse(t, &w))
		}
	}
	if simple && rare(t, 3) {
		w.drawImageID(t)
	}
	for range pick(t, 0, 0, 0, 1) {
		if r := below(t, len(w.Repos)); len(w.Repos[r].Images) > 0 {
			w.Moves = append(w.Moves, move{r, below(t, len(w.Repos[r].Images)), pick(t, tagPool...)})
		}
	}
	if w.Saved {
		w.Pause = pick(t, 0, minute, day, 12*day)
		for range pick(t, 0, 1, 1, 2) {
			w.Between = append(w.Between, drawEvent(t, &w, between...))
		}
	}
	// After a day our own reading of an index may count as a pull, or may not.
	w.Excluded = w.Excluded || w.Pause >= day || w.Ripe && w.Policy.Grace > 0
	switch {
	case rare(t, 12):
		w.Flaky = 3 + below(t, 9)
		w.Now = givenPast
	case rare(t, 2):
		for range pick(t, 1, 2, 3) {
			d := during{Nth: below(t, 3), event: drawEvent(t, &w, happenings...), Takes: pick(t, 31*second, 31*second, 31*second, 0)}
			if d.What == "use tag" || d.What == "use digest" {
				d.Takes = pick(t, 301*second, 301*second, 0)
			}
			w.During = append(w.During, d)
		}
	}
	if rare(t, 3) {
		w.Kill = &kill{Repo: below(t, len(w.Repos)), Nth: below(t, 3), Acted: rare(t, 2)}
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
