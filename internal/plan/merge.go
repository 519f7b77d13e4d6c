package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/policy"
)

// MergeError says why plans cannot be joined.
type MergeError struct{ Detail string }

func (e *MergeError) Error() string { return e.Detail }

// Merge joins the plans of the shards of one run into the plan that the run
// would have made without shards. It takes all of them, each once, of the same
// version, configuration and registries, in any order; anything else is a
// *MergeError. They are of the same scope, and no repository may be in two of
// them. A source must be a gap in all of them or in none: one run would hold all
// that the gap covers. The paths name the plans in errors; a plan without one is
// named by its number.
func Merge(plans []*Plan, paths []string, limits policy.Limits, price Price) (*Plan, error) {
	first := plans[0]
	name := func(n int) string {
		if n < len(paths) {
			return paths[n]
		}
		return fmt.Sprintf("plan %d", n+1)
	}
	merged := &Plan{Tool: first.Tool, Config: first.Config, CreatedAt: first.CreatedAt, Scope: first.Scope, Sources: slices.Clone(first.Sources)}
	for _, check := range []func([]*Plan, func(int) string) error{checkVersions, checkShards, checkScopes, checkGaps} {
		if err := check(plans, name); err != nil {
			return nil, err
		}
	}
	registries, in := map[string]int{}, map[string]int{} // positions, and in how many plans each is
	for n, p := range plans {
		if p.CreatedAt.After(merged.CreatedAt) {
			merged.CreatedAt = p.CreatedAt
		}
		merged.Warnings = append(merged.Warnings, p.Warnings...)
		if err := merged.mergeSources(p.Sources); err != nil {
			return nil, err
		}
		for _, reg := range p.Registries {
			at, ok := registries[reg.Name]
			if !ok {
				at = len(merged.Registries)
				registries[reg.Name] = at
				merged.Registries = append(merged.Registries, Registry{Name: reg.Name, Host: reg.Host})
			}
			in[reg.Name]++
			into := &merged.Registries[at]
			if into.Host != reg.Host {
				return nil, &MergeError{fmt.Sprintf("%s cannot be joined: registry %s is %s in it and %s in another", name(n), reg.Name, reg.Host, into.Host)}
			}
			into.Repositories = append(into.Repositories, reg.Repositories...)
		}
	}
	for _, reg := range merged.Registries {
		if in[reg.Name] != len(plans) {
			return nil, &MergeError{fmt.Sprintf("the plans cannot be joined: only some of them are about the registry %s", reg.Name)}
		}
		if err := reg.checkOnce(); err != nil {
			return nil, err
		}
	}
	return merged, merged.finish(limits, price, true)
}

// checkVersions reports whether the plans are of one format, version and
// configuration.
func checkVersions(plans []*Plan, name func(int) string) error {
	for n, p := range plans {
		for _, c := range []struct{ what, a, b string }{
			{"formats", p.Schema, Schema}, {"versions of regsweep", p.Tool, plans[0].Tool}, {"configurations", p.Config, plans[0].Config},
		} {
			if c.a != c.b {
				return &MergeError{fmt.Sprintf("%s cannot be joined: plans of several %s (%s and %s)", name(n), c.what, c.a, c.b)}
			}
		}
	}
	return nil
}

// checkGaps reports whether each source is a gap in all plans or in none. One run
// would hold all that the gap covers, and the others let some of it go.
func checkGaps(plans []*Plan, name func(int) string) error {
	for _, s := range plans[0].Sources {
		var gaps []string
		for n, p := range plans {
			if slices.ContainsFunc(p.Sources, func(other Source) bool { return other.Name == s.Name && other.isGap() }) {
				gaps = append(gaps, fmt.Sprintf("%s (shard %s)", name(n), p.Shard))
			}
		}
		if len(gaps) > 0 && len(gaps) < len(plans) {
			list := strings.Join(gaps[:min(len(gaps), 4)], ", ")
			if n := len(gaps) - 4; n > 0 {
				list += fmt.Sprintf(" and %d more", n)
			}
			return &MergeError{fmt.Sprintf("usage source %s is a gap in %s and not in the others, which let go what it could hold: make what has the gap again, with the flags of the others", s.Name, list)}
		}
	}
	return nil
}

// mergeSources joins what two plans say of the sources. All shards read the same.
func (p *Plan) mergeSources(sources []Source) error {
	find := func(in []Source, name string) int {
		return slices.IndexFunc(in, func(s Source) bool { return s.Name == name })
	}
	for i := range p.Sources {
		into := &p.Sources[i]
		at := find(sources, into.Name)
		if at < 0 {
			return &MergeError{fmt.Sprintf("the plans cannot be joined: only some of them know the usage source %s", into.Name)}
		}
		if s := sources[at]; s.Status != "ok" && into.Status == "ok" {
			*into = s
		}
	}
	for _, s := range sources {
		if find(p.Sources, s.Name) < 0 {
			return &MergeError{fmt.Sprintf("the plans cannot be joined: only some of them know the usage source %s", s.Name)}
		}
	}
	return nil
}

func (reg *Registry) checkOnce() error {
	slices.SortStableFunc(reg.Repositories, func(a, b Repository) int { return cmp.Compare(a.Name, b.Name) })
	for i := 1; i < len(reg.Repositories); i++ {
		if a := reg.Repositories[i].Name; a == reg.Repositories[i-1].Name {
			return &MergeError{fmt.Sprintf("repository %s of %s is in two of the plans, or twice in one", a, reg.Name)}
		}
	}
	return nil
}

// heldBefore counts the images that a shard held for its own limits.maxDeletes.
// A repository of which something still goes is none of those.
func (r *Repository) heldBefore() (n int, err error) {
	if r.Totals.Held == 0 {
		return 0, nil
	}
	err = r.Each(func(img *Image) error {
		if overMaxDeletes(img) {
			n++
		}
		return nil
	})
	return n, err
}

// overMaxDeletes reports whether the limit of the run holds an image.
func overMaxDeletes(img *Image) bool {
	return img.Verdict == policy.VerdictHeld && len(img.Reasons) > 0 && img.Reasons[0].Path == maxDeletesPath
}

// maxDeletesPath is the place of the run's limit in the configuration.
const maxDeletesPath = "limits.maxDeletes"
