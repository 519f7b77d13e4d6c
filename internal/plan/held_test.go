package plan_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// TestHeldBack counts families by why their roots are held, and not what only
// waits for the grace period.
func TestHeldBack(t *testing.T) {
	gap := plan.Reason{Code: policy.CodeGap, Detail: "ecs: denied"}
	limit := plan.Reason{Code: policy.CodeLimit, Detail: "too many"}
	grace := plan.Reason{Code: policy.CodeGrace, Detail: "it cannot be marked"}
	digest := func(name string) image.Digest { return image.DigestOf([]byte(name)) }
	root := func(name string, verdict policy.Verdict, why plan.Reason) plan.Image {
		return plan.Image{Digest: digest(name), Root: digest(name), Verdict: verdict, Reasons: []plan.Reason{why, {Code: policy.CodeNotKept}}}
	}
	member := plan.Image{Digest: digest("m"), Root: digest("b"), Verdict: policy.VerdictHeld, Reasons: []plan.Reason{{Code: policy.CodeFamily}}}
	waiting, marked := root("c", policy.VerdictHeld, grace), root("d", policy.VerdictHeld, grace)
	waiting.CondemnedAt, marked.Mark = 1, plan.Condemn
	repository := func(name string, images ...plan.Image) plan.Repository {
		return plan.NewRepository(name, plan.Totals{Held: len(images)}, "", plan.List(images))
	}
	p := &plan.Plan{Registries: []plan.Registry{{Name: "prod", Repositories: []plan.Repository{
		repository("apps/api", root("a", policy.VerdictHeld, gap), root("e", policy.VerdictDelete, limit)),
		repository("apps/web", member, root("b", policy.VerdictHeld, gap), waiting, marked, root("f", policy.VerdictHeld, grace)),
		repository("jobs", root("g", policy.VerdictHeld, limit), root("h", policy.VerdictHeld, limit)),
		plan.Unread("gone", "denied"),
	}}}}
	got, err := p.HeldBack()
	if err != nil {
		t.Fatal(err)
	}
	want := []plan.HeldBack{
		{Images: 3, Repositories: 2, Reason: gap},
		{Images: 2, Repository: "prod/jobs", Repositories: 1, Reason: limit},
		{Images: 1, Repository: "prod/apps/web", Repositories: 1, Reason: grace},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	unreadable := errors.New("unreadable")
	p.Registries[0].Repositories[2] = plan.NewRepository("jobs", plan.Totals{Held: 1}, "", plan.Visitable(func(func(*plan.Image) error) error { return unreadable }))
	if _, err := p.HeldBack(); !errors.Is(err, unreadable) {
		t.Errorf("error %v", err)
	}
}

// TestGaps names what HasGaps is about, and no gap that was overridden.
func TestGaps(t *testing.T) {
	p := &plan.Plan{
		Sources: []plan.Source{{Name: "ecs", Status: "gap", Detail: "denied"}, {Name: "batch", Status: "gap", Ignored: true}, {Name: "lambda", Status: "ok"}},
		Registries: []plan.Registry{{Name: "prod", Repositories: []plan.Repository{
			plan.NewRepository("apps/web", plan.Totals{}, "", nil), plan.Unread("apps/api", "no such right"),
		}}},
	}
	sources, repositories := p.Gaps()
	if diff := cmp.Diff([][]string{{"ecs: denied"}, {"prod/apps/api could not be read: no such right"}}, [][]string{sources, repositories}); diff != "" || !p.HasGaps() {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
