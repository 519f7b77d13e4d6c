package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/policy"
)

// Price is what a stored gigabyte (10^9 bytes) costs for a month.
type Price struct {
	PerGBMonth float64
	Currency   string
}

// Finish sorts the plan, applies the limit of the whole run and sums it up.
func (p *Plan) Finish(limits policy.Limits, price Price) {
	// Without a merge no image is loaded, and nothing can fail.
	_ = p.finish(limits, price, false)
}

// finish is Finish; merged says that the limit may have held images before.
func (p *Plan) finish(limits policy.Limits, price Price, merged bool) error {
	p.Schema = Schema
	n := 0
	for i := range p.Registries {
		reg := &p.Registries[i]
		slices.SortFunc(reg.Repositories, func(a, b Repository) int { return cmp.Compare(a.Name, b.Name) })
		for k := range reg.Repositories {
			r := &reg.Repositories[k]
			n += r.Totals.Delete + r.Totals.Archive
			if merged {
				held, err := r.heldBefore()
				if err != nil {
					return fmt.Errorf("repository %s: %w", r.Name, err)
				}
				n += held
			}
		}
	}
	over := n > max(limits.MaxDeletes, 0)
	p.Totals = Totals{}
	for i := range p.Registries {
		for k := range p.Registries[i].Repositories {
			r := &p.Registries[i].Repositories[k]
			if over {
				r.hold(Reason{Code: policy.CodeLimit, Path: maxDeletesPath,
					Detail: fmt.Sprintf("the run would take %d images, which is more than limits.maxDeletes allows (%d); raise it or narrow the rules", n, limits.MaxDeletes)})
			}
			p.Totals.add(r.Totals)
		}
	}
	slices.Sort(p.Warnings)
	p.Warnings = slices.Compact(p.Warnings)
	saving := price.of(p.Totals.BytesFreed)
	atMost := price.of(p.Totals.BytesFreedAtMost)
	p.Totals.MonthlySavings, p.Totals.MonthlySavingsAtMost = &saving, &atMost
	return nil
}

// hold turns everything that would go into held.
func (r *Repository) hold(why Reason) {
	r.over = &why
	t := &r.Totals
	t.Held += t.Delete + t.Archive
	t.Delete, t.Archive, t.BytesFreed, t.BytesFreedAtMost = 0, 0, 0, 0
}

// of returns the price of bytes for a month, rounded to a hundredth.
func (p Price) of(bytes int64) float64 {
	cents := float64(bytes) / 1e9 * p.PerGBMonth * 100
	return float64(int64(cents+0.5)) / 100
}
