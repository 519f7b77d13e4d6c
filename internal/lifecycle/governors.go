package lifecycle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/policy"
)

// relation says which of the images that meet a requirement a rule of the
// configuration selects.
type relation uint8

const (
	none relation = iota // no image
	some                 // perhaps some
	all                  // every one
)

// selects relates a rule to a requirement. An image that meets it may have any
// other tags besides, and those of regsweep count as none. (What has only such
// tags is out of reach by the first rules.)
func (r *sourceRule) selects(want requirement) relation {
	if r.Orphans {
		return none // orphans have artifact tags, or none, or break the premise
	}
	found := r.selectsTags(want)
	if found == all && len(r.RepositoryTags) > 0 {
		return some // the tags of the repository can change
	}
	return found
}

func (r *sourceRule) selectsTags(want requirement) relation {
	switch {
	case len(r.Tags) == 0 && !r.Untagged:
		return all
	case want.status == Any:
		if r.Untagged && slices.Contains(r.Tags, "*") {
			return all
		}
		return some
	case want.status == Untagged:
		if r.Untagged {
			return all
		}
		return none
	}
	found := none
	for _, tag := range r.Tags {
		if glob, exact := native(tag); exact && contains(glob, want.pattern) && (r.AnyTag || glob == "*") {
			return all
		}
		if r.AnyTag || overlaps(wider(tag), want.pattern) {
			found = some
		}
	}
	return found
}

// express adds a native rule for a part of rule k, if everything that it expires
// is deleted by whichever rule governs it: that of k, or an earlier one that
// selects some of these images, or a later one where that of k needs every tag to
// match.
func (c *compiler) express(k int, want wanted, count CountType, number int) {
	r := &c.rules[k]
	if at := c.shieldOf(want.requirement); at != "" {
		c.note(r, false, "%s left out: what it selects is kept by %s", want.what, at)
		return
	}
	var added []shield
	var why string
	days := number
	if count == CountMoreThan {
		why = c.countsAlone(k, want.requirement)
	} else {
		days, added, why = c.governed(k, want.requirement, number)
	}
	action, does := Expire, "expire"
	if r.Action == policy.Archive {
		action, does = Transition, "archive"
	}
	if why == "" && !c.plain && c.acts != Keep && c.acts != action {
		why = "a policy that both archives and expires could expire platform images of an index that it archives (lifecycle compile --plain, where there are none)"
	}
	if why == "" && len(c.shields)+len(c.out)+len(added)+1 > MaxRules {
		why = fmt.Sprintf("ECR takes no more than %d rules", MaxRules)
	}
	if why != "" {
		c.note(r, false, "%s left out: %s", want.what, why)
		return
	}
	for _, s := range added {
		c.out = append(c.out, shieldRule(s))
		c.notes = append(c.notes, Note{r.path(), r.Name, true, fmt.Sprintf("a rule before it keeps what is tagged %s, for %s, which cannot be expressed", s.pattern, s.why)})
	}
	n := nativeRule{requirement: want.requirement, count: count, number: days, action: action}
	n.description = strings.TrimSpace(r.path() + " " + shortened(r.Name))
	c.out = append(c.out, n)
	c.acts = action
	text := fmt.Sprintf("%s: %s after %d days", want.what, does, days)
	switch {
	case count == CountMoreThan:
		text = fmt.Sprintf("%s: %s beyond the newest %d", want.what, does, days)
		if len(r.Tags) > 1 || len(r.Tags) == 1 && r.Untagged {
			text += ", counted for each pattern"
		}
	case days > number:
		text += fmt.Sprintf(" instead of %d, since another rule governs those with other tags too, and keeps them as long", number)
	}
	c.note(r, true, "%s", text)
}

// shieldOf returns what keeps every image that meets a requirement from later
// rules, or "".
func (c *compiler) shieldOf(want requirement) string {
	if want.status == Tagged {
		for _, s := range c.shields {
			if contains(s.pattern, want.pattern) {
				return "the first rules (" + s.why + ")"
			}
		}
	}
	for _, n := range c.out {
		if n.status == Any || n.status == want.status && (want.status != Tagged || contains(n.pattern, want.pattern)) {
			return "an earlier rule (" + n.description + ")"
		}
	}
	return ""
}

// countsAlone says why a native count would not rank within what rule k ranks:
// every image that it counts must be governed by that rule.
func (c *compiler) countsAlone(k int, want requirement) string {
	for i := range c.rules[:k] {
		if c.rules[i].selects(want) != none {
			return fmt.Sprintf("a policy would count what %s (%s) governs too", c.rules[i].path(), c.rules[i].Name)
		}
	}
	for _, mark := range c.marked {
		if want.status == Tagged && overlaps(mark, want.pattern) {
			return fmt.Sprintf("a policy would count what has no tags but those of regsweep (%s), which the rule does not select", mark)
		}
	}
	if c.rules[k].selects(want) != all {
		return "a policy would count images with other tags too, which the rule does not select (anyTag: true would)"
	}
	return ""
}

// governed returns after how many days every image that meets a requirement is
// deleted, whichever rule governs it, and the shields that this needs; or why it
// cannot be said.
func (c *compiler) governed(k int, want requirement, days int) (least int, added []shield, why string) {
	own := &c.rules[k]
	for i := range c.rules {
		r := &c.rules[i]
		found := r.selects(want)
		if found == none || c.outOfReach(r) {
			continue
		}
		need, cannot := ageOf(r.Keep)
		if cannot == "" && r.Action != own.Action && r.Action == policy.Archive {
			cannot = "it archives"
		}
		switch {
		case cannot == "":
			days = max(days, need+inDays(c.spec.Grace))
		case found == all || len(r.Tags) == 0 || want.status != Tagged && r.Untagged:
			return 0, nil, fmt.Sprintf("%s (%s) governs %s too, and %s", r.path(), r.Name, want.others(found), cannot)
		default:
			more := shieldsFor(r)
			if slices.ContainsFunc(more, func(s shield) bool { return want.status == Tagged && contains(s.pattern, want.pattern) }) {
				return 0, nil, fmt.Sprintf("%s (%s) may govern any of them, and %s", r.path(), r.Name, cannot)
			}
			for _, m := range more {
				if c.shieldOf(requirement{Tagged, m.pattern}) == "" {
					added = withShield(added, m)
				}
			}
		}
		if found == all {
			return days, added, ""
		}
	}
	return 0, nil, fmt.Sprintf("an image that is tagged %s and something else may be governed by no rule, and a policy cannot leave it out (anyTag: true, or a last rule for all images)", want)
}

// others names the images of a requirement that another rule may govern.
func (r requirement) others(found relation) string {
	if found == all {
		return "these images"
	}
	return "some of these images"
}

// outOfReach reports whether every image that a rule selects is kept from further
// native rules by those that are there.
func (c *compiler) outOfReach(r *sourceRule) bool {
	if len(r.Tags) == 0 && !r.Untagged {
		return false
	}
	if r.Untagged && c.shieldOf(requirement{status: Untagged}) == "" {
		return false
	}
	for _, tag := range r.Tags {
		if c.shieldOf(requirement{Tagged, wider(tag)}) == "" {
			return false
		}
	}
	return true
}

// shieldsFor returns shields that keep what a rule may select by its tags.
func shieldsFor(r *sourceRule) (shields []shield) {
	for _, tag := range r.Tags {
		shields = append(shields, shield{wider(tag), fmt.Sprintf("%s (%s)", r.path(), r.Name)})
	}
	return shields
}

// shortened returns a name that leaves the document room for its rules.
func shortened(name string) string {
	const most = 100
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return name
}
