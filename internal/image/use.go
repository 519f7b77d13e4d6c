package image

import (
	"cmp"
	"fmt"
)

// State says how an image is used.
type State string

// The states of a use, strongest first. Each of them protects alike; the state
// only tells people why.
const (
	// Running means that something runs it now.
	Running State = "running"
	// Declared means that a specification names it.
	Declared State = "declared"
	// Rollback means that an older revision names it.
	Rollback State = "rollback"
)

// Use is one reason why an image must not be deleted.
type Use struct {
	// Source is the name of the usage source, for example "kubernetes/prod".
	Source string `json:"source"`
	State  State  `json:"state"`
	// Reference is what the holder names, as Join or the holder wrote it.
	Reference string `json:"reference"`
	// ImageID is set where a node reports only an image id (a config digest)
	// beside the reference that was asked for.
	ImageID string `json:"imageId,omitempty"`
	// Holder says who uses it, for example "kubernetes/prod/shop/Deployment/web".
	Holder string `json:"holder"`
}

// Compare orders uses as a snapshot does: by reference, holder and state, and then
// by what else tells them apart.
func (u Use) Compare(other Use) int {
	return cmp.Or(cmp.Compare(u.Reference, other.Reference), cmp.Compare(u.Holder, other.Holder), cmp.Compare(u.State, other.State),
		cmp.Compare(u.Source, other.Source), cmp.Compare(u.ImageID, other.ImageID))
}

// Gap is something that could not be read, and what it could have held.
type Gap struct {
	// Source is the name of the usage source, and empty for a gap that a
	// registry itself has.
	Source string
	// Detail says what could not be read, and why.
	Detail string
}

// String returns the gap as one line.
func (g Gap) String() string {
	if g.Source == "" {
		return g.Detail
	}
	return fmt.Sprintf("%s: %s", g.Source, g.Detail)
}
