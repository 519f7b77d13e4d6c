package lifecycle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxRead bounds what is read at all: far above what ECR takes, so that a
// document that is only too long is still checked.
const maxRead = 1 << 20

// Parse reads a policy document strictly, and returns every mistake in it, in
// the order of the document. The policy is nil if there is one.
func Parse(text []byte) (*Policy, []Mistake) {
	p := parser{}
	if n := utf8.RuneCount(text); n > MaxText {
		p.mistakes = append(p.mistakes, Mistake{"", 1, 1, fmt.Sprintf("the document has %s characters, and ECR takes %s", thousands(n), thousands(MaxText))})
	} else if n < MinText {
		p.mistakes = append(p.mistakes, Mistake{"", 1, 1, fmt.Sprintf("the document has %d characters, and ECR takes none below %d: indent it, or describe the rules", n, MinText)})
	}
	if len(text) > maxRead {
		return nil, p.mistakes
	}
	root, ok := p.parseJSON(text)
	if !ok {
		return nil, p.mistakes
	}
	policy := p.policy(root)
	if len(p.mistakes) > 0 {
		return nil, p.sorted()
	}
	return policy, nil
}

type parser struct{ reader }

// thousands writes a number as people read it.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// fields reads an object with these fields; those that are not there are nil.
func (p *parser) fields(n *node, path string, names ...string) map[string]*node {
	if !n.object {
		p.mistake(n.at, path, "want an object with %s, not %s", strings.Join(names, ", "), n.kind())
		return nil
	}
	found := map[string]*node{}
	for i := range n.members {
		m := &n.members[i]
		if !slices.Contains(names, m.name) {
			p.mistake(m.at, join(path, m.name), "unknown field%s", suggestion(m.name, names))
			continue
		}
		found[m.name] = &m.value
	}
	return found
}

// required notes that a field of an object is missing.
func (p *parser) required(n *node, fields map[string]*node, path, name, hint string) *node {
	if fields == nil {
		return nil
	}
	value := fields[name]
	if value == nil {
		p.mistake(n.at, join(path, name), "this field is missing: %s", hint)
	}
	return value
}

// text reads a string; ok is false where it is none, or no node at all.
func (p *parser) text(n *node, path string) (string, bool) {
	if n == nil {
		return "", false
	}
	s, ok := n.value.(string)
	if !ok {
		p.mistake(n.at, path, "want a string, not %s", n.kind())
	}
	return s, ok
}

// one reads one of some words.
func one[T ~string](p *parser, n *node, path string, words ...T) (T, bool) {
	s, ok := p.text(n, path)
	if !ok || slices.Contains(words, T(s)) {
		return T(s), ok
	}
	var names []string
	for _, w := range words {
		names = append(names, string(w))
	}
	hint := suggestion(s, names)
	if hint == "" {
		hint = ": write " + either(names)
	}
	p.mistake(n.at, path, "%q is unknown%s", s, hint)
	return "", false
}

// positive reads a whole number from 1; it returns 0 for what is none.
func (p *parser) positive(n *node, path string) int {
	if n == nil {
		return 0
	}
	number, ok := n.value.(json.Number)
	if !ok {
		p.mistake(n.at, path, "want a whole number, not %s", n.kind())
		return 0
	}
	v, err := strconv.Atoi(number.String())
	switch {
	case err != nil:
		p.mistake(n.at, path, "want a whole number, not %s", number)
	case v < 1:
		p.mistake(n.at, path, "%d is too small: 1 is the least", v)
	case v > math.MaxInt32:
		p.mistake(n.at, path, "%d is too large", v)
	default:
		return v
	}
	return 0
}

