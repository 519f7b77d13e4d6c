package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// HeldBack are images of a plan that something else than the grace period holds,
// all for one reason.
type HeldBack struct {
	// Images are counted with the families of the roots that are held.
	Images int `json:"images"`
	// Repository is where they are, as registry/repository, and "" for several.
	Repository   string `json:"repository,omitempty"`
	Repositories int    `json:"repositories"`
	Reason       Reason `json:"reason"`
}

// HeldBack returns what gaps and limits hold, the reason with the most images
// first. An error is one of reading the plan's images.
func (p *Plan) HeldBack() (list []HeldBack, err error) {
	at := map[Reason]int{}
	for _, reg := range p.Registries {
		for i := range reg.Repositories {
			r := &reg.Repositories[i]
			if r.Totals.HeldBack() == 0 {
				continue
			}
			causes, err := r.heldBack()
			if err != nil {
				return nil, fmt.Errorf("repository %s: %w", r.Name, err)
			}
			for why, n := range causes {
				k, known := at[why]
				if !known {
					k = len(list)
					at[why] = k
					list = append(list, HeldBack{Repository: reg.Name + "/" + r.Name, Reason: why})
				} else {
					list[k].Repository = ""
				}
				list[k].Images += n
				list[k].Repositories++
			}
		}
	}
	slices.SortFunc(list, func(a, b HeldBack) int {
		return cmp.Or(cmp.Compare(b.Images, a.Images), cmp.Compare(a.Reason.Code, b.Reason.Code), cmp.Compare(a.Reason.Detail, b.Reason.Detail))
	})
	return list, nil
}

// heldBack counts the images of a repository by why their roots are held.
func (r *Repository) heldBack() (map[Reason]int, error) {
	families := map[image.Digest]int{}
	roots := map[image.Digest]Reason{}
	err := r.Each(func(img *Image) error {
		if img.Verdict != policy.VerdictHeld {
			return nil
		}
		families[img.Root]++
		if why, held := img.heldBy(); held && img.Root == img.Digest {
			roots[img.Digest] = why
		}
		return nil
	})
	causes := map[Reason]int{}
	for root, why := range roots {
		causes[why] += families[root]
	}
	return causes, err
}

// heldBy returns what else than the grace period holds an image.
func (i *Image) heldBy() (Reason, bool) {
	if len(i.Reasons) == 0 {
		return Reason{}, false
	}
	// What waits for its time has a mark, or is to get one.
	waits := i.Reasons[0].Code == policy.CodeGrace && (i.CondemnedAt.Known() || i.Mark == Condemn)
	return i.Reasons[0], !waits
}
