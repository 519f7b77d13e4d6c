package lambdarun

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/plan"
)

// perShard is how many repositories a shard has, about, where the event does not
// say: a function plans them within minutes.
const perShard = 500

// part is one element of the lists that state machines map over.
type part struct {
	Shard string `json:"shard"`
	// Part is the number of the shard, for names of objects.
	Part int `json:"part"`
	// Plan is the saved plan of the shard, to apply.
	Plan string `json:"plan,omitempty"`
}

// repositories counts the repositories and saves the list of the shards that they
// fall into.
func (r *run) repositories(ctx, _ context.Context) error {
	n := 0
	for _, reader := range r.App.Readers {
		list, err := reader.Repositories(ctx, func(string) bool { return true }, false)
		if err != nil {
			err = fmt.Errorf("registry %s: %w", reader.Identity().Name, err)
			return ended(ctx, err, "listing the repositories takes longer: give the function more time")
		}
		n += len(list)
	}
	size := r.event.PerShard
	if size == 0 {
		size = perShard
	}
	shards := max(1, (n+size-1)/size)
	parts := make([]part, shards)
	for i := range parts {
		parts[i] = part{Shard: plan.Shard{Part: i + 1, Of: shards}.String(), Part: i + 1}
	}
	if err := r.saveJSON(ctx, r.event.Out, parts); err != nil {
		return fmt.Errorf("save the list of shards: %w", err)
	}
	r.result.Repositories, r.result.Shards = &n, &shards
	return nil
}

// merge joins the saved plans of the shards. A shard without a plan was not
// planned, so all its repositories are gaps. It saves the list of the plans that
// change something, which is empty where a limit of the whole holds them.
func (r *run) merge(ctx, _ context.Context) error {
	paths, plans, err := r.readPlans(ctx)
	if err != nil {
		return ended(ctx, err, "reading the plans takes longer: give the function more time")
	}
	all, err := r.withMissing(ctx, plans)
	if err != nil {
		return ended(ctx, err, "listing the repositories takes longer: give the function more time")
	}
	// What acts is looked for first: joined plans share their repositories.
	parts, takes := acting(paths, plans)
	merged, err := plan.Merge(all, paths, r.App.Policy.Limits(), r.App.Price)
	if err != nil {
		return err
	}
	if takes && !merged.Totals.Takes() {
		parts = nil // limits.maxDeletes holds the whole
	}
	if err := r.savePlan(ctx, r.event.Out, merged); err != nil {
		return ended(ctx, err, "saving the plan takes longer: give the function more time")
	}
	if parts == nil {
		parts = []part{}
	}
	if err := r.saveJSON(ctx, r.event.Apply, parts); err != nil {
		return fmt.Errorf("save the list of plans to apply: %w", err)
	}
	r.result.planned(merged)
	n := len(parts)
	r.result.Acting, r.result.Shards = &n, &r.event.Shards
	r.result.exit(false, merged.HasGaps() || merged.Totals.HeldBack() > 0)
	return nil
}

// readers is how many plans are read at the same time.
const readers = 8

// readPlans reads the plans under the prefix, in the order of their names.
func (r *run) readPlans(ctx context.Context) (paths []string, plans []*plan.Plan, err error) {
	folder, err := objects.OpenFolder(r.event.Plans, r.Objects)
	if err != nil {
		return nil, nil, err
	}
	names, err := folder.Names(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list the plans: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".json") {
			paths = append(paths, folder.String()+name)
		}
	}
	plans = make([]*plan.Plan, len(paths))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, path := range paths {
		group.Go(func() (err error) {
			plans[i], err = r.readPlan(ctx, path)
			return err
		})
	}
	return paths, plans, group.Wait()
}

// acting returns the parts whose plans change something, and whether one takes
// images away.
func acting(paths []string, plans []*plan.Plan) (parts []part, takes bool) {
	for i, p := range plans {
		if p.Totals.Acts() {
			parts = append(parts, part{Shard: p.Shard.String(), Part: p.Shard.Part, Plan: paths[i]})
		}
		takes = takes || p.Totals.Takes()
	}
	return parts, takes
}

// withMissing returns the plans with one for each shard that has none, in which
// every repository is a gap.
func (r *run) withMissing(ctx context.Context, plans []*plan.Plan) ([]*plan.Plan, error) {
	if len(plans) == 0 {
		return nil, fmt.Errorf("there is no plan under %s: no shard was planned", r.event.Plans)
	}
	of := r.event.Shards
	var missing []plan.Shard
	for i := range of {
		s := plan.Shard{Part: i + 1, Of: of}
		if !slices.ContainsFunc(plans, func(p *plan.Plan) bool { return p.Shard == s }) {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return plans, nil
	}
	first := plans[0]
	all := slices.Clone(plans)
	blank := make([]*plan.Plan, len(missing))
	for i, s := range missing {
		blank[i] = &plan.Plan{
			Schema: first.Schema, Tool: first.Tool, CreatedAt: first.CreatedAt, Config: first.Config, Shard: s, Scope: first.Scope, Sources: slices.Clone(first.Sources),
		}
		all = append(all, blank[i])
	}
	for _, reader := range r.App.Readers {
		id := reader.Identity()
		list, err := reader.Repositories(ctx, func(string) bool { return true }, false)
		if err != nil {
			return nil, fmt.Errorf("registry %s: %w", id.Name, err)
		}
		for i, s := range missing {
			reg := plan.Registry{Name: id.Name, Host: id.Host, Repositories: []plan.Repository{}}
			for _, repo := range list {
				if s.Has(id.Name, repo.Name) {
					reg.Repositories = append(reg.Repositories, plan.Unread(repo.Name, "shard "+s.String()+" could not be planned"))
				}
			}
			blank[i].Registries = append(blank[i].Registries, reg)
		}
	}
	return all, nil
}
