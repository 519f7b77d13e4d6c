package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
)

// pullSlack is added to every pulledWithin: ECR refreshes lastRecordedPullTime
// only once in 24 hours, so that a pull may be that much later than recorded.
const pullSlack = 24 * time.Hour

// Input is what the verdicts on one repository follow from, and nothing else.
type Input struct {
	Graph *graph.Graph
	// Now is the time of judgement.
	Now image.Time
	// Uses is everything that is in use, in all repositories.
	Uses *Uses
	// Gaps are what could not be read and could hold a use of this repository.
	Gaps []image.Gap
	// Unfinished are images of this repository that an interrupted run may have
	// left of families whose roots it deleted, by digest. It may be nil.
	Unfinished map[image.Digest]Unfinished
}

// Result is what the rules say of one repository.
type Result struct {
	// Decisions has one entry for each root and orphan, by position.
	Decisions []Decision
	// Missing are uses that name an image of this repository that is not there.
	Missing []image.Use
	// Gaps are the gaps of the input and those of the repository itself.
	Gaps []image.Gap

	uses       []image.Use
	resolved   resolved
	evaluation *evaluation
}

// Decision is the verdict on one root or orphan and, with it, on its family.
// There are nearly as many as images; see RuleOf for what is not in it.
type Decision struct {
	Root    int32
	Verdict Verdict
	// Grace says how the grace period holds it, where it does.
	Grace Grace
	// rule is the position of its rule among those of the repository, or -1.
	rule    int16
	Reasons []Reason
}

// RuleOf returns the name of the rule that governs decision k, or "".
func (r *Result) RuleOf(k int) string {
	if u := r.evaluation.unfinished[k]; u != nil {
		return u.Rule
	}
	if rule := r.evaluation.rule(k); rule != nil {
		return rule.Name
	}
	return ""
}

// Selects reports whether the rule of decision k selects the tags that image i
// has itself, so that it would govern it as a root. An image without tags that
// rules see, and a decision without a rule, have nothing that could differ.
func (r *Result) Selects(k int, i int32) bool {
	rule, tags := r.evaluation.rule(k), r.evaluation.tags(i)
	return rule == nil || len(tags) == 0 || rule.matchTags(tags)
}

// InUse returns the reason why image i itself is in use, if it is.
func (r *Result) InUse(i int32) (Reason, bool) {
	uses := r.resolved.byImage[i]
	if len(uses) == 0 {
		return Reason{}, false
	}
	return inUse(r.uses, uses, ""), true
}

// UsesOf returns the uses that hold image i itself.
func (r *Result) UsesOf(i int32) []image.Use {
	var list []image.Use
	for _, u := range r.resolved.byImage[i] {
		list = append(list, r.uses[u])
	}
	return list
}

func inUse(all []image.Use, uses []int32, text string) Reason {
	first := slices.MinFunc(uses, func(a, b int32) int {
		return cmp.Or(cmp.Compare(stateRank(all[a].State), stateRank(all[b].State)), cmp.Compare(a, b))
	})
	return Reason{Code: CodeInUse, use: &all[first], n: int64(len(uses)), text: text}
}

func stateRank(s image.State) int {
	return slices.Index([]image.State{image.Running, image.Declared, image.Rollback}, s)
}

// evaluation is the state of judging one repository.
type evaluation struct {
	p      *Policy
	in     Input
	g      *graph.Graph
	walker *graph.Walker
	// rules are those that apply to the repository, with what they rank.
	rules []activeRule
	// protected has, by image, the position of the first protect entry that
	// holds plus one, or is nil where no entry applies here.
	protected []int16
	// whole are the gaps that hold the whole repository.
	whole []image.Gap
	// unread are the gaps that come from indexes that cannot be read. They hold
	// only what such an index could list.
	unread []image.Gap
	// unfinished has, by decision, what an interrupted run decided; no rule
	// governs those, and they take no other's place.
	unfinished map[int]*Unfinished
	// parents has what each image lives with, once somebody asked for it.
	parents map[int32][]int32
	result  *Result
}

// activeRule is a rule that applies to the repository.
type activeRule struct {
	*rule
	// ages are the resolved youngerThan of each keep.
	ages []time.Duration
	// governed are the positions in decisions of the roots it governs.
	governed []int32
	// condemn and condemnOrphan are why roots and orphans are marked, which most
	// share on the first run; nil until one is.
	condemn, condemnOrphan []Reason
	// ranks has, for each keep with newest, the place of each root that is among
	// the newest, by position in governed.
	ranks []map[int32]place
}

// place is where a root ranks, in which group.
type place struct {
	n     int
	group string
}

// Evaluate judges the roots and orphans of one repository. It cannot fail:
// whatever is not known keeps.
func (p *Policy) Evaluate(in Input) *Result {
	g := in.Graph
	e := &evaluation{p: p, in: in, g: g, walker: g.NewWalker(), result: &Result{uses: in.Uses.all}}
	r := e.result
	r.evaluation = e
	r.resolved = in.Uses.resolve(g)
	for _, u := range r.resolved.missing {
		r.Missing = append(r.Missing, in.Uses.all[u])
	}
	r.Gaps = slices.Clone(in.Gaps)
	e.findProtected()
	e.activate()
	e.whole = slices.Clone(r.Gaps)
	e.unreadable()
	e.decide()
	e.rank()
	for k := range r.Decisions {
		e.judge(&r.Decisions[k], k)
	}
	e.remaining()
	e.maxImages()
	e.archived()
	e.hold()
	return r
}

