package main

// The tests that notice.
var (
	graphTests  = test{pkg: "internal/graph", run: "Test"}
	law         = test{pkg: "internal/plan", run: "TestLaw|TestTruthTable|TestRepositoryTags|TestMaxShare|TestOwnReads|TestMaxDeletes"}
	grace       = test{pkg: "internal/plan", run: "TestGrace|TestCondemnedAt|TestConfirmMarks"}
	confirm     = test{pkg: "internal/plan", run: "TestPropertyConfirm|TestPropertySpare", args: []string{"-rapid.checks=200", "-rapid.shrinktime=1s"}}
	sweep       = test{pkg: "internal/app", run: "TestSweep"}
	journaled   = test{pkg: "internal/app", run: "TestJournalIsWritten|TestNothingIsDone"}
	readAgain   = test{pkg: "internal/app", run: "AreReadAgainDuringAnApply|IsReadAgainDuringAnApply"}
	waits       = test{pkg: "internal/app", run: "TestChangedWhileACallWaits"}
	answers     = test{pkg: "internal/registry/ecr", run: "TestDelete|TestImageGone|TestUnparsable"}
	pages       = test{pkg: "internal/awsapi", run: "TestPages"}
	collect     = test{pkg: "internal/usage", run: "TestCollect"}
	ecsTraps    = test{pkg: "internal/usage/ecs", run: "TestTraps"}
	randomWorld = test{pkg: "internal/model", run: "TestModel", args: []string{"-model.worlds=300", "-rapid.shrinktime=1s"}}
)