func (p *parser) policy(root node) *Policy {
	fields := p.fields(&root, "", "rules")
	rules := p.required(&root, fields, "", "rules", "a policy is {\"rules\": [ … ]}")
	if rules == nil {
		return nil
	}
	if !rules.list {
		p.mistake(rules.at, "rules", "want a list of rules, not %s", rules.kind())
		return nil
	}
	switch n := len(rules.items); {
	case n == 0:
		p.mistake(rules.at, "rules", "there is no rule; a repository without rules has no policy")
	case n > MaxRules:
		p.mistake(rules.items[MaxRules].at, fmt.Sprintf("rules[%d]", MaxRules), "the policy has %d rules, and ECR takes %d", n, MaxRules)
	}
	policy := &Policy{}
	priorities := map[int]int{}
	for i := range rules.items {
		r, priorityAt := p.rule(&rules.items[i], i)
		if first, ok := priorities[r.Priority]; ok && r.Priority > 0 {
			p.mistake(priorityAt, r.Path()+".rulePriority", "rules[%d] has priority %d too; each rule needs its own", first, r.Priority)
		} else {
			priorities[r.Priority] = i
		}
		policy.Rules = append(policy.Rules, r)
	}
	p.last(policy, rules)
	slices.SortStableFunc(policy.Rules, func(a, b Rule) int { return cmp.Compare(a.Priority, b.Priority) })
	return policy
}

// last checks that a rule for any image is the only one of its storage class,
// and applied after all others.
func (p *parser) last(policy *Policy, rules *node) {
	first := map[Storage]*Rule{}
	for i := range policy.Rules {
		r := &policy.Rules[i]
		if r.Selection.TagStatus != Any {
			continue
		}
		at := rules.items[i].at
		if other := first[r.Selection.Storage]; other != nil {
			p.mistake(at, r.Path()+".selection.tagStatus", "%s selects any image too; only one rule of a storage class can", other.Path())
			continue
		}
		first[r.Selection.Storage] = r
		for k := range policy.Rules {
			other := &policy.Rules[k]
			if other.Selection.TagStatus != Any && other.Selection.Storage == r.Selection.Storage && other.Priority > r.Priority && r.Priority > 0 {
				p.mistake(at, r.Path()+".rulePriority", "a rule that selects any image comes last, and %s has the higher priority number %d", other.Path(), other.Priority)
				break
			}
		}
	}
}

func (p *parser) rule(n *node, i int) (r Rule, priorityAt int) {
	r = Rule{Index: i}
	r.Line, r.Column = place(p.reader.text, n.at)
	path := r.Path()
	fields := p.fields(n, path, "rulePriority", "description", "selection", "action")
	priority := p.required(n, fields, path, "rulePriority", "a number from 1; the lowest is applied first")
	r.Priority = p.positive(priority, path+".rulePriority")
	if priority != nil {
		priorityAt = priority.at
	}
	r.Description, _ = p.text(fields["description"], path+".description")
	action := p.required(n, fields, path, "action", `{"type": "expire"} or {"type": "transition", "targetStorageClass": "archive"}`)
	if action != nil {
		r.Action = p.action(action, path+".action")
	}
	selection := p.required(n, fields, path, "selection", "it says which images the rule is about")
	if selection != nil {
		r.Selection = p.selection(selection, path+".selection")
		p.combination(selection, action, &r)
	}
	return r, priorityAt
}

func (p *parser) action(n *node, path string) Action {
	fields := p.fields(n, path, "type", "targetStorageClass")
	kind, ok := one(p, p.required(n, fields, path, "type", "write expire or transition"), path+".type", Expire, Transition)
	target, given := one(p, fields["targetStorageClass"], path+".targetStorageClass", Archive)
	switch {
	case !ok:
	case kind == Transition && fields["targetStorageClass"] == nil:
		p.mistake(n.at, path+".targetStorageClass", "this field is missing: a transition goes to \"archive\"")
	case kind == Expire && given:
		p.mistake(fields["targetStorageClass"].at, path+".targetStorageClass", "expire has no target %q; the action of archiving is transition", target)
	}
	return kind
}