// tags returns the tags of an image that rules see.
func (e *evaluation) tags(i int32) []string { return e.p.marks.ordinary(e.g.Images[i].Tags) }

// findProtected matches the protect entries with every image.
func (e *evaluation) findProtected() {
	for k := range e.p.protect {
		pr := &e.p.protect[k]
		if !pr.repositories.Match(e.g.Repository.Name) {
			continue
		}
		if e.protected == nil {
			e.protected = make([]int16, len(e.g.Images))
		}
		for i := range e.protected {
			if e.protected[i] == 0 && (len(pr.tags) == 0 || slices.ContainsFunc(e.tags(int32(i)), func(t string) bool { return anyMatch(pr.tags, t) })) {
				e.protected[i] = int16(k + 1)
			}
		}
	}
}

// activate selects the rules that apply to the repository and reads the
// resource tags that they name. What cannot be read is a gap.
func (e *evaluation) activate() {
	repo := &e.g.Repository
	for k := range e.p.rules {
		r := &e.p.rules[k]
		if !r.repositories.Match(repo.Name) {
			continue
		}
		if repo.TagsError != nil && (len(r.RepositoryTags) > 0 || r.readsTags) {
			e.gap("the resource tags of the repository, which %s reads, are not known: %v", r.path, repo.TagsError)
		} else if !hasTags(repo.Tags, r.RepositoryTags) {
			continue
		}
		a := activeRule{rule: r, ages: make([]time.Duration, len(r.keeps)), ranks: make([]map[int32]place, len(r.keeps))}
		for i := range r.keeps {
			a.ages[i] = e.age(&r.keeps[i])
		}
		e.rules = append(e.rules, a)
	}
}

func (e *evaluation) gap(format string, args ...any) {
	e.result.Gaps = append(e.result.Gaps, image.Gap{Detail: fmt.Sprintf(format, args...)})
}

func hasTags(have, want map[string]string) bool {
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// age resolves youngerThan for this repository.
func (e *evaluation) age(k *keep) time.Duration {
	a := k.YoungerThan
	if a.RepositoryTag == "" {
		return a.Fixed
	}
	if e.g.Repository.TagsError != nil {
		return 0 // activate has made it a gap
	}
	value, ok := e.g.Repository.Tags[a.RepositoryTag]
	if !ok && a.HasDefault {
		return a.Default
	}
	if !ok {
		e.gap("the repository has no tag %s, which %s.youngerThan reads, and there is no default", a.RepositoryTag, k.path)
		return 0
	}
	d, err := parseAge(value, a.Unit)
	if err != nil {
		e.gap("the repository's tag %s, which %s.youngerThan reads: %v", a.RepositoryTag, k.path, err)
	}
	return d
}

// unreadable turns indexes whose children are not known into gaps.
func (e *evaluation) unreadable() {
	for n, i := range slices.Sorted(maps.Keys(e.g.Unreadable)) {
		if n == 3 {
			e.unread = append(e.unread, image.Gap{Detail: fmt.Sprintf("and %d more indexes cannot be read", len(e.g.Unreadable)-n)})
			break
		}
		e.unread = append(e.unread, image.Gap{Detail: fmt.Sprintf("the index %s cannot be read, so what it lists is not known: %s",
			e.g.Images[i].Digest, e.g.Unreadable[i])})
	}
	e.result.Gaps = append(e.result.Gaps, e.unread...)
}

// decide makes one decision for each root and orphan and finds its rule.
func (e *evaluation) decide() {
	e.result.Decisions = make([]Decision, 0, len(e.g.Roots)+len(e.g.Orphans))
	for _, i := range e.g.Roots {
		e.result.Decisions = append(e.result.Decisions, Decision{Root: i})
	}
	for _, i := range e.g.Orphans {
		e.result.Decisions = append(e.result.Decisions, Decision{Root: i})
	}
	governed := make([]int, len(e.rules)) // roots, by rule
	for k := range e.result.Decisions {
		d := &e.result.Decisions[k]
		if u, ok := e.interrupted(d.Root); ok {
			if e.unfinished == nil {
				e.unfinished = map[int]*Unfinished{}
			}
			found := u // u itself would be allocated for every root
			e.unfinished[k], d.rule = &found, -1
			continue
		}
		if d.rule = int16(e.governing(d.Root, e.isOrphan(k))); d.rule >= 0 {
			governed[d.rule]++
		}
	}
	for i := range e.rules {
		e.rules[i].governed = make([]int32, 0, governed[i])
	}
	for k := range e.result.Decisions {
		if r := e.rule(k); r != nil {
			r.governed = append(r.governed, int32(k))
		}
	}
}

// isOrphan reports whether decision k is about an orphan.
func (e *evaluation) isOrphan(k int) bool { return k >= len(e.g.Roots) }

// governing returns the position of the first rule that selects a root, or -1.
func (e *evaluation) governing(root int32, orphan bool) int {
	tags := e.tags(root)
	return slices.IndexFunc(e.rules, func(r activeRule) bool { return r.Orphans == orphan && r.matchTags(tags) })
}

// rule returns the rule that governs decision k, or nil.
func (e *evaluation) rule(k int) *activeRule {
	at := e.result.Decisions[k].rule
	if at < 0 {
		return nil
	}
	return &e.rules[at]
}
