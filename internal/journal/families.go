package journal

import (
	"github.com/regsweep/regsweep/internal/image"
)

// families follows what becomes of the families of one repository, from the
// records of one run.
type families struct {
	// roots are the images that were announced with a family, in the order of
	// the records.
	roots []family
	// state is what is known of roots and members: "" for what was announced and
	// not asked for yet.
	state map[image.Digest]State
}

// family is what is followed of a root. There are as many as a run deletes, and
// an Image takes four times as much.
type family struct {
	Digest image.Digest
	Rule   string
	Family []Member
}

func newFamilies() *families { return &families{state: map[image.Digest]State{}} }

// before takes the images of a deletion that is about to be sent.
func (f *families) before(images []Image) {
	for i := range images {
		img := &images[i]
		if len(img.Family) > 0 {
			f.roots = append(f.roots, family{Digest: img.Digest, Rule: img.Rule, Family: img.Family})
			f.state[img.Digest] = ""
			for _, m := range img.Family {
				if _, ok := f.state[m.Digest]; !ok {
					f.state[m.Digest] = ""
				}
			}
		}
		if _, ok := f.state[img.Digest]; ok {
			f.state[img.Digest] = Unknown // until the result is there
		}
	}
}

// after takes the result of a deletion.
func (f *families) after(outcomes []Outcome) {
	for _, o := range outcomes {
		if _, ok := f.state[o.Digest]; ok {
			f.state[o.Digest] = o.Outcome
		}
	}
}

// leftover is a member that may be there although its root is gone.
type leftover struct {
	Member
	root image.Digest
	rule string
}

// unfinished returns the members that are not known to be gone, of roots that
// are gone or may be.
func (f *families) unfinished() (list []leftover) {
	for _, root := range f.roots {
		if s := f.state[root.Digest]; s != Done && s != Unknown {
			continue
		}
		for _, m := range root.Family {
			if f.state[m.Digest] != Done {
				list = append(list, leftover{m, root.Digest, root.Rule})
			}
		}
	}
	return list
}
