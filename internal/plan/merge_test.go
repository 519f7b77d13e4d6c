package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// shards are the plans of a run in two parts, which saw these sources.
func shards(sources ...[]plan.Source) (plans []*plan.Plan) {
	for i, s := range sources {
		plans = append(plans, &plan.Plan{Schema: plan.Schema, Shard: plan.Shard{Part: i + 1, Of: len(sources)}, Sources: s})
	}
	return plans
}

// TestMergeSources: a source that one shard could not read is a gap of the whole,
// and one that was overridden in some shards only was not overridden.
func TestMergeSources(t *testing.T) {
	ok := plan.Source{Name: "ecs", Uses: 3, Status: "ok"}
	gap := plan.Source{Name: "ecs", Status: "gap", Detail: "denied"}
	ignored := plan.Source{Name: "ecs", Status: "gap", Detail: "denied", Ignored: true}
	for _, tt := range []struct {
		name string
		a, b plan.Source
		want plan.Source
	}{
		{"read by both", ok, ok, ok},
		{"a gap of one", ok, gap, gap},
		{"a gap that was ignored in one", ok, ignored, ignored},
		{"a gap of both that was ignored in one", ignored, gap, gap},
		{"ignored in both", ignored, ignored, ignored},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, pair := range [][]plan.Source{{tt.a, tt.b}, {tt.b, tt.a}} {
				merged, err := plan.Merge(shards(pair[:1], pair[1:]), policy.Limits{}, plan.Price{})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]plan.Source{tt.want}, merged.Sources); diff != "" {
					t.Errorf("sources (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestMergeOtherSources: plans of which not all have read the same sources are not
// those of one run, whichever comes first.
func TestMergeOtherSources(t *testing.T) {
	ecs, lambda := plan.Source{Name: "ecs", Status: "ok"}, plan.Source{Name: "lambda", Status: "ok"}
	for _, pair := range [][][]plan.Source{
		{{ecs}, {ecs, lambda}}, {{ecs, lambda}, {ecs}}, {{ecs}, {lambda}}, {{ecs, lambda}, {ecs, ecs}}, {{ecs}, nil},
	} {
		_, err := plan.Merge(shards(pair...), policy.Limits{}, plan.Price{})
		if refused := (*plan.MergeError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "only some of them know the usage source ") {
			t.Errorf("%v: %v", pair, err)
		}
	}
}
