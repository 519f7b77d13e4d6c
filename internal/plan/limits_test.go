package plan_test

import (
	"testing"

	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// Exactly maxDeletes images may go in a run, over all repositories; with one
// more none does.
func TestMaxDeletesIsExact(t *testing.T) {
	for _, tt := range []struct{ deleted, archived, goes, held int }{
		{deleted: 2, archived: 1, goes: 3}, {deleted: 3, archived: 1, held: 4}, {deleted: 2, archived: 2, held: 4},
	} {
		p := &plan.Plan{Registries: []plan.Registry{{Name: "prod", Repositories: []plan.Repository{
			plan.NewRepository("a", plan.Totals{Delete: tt.deleted}, "", nil), plan.NewRepository("b", plan.Totals{Archive: tt.archived}, "", nil),
		}}}}
		p.Finish(policy.Limits{MaxDeletes: 3}, plan.Price{})
		if got := p.Totals; got.Delete+got.Archive != tt.goes || got.Held != tt.held {
			t.Errorf("%d deleted and %d archived: %d go and %d are held, want %d and %d", tt.deleted, tt.archived, got.Delete+got.Archive, got.Held, tt.goes, tt.held)
		}
	}
}
