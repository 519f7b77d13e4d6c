// Package oracletest draws policies in the types of the oracle, for the tests that
// compare with it. Ages and times are few, so that many are equal or at an edge.
package oracletest

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/oracle"
)

// day is a day in milliseconds, in which the oracle counts.
const day = int64(24 * 3600 * 1000)

// Rare is true once in so many draws; failures shrink towards false.
func Rare(t *rapid.T, once int) bool { return rapid.IntRange(1, once).Draw(t, "rare") == once }

// Pick draws one of some values; failures shrink towards the first.
func Pick[T any](t *rapid.T, of ...T) T { return rapid.SampledFrom(of).Draw(t, "pick") }

// Some draws so many of some values at most, each once.
func Some[T comparable](t *rapid.T, most int, of ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, min(most, len(of)), rapid.ID[T]).Draw(t, "some")
}

// ResourceTags are resource tags of a repository, which rules read or do not, and
// of which some cannot be parsed.
var ResourceTags = []map[string]string{nil, {"Sweep": "true"}, {"Sweep": "false", "Days": "30"}, {"Sweep": "true", "Days": "9w"},
	{"Days": " 10d "}, {"Days": "0"}, {"Days": "many"}, {"Sweep": "true", "Days": "-1"}, {"Days": "99999999999"}}

var tagPatterns = []string{"pr-*", "v*", "*", "?", "dev-?", "latest", "/^[0-9.]+$/", "/-/", "sha256-*", "in-use*", "production", "*.sig"}

// Policies draws what a policy is made of.
type Policies struct {
	// Repositories are the globs that rules and protect entries have, and Protected
	// those of which each entry that is about repositories has one.
	Repositories, Protected []string
	// Without are the tags that expressions name; none is no expressions.
	Without []string
	// NoMaxImages leaves that keep out.
	NoMaxImages bool
}

// Keep draws an entry.
func (p *Policies) Keep(t *rapid.T, orphans bool) oracle.Keep {
	var k oracle.Keep
	for {
		switch rapid.IntRange(0, 9).Draw(t, "keep") {
		case 0, 1:
			if !orphans {
				k.Newest = Pick(t, 1, 1, 2, 3)
				k.Per = Pick(t, "", "", "", "/^([a-z]+)-/", "/^([a-z]*)-?/", "semver.major", "semver.minor")
			}
		case 2:
			k.YoungerThan = &oracle.Age{Fixed: Pick(t, day, 10*day, 30*day)}
		case 3:
			k.YoungerThan = &oracle.Age{Tag: "Days", Unit: day}
			if !Rare(t, 4) {
				k.YoungerThan.HasDefault, k.YoungerThan.Default = true, 10*day
			}
		case 4:
			k.PulledWithin = Pick(t, 30*day, 9*day)
		case 5:
			k.UsedWithin = Pick(t, day, 30*day)
		case 6:
			k.Semver = Pick(t, ">=1.2.0", "^1.0", "~2.0", "<2", "1.2.x")
		case 7, 8:
			if !orphans && !p.NoMaxImages {
				k.MaxImages = Pick(t, 1, 2, 3, 4, 6)
			}
		case 9:
			if len(p.Without) > 0 && Rare(t, 3) { // compiling one takes long
				k.When = &oracle.When{Below: Pick(t, int64(1000), 100_000), Without: Pick(t, p.Without...)}
			}
		}
		if k != (oracle.Keep{}) && !Rare(t, 3) {
			return k
		}
	}
}

// Rules draws a list of rules. Mostly the last governs all roots that are left.
func (p *Policies) Rules(t *rapid.T) (rules []oracle.Rule) {
	for range Pick(t, 0, 1, 1, 2) {
		rules = append(rules, p.rule(t))
	}
	if !Rare(t, 5) {
		rest := p.rule(t)
		rest.Repositories, rest.RepositoryTags, rest.Tags, rest.AnyTag, rest.Untagged, rest.Orphans = nil, nil, nil, false, false, false
		rules = append(rules, rest)
	}
	return rules
}

func (p *Policies) rule(t *rapid.T) oracle.Rule {
	r := oracle.Rule{Orphans: Rare(t, 4), Archive: Rare(t, 4)}
	if Rare(t, 6) {
		r.Repositories = Some(t, 3, p.Repositories...)
	}
	if Rare(t, 10) {
		r.RepositoryTags = map[string]string{"Sweep": "true"}
	}
	if Rare(t, 3) {
		r.Tags = Some(t, 3, tagPatterns...)
		r.AnyTag = len(r.Tags) > 0 && Rare(t, 3)
	}
	if !r.Orphans {
		r.Untagged, r.Semver = Rare(t, 6), Rare(t, 4)
	}
	for range Pick(t, 1, 0, 1, 2, 3) {
		r.Keeps = append(r.Keeps, p.Keep(t, r.Orphans))
	}
	return r
}

// Protect draws a protect entry.
func (p *Policies) Protect(t *rapid.T) oracle.Protect {
	e := oracle.Protect{Tags: Some(t, 2, tagPatterns...)}
	if len(e.Tags) == 0 || Rare(t, 3) {
		e.Repositories = append(Some(t, 1, p.Repositories...), Pick(t, p.Protected...))
		slices.Sort(e.Repositories)
		e.Repositories = slices.Compact(e.Repositories)
	}
	return e
}