func (p *parser) selection(n *node, path string) Selection {
	fields := p.fields(n, path, "tagStatus", "tagPatternList", "tagPrefixList", "storageClass", "countType", "countUnit", "countNumber")
	s := Selection{Storage: Standard}
	var ok bool
	s.TagStatus, ok = one(p, p.required(n, fields, path, "tagStatus", "write tagged, untagged or any"), path+".tagStatus", Tagged, Untagged, Any)
	patterns, prefixes := fields["tagPatternList"], fields["tagPrefixList"]
	s.Patterns = p.tags(patterns, path+".tagPatternList", true)
	s.Prefixes = p.tags(prefixes, path+".tagPrefixList", false)
	if patterns != nil && prefixes != nil {
		p.mistake(prefixes.at, path+".tagPrefixList", "a rule has tagPatternList or tagPrefixList, not both; a prefix is the pattern that ends in *")
	}
	switch {
	case !ok || fields == nil:
	case s.TagStatus == Tagged && patterns == nil && prefixes == nil:
		p.mistake(n.at, path+".tagPatternList", "this field is missing: tagged images are selected by tagPatternList or tagPrefixList ([\"*\"] for all of them)")
	case s.TagStatus != Tagged:
		for _, f := range []string{"tagPatternList", "tagPrefixList"} {
			if list := fields[f]; list != nil {
				p.mistake(list.at, path+"."+f, "a rule for %s images takes no tags; they go with \"tagStatus\": \"tagged\"", s.TagStatus)
			}
		}
	}
	if storage, ok := one(p, fields["storageClass"], path+".storageClass", Standard, Archive); ok {
		s.Storage = storage
	}
	s.CountType, ok = one(p, p.required(n, fields, path, "countType", "write imageCountMoreThan, sinceImagePushed, sinceImagePulled or sinceImageTransitioned"),
		path+".countType", CountMoreThan, SincePushed, SincePulled, SinceTransitioned)
	s.CountNumber = p.positive(p.required(n, fields, path, "countNumber", "a number from 1, of images or of days"), path+".countNumber")
	unit, unitOK := one(p, fields["countUnit"], path+".countUnit", "days")
	switch {
	case !ok:
	case s.CountType == CountMoreThan && unitOK:
		p.mistake(fields["countUnit"].at, path+".countUnit", "imageCountMoreThan counts images, not %s", unit)
	case s.CountType != CountMoreThan && fields["countUnit"] == nil:
		p.mistake(n.at, path+".countUnit", "this field is missing: %s counts \"days\"", s.CountType)
	}
	return s
}

// tags reads a list of patterns or prefixes.
func (p *parser) tags(n *node, path string, patterns bool) []string {
	if n == nil {
		return nil
	}
	if !n.list {
		p.mistake(n.at, path, "want a list of strings, not %s", n.kind())
		return nil
	}
	if len(n.items) == 0 {
		p.mistake(n.at, path, "the list is empty; [\"*\"] in tagPatternList is all tagged images")
	}
	var all []string
	for i := range n.items {
		item := &n.items[i]
		here := fmt.Sprintf("%s[%d]", path, i)
		s, ok := p.text(item, here)
		switch stars := strings.Count(s, "*"); {
		case !ok:
			continue
		case s == "":
			p.mistake(item.at, here, "this matches no tag")
		case patterns && stars > MaxWildcards:
			p.mistake(item.at, here, "%q has %d wildcards, and ECR takes %d", s, stars, MaxWildcards)
		case slices.Contains(all, s):
			p.mistake(item.at, here, "%q is in the list twice", s)
		}
		all = append(all, s)
	}
	return all
}

// combination checks which storage class and action go with what is counted.
func (p *parser) combination(selection, action *node, r *Rule) {
	s := &r.Selection
	at := func(n *node) int {
		if n == nil {
			return selection.at
		}
		return n.at
	}
	var wantStorage Storage
	switch s.CountType {
	case "":
		return
	case SinceTransitioned:
		wantStorage = Archive
	default:
		wantStorage = Standard
	}
	if s.Storage != wantStorage {
		hint := "it says how long images are in the archive: write \"storageClass\": \"archive\""
		if wantStorage == Standard {
			hint = "it is about images of the storage class standard; those of the archive go by sinceImageTransitioned"
		}
		p.mistake(selection.at, r.Path()+".selection.storageClass", "%s does not go with %s: %s", s.Storage, s.CountType, hint)
	}
	switch {
	case s.CountType == SincePulled && r.Action == Expire:
		p.mistake(at(action), r.Path()+".action.type", "sinceImagePulled can only archive: write {\"type\": \"transition\", \"targetStorageClass\": \"archive\"}")
	case s.CountType == SinceTransitioned && r.Action == Transition:
		p.mistake(at(action), r.Path()+".action.type", "what is in the archive can only expire")
	}
}