// mutants are the changes that would do most harm.
var mutants = []mutant{
	// The graph: what lives and dies together.
	{"an index does not hold what it lists", "internal/graph/graph.go",
		"children = append(children, edge{int32(i), j})", "_ = j", graphTests},
	{"an image does not hold what is attached to it", "internal/graph/graph.go",
		"referrers = append(referrers, edge{j, int32(i)})", "_ = j", graphTests},
	{"what is attached to an image is a root", "internal/graph/graph.go",
		"case listed[i] || attached[i]:", "case listed[i]:", graphTests},
	{"tags of cosign attach nothing", "internal/graph/graph.go",
		`case "", ".sig", ".att", ".sbom":`, `case "":`, graphTests},
	{"what a circle holds goes", "internal/plan/repository.go",
		"for _, c := range j.Graph.Circles {", "for _, c := range j.Graph.Circles[:0] {", law},

	// Uses, protect entries and gaps.
	{"a use by digest finds nothing", "internal/policy/uses.go",
		"protect(i, viaDigest, u.byDigest[img.Digest])", "protect(i, viaDigest, nil)", law},
	{"a use by tag finds nothing", "internal/policy/uses.go",
		"protect(i, viaTag, named.byTag[t])", "protect(i, viaTag, named.byTag[t][:0])", law},
	{"an image id that is not found keeps nothing", "internal/policy/uses.go",
		"lost(&r.whole, uses, viaID|viaDigest)", "_ = uses", law},
	{"a use of a referrer holds nothing", "internal/policy/judge.go",
		"e.walker.Family(d.Root, func(i int32) {\n\t\t// Of several", "e.walker.Listed(d.Root, func(i int32) {\n\t\t// Of several", law},
	{"protect is ignored", "internal/policy/judge.go",
		"if protector >= 0 {", "if protector > 1<<30 {", law},
	{"a gap is ignored", "internal/policy/evaluate.go",
		"e.whole = slices.Clone(r.Gaps)", "e.whole = nil", law},
	{"a resource tag that cannot be read is swallowed", "internal/policy/evaluate.go",
		"d, err := parseAge(value, a.Unit)\n\tif err != nil {", "d, err := parseAge(value, a.Unit)\n\tif err != nil && d > 0 {", law},
	{"an index that cannot be read is swallowed", "internal/policy/judge.go",
		"if len(e.unread) > 0 && e.couldBeListed(d.Root) {", "if len(e.unread) > 99 && e.couldBeListed(d.Root) {", law},

	// Rules.
	{"one matching tag of several selects", "internal/policy/compile.go",
		"return !slices.ContainsFunc(tags, func(t string) bool { return !matches(t) })", "return slices.ContainsFunc(tags, matches)", law},
	{"exactly 30 days are older than 30 days", "internal/policy/judge.go",
		"return int64(e.in.Now-t) <= d.Milliseconds()", "return int64(e.in.Now-t) < d.Milliseconds()", law},
	{"an unknown pull time is old", "internal/policy/judge.go",
		"if pulled.Known() && !e.within(pulled, k.PulledWithin+pullSlack) {", "if !e.within(pulled, k.PulledWithin+pullSlack) {", law},
	{"a pull has no day of slack", "internal/policy/evaluate.go",
		"const pullSlack = 24 * time.Hour", "const pullSlack = 0 * time.Hour", law},
	{"the oldest count as the newest", "internal/policy/rank.go",
		"return cmp.Or(cmp.Compare(b.pushed, a.pushed), cmp.Compare(a.root, b.root))", "return cmp.Or(cmp.Compare(a.pushed, b.pushed), cmp.Compare(a.root, b.root))", law},
	{"newest keeps one too few of each group", "internal/policy/rank.go",
		"count[g] <= n && !ok", "count[g] < n && !ok", law},

	// Verdicts and limits.
	{"a shared child goes with any of its roots", "internal/plan/repository.go",
		"if j.decision[i] == 0 || d.Verdict > j.Verdicts[i] {", "if j.decision[i] == 0 || d.Verdict < j.Verdicts[i] {", law},
	{"maxShare lets one more go", "internal/plan/repository.go",
		"float64(n) <= share*float64(len(j.Verdicts))+rounding {", "float64(n) <= share*float64(len(j.Verdicts))+rounding+1 {", law},
	{"maxDeletes lets one more go", "internal/plan/assemble.go",
		"over := n > max(limits.MaxDeletes, 0)", "over := n > max(limits.MaxDeletes, 0)+1", law},
	{"minRemaining keeps one too few", "internal/policy/judge.go",
		"for _, c := range e.newestRoots(n) {", "for _, c := range e.newestRoots(n - 1) {", law},
	{"the grace period is over at once", "internal/policy/grace.go",
		"case since.Known() && e.within(since, e.p.grace):", "case since.Known() && e.within(since, 0):", grace},
	{"a mark from before the push counts", "internal/policy/grace.go",
		"at > m.KeptAt() && at >= m.pushed {", "at > m.KeptAt() {", grace},

	// Apply.
	{"apply does not compare tags with the plan", "internal/plan/left.go",
		"case !slices.Equal(p.Tags, tags):", "case len(p.Tags) > 1<<30 && !slices.Equal(p.Tags, tags):", confirm},
	{"apply lets go what was not planned", "internal/plan/confirm.go",
		"if other < 0 && !confirmed[i] && goes(j.Verdicts[i]) {", "if other < -1 && !confirmed[i] && goes(j.Verdicts[i]) {", confirm},
	{"a tag that moves during an apply is not seen", "internal/plan/confirm.go",
		"return was[k] >= 0 && slices.Equal(now.Images[k].Tags, j.Graph.Images[i].Tags) &&", "return was[k] >= 0 &&", confirm},
	{"an image that was pushed again during an apply is not seen", "internal/plan/confirm.go",
		"; ok && now.Images[k].PushedAt == j.Graph.Images[i].PushedAt {", "; ok {", test{pkg: "internal/plan", run: "TestSpare"}},
	{"an image that was pushed again since the plan is not seen", "internal/plan/left.go",
		"case p.PushedAt != pushed:", "case p.PushedAt > pushed && p.PushedAt < pushed:", confirm},
	{"a use that is found during an apply hides a change", "internal/plan/confirm.go",
		"return j.wentAtFirst(i) && !same(i)", "return goes(j.Verdicts[i]) && !same(i)", test{pkg: "internal/plan", run: "TestSpare"}},
	{"usage is not read again during an apply", "internal/app/apply.go",
		"w.app.Now().Sub(w.at) < w.app.Recheck", "w.app.Recheck > 0", readAgain},
	{"images are not read again during an apply", "internal/app/apply.go",
		"if at.Sub(readAt) < stillFresh {", "if stillFresh > 0 {", readAgain},
	{"a deletion that waited is sent, whatever changed meanwhile", "internal/app/sweep.go",
		"if slices.ContainsFunc(images, func(i int32) bool { return s.judged.Verdicts[i] != verdict }) {", "if false {", waits},
	{"what comes into use during an apply is not spared", "internal/app/apply.go",
		"\t\t\ts.judged.Spare(k.uses)\n", "", readAgain},
	{"a use of a shared image spares no index that goes", "internal/plan/confirm.go",
		"held = held || stays(i)", "held = held || goes(j.Verdicts[i]) && stays(i)", test{pkg: "internal/plan", run: "TestSpare"}},
	{"what cannot be written down is done all the same", "internal/app/sweep.go",
		"number, err := s.ledger.before(ctx, journal.Delete, batch, manifests)\n\tif err != nil {", "number, err := s.ledger.before(ctx, journal.Delete, batch, manifests)\n\tif err != nil && number > 1<<30 {", journaled},
	{"what is listed is deleted before the index", "internal/app/sweep.go",
		"case !condemned(int32(i)) || waiting[i] > 0:", "case !condemned(int32(i)):", sweep},
	{"what the plan condemned goes, spared or not", "internal/app/sweep.go",
		"if s.judged.Verdicts[i] == policy.VerdictDelete {\n\t\t\ts.asked[i]", "{\n\t\t\ts.asked[i]", randomWorld},
	{"a gap holds what its source does not cover", "internal/app/app.go",
		"if g.covers.Match(repository) {", "if !g.covers.Match(repository) {", randomWorld},

	// What is read.
	{"what ECR refused to delete counts as gone", "internal/registry/ecr/writer.go",
		"return &registry.ReferencedError{Digest: d, Parents: digestsIn(aws.ToString(f.FailureReason), d)}", "return nil", answers},
	{"an answer without a list is an empty list", "internal/awsapi/pages.go",
		"if items == nil {", "if items == nil && page > 1<<30 {", pages},
	{"a list ends after its first page", "internal/awsapi/pages.go",
		`if next == nil || *next == "" {`, `if next == nil || *next != "" {`, pages},
	{"a page that cannot be read ends the list", "internal/awsapi/pages.go",
		"if err != nil {\n\t\t\t\tyield(nil, err)\n\t\t\t\treturn\n\t\t\t}\n\t\t\tif items == nil {", "if err != nil {\n\t\t\t\treturn\n\t\t\t}\n\t\t\tif items == nil {", pages},
	{"a repeated page token ends the list", "internal/awsapi/pages.go",
		"yield(nil, fmt.Errorf(\"page %d: %w\", page, ErrRepeatedToken))", "_ = fmt.Errorf", pages},
	{"a source that fails is no gap", "internal/usage/collect.go",
		"if len(causes) > 0 && !ignored {", "if len(causes) > 1 && !ignored {", collect},
	{"running tasks are no uses", "internal/usage/ecs/reader.go",
		"r.readTasks(ctx, clusters)", "_ = r.readTasks", ecsTraps},
}
