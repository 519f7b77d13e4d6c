package oracle

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

const (
	second = int64(1000)
	day    = 24 * 3600 * second
)

// markTime reads the tag of a prefix and a Unix time of 9 to 11 digits.
func markTime(prefix, tag string) (ms int64, ok bool) {
	m := regexp.MustCompile(`\A` + regexp.QuoteMeta(prefix) + `([0-9]{9,11})\z`).FindStringSubmatch(tag)
	if m == nil {
		return 0, false
	}
	s, err := strconv.ParseInt(m[1], 10, 64)
	return s * second, err == nil && s > 0
}

// tags are the tags of an image that people gave it.
func (w *World) tags(img *Image) (tags []string) {
	for _, t := range img.Tags {
		_, used := markTime(w.Policy.MarkPrefix+"-", t)
		_, condemned := markTime("regsweep-condemned-", t)
		_, kept := markTime("regsweep-kept-", t)
		if !used && !condemned && !kept && (w.Policy.MarkName == "" || t != w.Policy.MarkName) {
			tags = append(tags, t)
		}
	}
	return tags
}

// age returns what youngerThan means here, or why that is not known.
func (w *World) age(a *Age) (ms int64, gap string) {
	if a.Tag == "" {
		return a.Fixed, ""
	}
	value, there := w.Repository.Tags[a.Tag]
	switch {
	case w.Repository.TagsUnknown:
		return 0, "tags not known"
	case !there && a.HasDefault:
		return a.Default, ""
	case !there:
		return 0, "no tag " + a.Tag
	}
	m := regexp.MustCompile(`\A\s*([0-9]+)([smhdw]?)\s*\z`).FindStringSubmatch(value)
	if m == nil {
		return 0, fmt.Sprintf("tag %s is %q", a.Tag, value)
	}
	unit := map[string]int64{"": a.Unit, "s": second, "m": 60 * second, "h": 3600 * second, "d": day, "w": 7 * day}[m[2]]
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || float64(n)*float64(unit) > float64(100*365*day) {
		return 0, "too large"
	}
	return n * unit, ""
}

// isVersion says whether a tag counts as a version in ranks and groups.
func isVersion(tag string) (*semver.Version, bool) {
	v, err := semver.NewVersion(tag)
	return v, err == nil && (strings.HasPrefix(tag, "v") || strings.Contains(tag, "."))
}

func (w *World) highest(img *Image) (best *semver.Version) {
	for _, t := range w.tags(img) {
		if v, ok := isVersion(t); ok && (best == nil || best.LessThan(v)) {
			best = v
		}
	}
	return best
}

// mayBeChild reports whether an index that cannot be read may list an image,
// which then is no root. It takes no other's place among the newest.
func (w *World) mayBeChild(img *Image) bool {
	unreadable := slices.ContainsFunc(w.Repository.Images, func(i Image) bool { return i.Unreadable })
	return unreadable && len(w.tags(img)) == 0
}

// newestFirst sorts roots as a rule ranks them.
func (w *World) newestFirst(roots []*Image, bySemver bool) []*Image {
	pushed := func(i *Image) int64 {
		if i.Pushed == 0 {
			return math.MinInt64
		}
		return i.Pushed
	}
	roots = slices.Clone(roots)
	slices.SortFunc(roots, func(a, b *Image) int {
		if x, y := w.mayBeChild(a), w.mayBeChild(b); x != y {
			if x {
				return 1
			}
			return -1
		}
		if bySemver {
			x, y := w.highest(a), w.highest(b)
			switch {
			case x != nil && y == nil:
				return -1
			case x == nil && y != nil:
				return 1
			case x != nil && !x.Equal(y):
				return y.Compare(x)
			}
		}
		return cmp.Or(cmp.Compare(pushed(b), pushed(a)), cmp.Compare(a.Digest, b.Digest))
	})
	return roots
}

// groups are the groups that a root is in; "none" is that of the others.
func (w *World) groups(img *Image, per string) (groups []string) {
	for _, t := range w.tags(img) {
		v, ok := isVersion(t)
		switch {
		case per == "semver.major" && ok:
			groups = append(groups, fmt.Sprintf("is %d", v.Major()))
		case per == "semver.minor" && ok:
			groups = append(groups, fmt.Sprintf("is %d.%d", v.Major(), v.Minor()))
		case strings.HasPrefix(per, "/"):
			if m := regexp.MustCompile(per[1 : len(per)-1]).FindStringSubmatch(t); m != nil {
				groups = append(groups, "is "+m[1])
			}
		}
	}
	if len(groups) == 0 {
		return []string{"none"}
	}
	return groups
}

// amongNewest reports whether a root is one of the n newest of one of its
// groups.
func (w *World) amongNewest(root *Image, governed []*Image, r *Rule, k *Keep) bool {
	ranked := w.newestFirst(governed, r.Semver)
	if k.Per == "" {
		return slices.Index(ranked, root) < k.Newest
	}
	return slices.ContainsFunc(w.groups(root, k.Per), func(group string) bool {
		better := 0
		for _, other := range ranked[:slices.Index(ranked, root)] {
			if slices.Contains(w.groups(other, k.Per), group) {
				better++
			}
		}
		return better < k.Newest
	})
}

// lastPull is the latest known pull of a root and of what it lists, or 0.
func (w *World) lastPull(root *Image) (latest int64) {
	for d := range w.listed(root) {
		img := w.image(d)
		pulled := img.Pulled
		// Our own reading of an index is no pull; somebody's pull of it shows on
		// what it lists, if any of that is there.
		if img.OwnPull && len(w.listed(img)) > 1 {
			pulled = img.PulledBefore
		}
		latest = max(latest, pulled)
	}
	return latest
}

// lastUse is the latest mark of use on a root and what it lists, or 0.
func (w *World) lastUse(root *Image) (latest int64) {
	for d := range w.listed(root) {
		for _, t := range w.image(d).Tags {
			if ms, ok := markTime(w.Policy.MarkPrefix+"-", t); ok {
				latest = max(latest, ms)
			}
		}
	}
	return latest
}

// fieldsHold reports whether all fields of a keep but maxImages hold for a
// root, with the codes of those that are set.
func (w *World) fieldsHold(root *Image, governed []*Image, r *Rule, k *Keep) (bool, []string) {
	hold, codes := true, []string{}
	field := func(set bool, code string, holds func() bool) {
		if set {
			codes = append(codes, code)
			hold = hold && holds()
		}
	}
	field(k.Newest > 0, "newest", func() bool { return w.amongNewest(root, governed, r, k) })
	field(k.YoungerThan != nil, "younger", func() bool {
		ms, _ := w.age(k.YoungerThan)
		return w.Now-root.Pushed <= ms
	})
	field(k.PulledWithin > 0, "pulled", func() bool {
		pulled := w.lastPull(root)
		return pulled == 0 || w.Now-pulled <= k.PulledWithin+day
	})
	field(k.UsedWithin > 0, "used", func() bool {
		used := w.lastUse(root)
		return used != 0 && w.Now-used <= k.UsedWithin
	})
	field(k.Semver != "", "semver", func() bool {
		c, err := semver.NewConstraint(k.Semver)
		if err != nil {
			panic(err)
		}
		c.IncludePrerelease = true
		return slices.ContainsFunc(w.tags(root), func(t string) bool {
			v, err := semver.NewVersion(t)
			return err == nil && c.Check(v)
		})
	})
	field(k.When != nil, "when", func() bool {
		return root.Size < k.When.Below && !slices.Contains(w.tags(root), k.When.Without)
	})
	return hold, codes
}
