package plan_test

import (
	"errors"
	"strings"
	"testing"
	"time"

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

// TestMergeSources: one run would hold all that a gap covers, so that a source that
// is a gap of some shards only is refused, and the shard with the gap is named.
func TestMergeSources(t *testing.T) {
	ok := plan.Source{Name: "ecs", Uses: 3, Status: "ok"}
	gap := plan.Source{Name: "ecs", Status: "gap", Detail: "denied"}
	ignored := plan.Source{Name: "ecs", Status: "gap", Detail: "denied", Ignored: true}
	for _, tt := range []struct {
		name    string
		a, b    plan.Source
		want    plan.Source
		refused bool
	}{
		{"read by both", ok, ok, ok, false},
		{"a gap of one", ok, gap, gap, true},
		{"a gap that was ignored in one", ok, ignored, ignored, false},
		{"a gap of both", gap, gap, gap, false},
		{"a gap of both that was ignored in one", ignored, gap, gap, true},
		{"ignored in both", ignored, ignored, ignored, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for n, pair := range [][]plan.Source{{tt.a, tt.b}, {tt.b, tt.a}} {
				merged, err := plan.Merge(shards(pair[:1], pair[1:]), []string{"a.json", "b.json"}, policy.Limits{}, plan.Price{})
				if tt.refused {
					want := []string{"usage source ecs is a gap in b.json (shard 2/2) and", "usage source ecs is a gap in a.json (shard 1/2) and"}[n]
					if refused := (*plan.MergeError)(nil); !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), want) {
						t.Errorf("%v, want %s", err, want)
					}
					continue
				}
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
		_, err := plan.Merge(shards(pair...), nil, policy.Limits{}, plan.Price{})
		if refused := (*plan.MergeError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "only some of them know the usage source ") {
			t.Errorf("%v: %v", pair, err)
		}
	}
}

// TestMergeScopes: plans of other narrowings or other times are not those of one
// run. Those of the clock are as old as they are.
func TestMergeScopes(t *testing.T) {
	at := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	scope := func(s plan.Scope) *plan.Plan { return &plan.Plan{CreatedAt: at, Scope: s} }
	made := func(after time.Duration, now time.Time) *plan.Plan {
		return &plan.Plan{CreatedAt: at.Add(after), Scope: plan.Scope{Now: now}}
	}
	var everything plan.Scope
	for _, tt := range []struct {
		name string
		a, b *plan.Plan
		want string // "" is joined
	}{
		{"everything", scope(everything), scope(everything), ""},
		{"a repository", scope(everything), scope(plan.Scope{Repositories: []string{"a"}}), `--repository "a"`},
		{"another repository", scope(plan.Scope{Repositories: []string{"b"}}), scope(plan.Scope{Repositories: []string{"a"}}), `--repository "a"`},
		{"two patterns and one", scope(plan.Scope{Repositories: []string{"a", "b"}}), scope(plan.Scope{Repositories: []string{`a --repository b`}}), "--repository"},
		{"patterns in another order", scope(plan.Scope{Repositories: []string{"b", "!c", "b"}}), scope(plan.Scope{Repositories: []string{"!c", "b"}}), ""},
		{"a registry", scope(plan.Scope{Registry: "prod"}), scope(everything), `--registry "prod"`},
		{"a registry in both", scope(plan.Scope{Registry: "prod"}), scope(plan.Scope{Registry: "prod"}), ""},
		{"a time", made(0, at), made(0, time.Time{}), "--now 2026-06-15T12:00:00Z"},
		{"another time", made(0, at), made(0, at.Add(1)), "--now 2026-06-15T12:00:00.000000001Z"},
		{"a time in another zone", made(0, at), made(0, at.In(time.FixedZone("", 3600))), ""},
		{"one time, on other days", made(0, at), made(72*time.Hour, at), ""},
		{"a day by the clock", made(0, time.Time{}), made(24*time.Hour, time.Time{}), ""},
		{"more than a day by the clock", made(0, time.Time{}), made(24*time.Hour+1, time.Time{}), "more than a day apart"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, pair := range [][]*plan.Plan{{tt.a, tt.b}, {tt.b, tt.a}} {
				parts := shards(nil, nil)
				for i, p := range pair {
					parts[i].CreatedAt, parts[i].Scope = p.CreatedAt, p.Scope
				}
				merged, err := plan.Merge(parts, []string{"a.json", "b.json"}, policy.Limits{}, plan.Price{})
				if tt.want == "" {
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(pair[0].Scope, merged.Scope); diff != "" {
						t.Errorf("scope (-want +got):\n%s", diff)
					}
					continue
				}
				if refused := (*plan.MergeError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "b.json was made ") && !strings.Contains(err.Error(), " and b.json at ") && !strings.Contains(err.Error(), " and a.json at ") {
					t.Errorf("%v, want %s", err, tt.want)
				}
			}
		})
	}
}
