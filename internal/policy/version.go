package policy

import (
	"strings"

	"github.com/Masterminds/semver/v3"
)

// version reads a tag as a semantic version, for ordering and grouping:
// "1.2", "1.2.3-rc.1", "v2". It must have a dot or a leading v: a tag of digits
// only is as likely a build number or a commit, and would outrank every release.
func version(tag string) (*semver.Version, bool) {
	if !strings.HasPrefix(tag, "v") && !strings.Contains(tag, ".") {
		return nil, false
	}
	v, err := semver.NewVersion(tag)
	return v, err == nil
}

// highest returns the highest version among tags, or nil.
func highest(tags []string) *semver.Version {
	var best *semver.Version
	for _, t := range tags {
		if v, ok := version(t); ok && (best == nil || v.GreaterThan(best)) {
			best = v
		}
	}
	return best
}

// satisfies returns the first tag that satisfies the constraint. Here digits
// alone are a version too, since matching more keeps more.
func satisfies(c *semver.Constraints, tags []string) (string, bool) {
	for _, t := range tags {
		if v, err := semver.NewVersion(t); err == nil && c.Check(v) {
			return t, true
		}
	}
	return "", false
}
