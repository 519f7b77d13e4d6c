package usage

import (
	"strings"

	"github.com/regsweep/regsweep/internal/image"
)

// joint is what one pair of strings, asked for and got, comes to.
type joint struct {
	uses []named
	// refused are the strings that cannot be references.
	refused []string
	// unplaced is set where an image id came without any repository: it can be
	// an image of every repository.
	unplaced bool
}

// named is a canonical reference, and the image id that was reported beside it.
type named struct{ reference, imageID string }

// join combines what a holder asked for with what the platform says it got.
// Everything that either of them names is in the result; what both name of one
// repository becomes one reference. Either may be empty.
func join(asked, got string) joint {
	var j joint
	a, hasAsked := j.parse(asked)
	g, hasGot := j.parse(got)
	switch {
	case hasAsked && hasGot && !a.IsBare() && !g.IsBare():
		j.addBoth(a, g)
	case hasAsked && hasGot && !a.IsBare():
		j.addWithID(a, g)
	case hasAsked && hasGot && !g.IsBare():
		j.addWithID(g, a)
	default:
		if hasAsked {
			j.add(a)
		}
		if hasGot && g != a {
			j.add(g)
		}
	}
	if strings.TrimSpace(asked) == "" && strings.TrimSpace(got) == "" {
		j.refused = append(j.refused, asked)
	}
	return j
}

// parse reads one of the two strings. White space around it is no part of it.
func (j *joint) parse(s string) (ref image.Reference, ok bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return image.Reference{}, false
	}
	ref, err := image.ParseReference(s)
	if err != nil {
		j.refused = append(j.refused, s)
		return image.Reference{}, false
	}
	return ref, true
}

// addBoth adds two references that name repositories.
func (j *joint) addBoth(asked, got image.Reference) {
	tag := got.TagOrLatest()
	switch {
	case !asked.SameRepository(got):
		j.add(asked)
		j.add(got)
		return
	case !hasDigest(asked):
		asked.Tag = asked.TagOrLatest()
		asked.Digest, asked.OtherDigest = got.Digest, got.OtherDigest
	case hasDigest(got) && !sameDigest(asked, got):
		j.add(asked)
		j.add(got)
		return
	}
	j.add(asked)
	if tag != "" && tag != asked.Tag {
		j.add(got)
	}
}

// addWithID adds a reference that names a repository, and the bare id that
// belongs to it.
func (j *joint) addWithID(ref, id image.Reference) {
	if id.OtherDigest == "" {
		j.add(ref)
		j.uses[len(j.uses)-1].imageID = id.ImageID.String()
		return
	}
	// An id of another algorithm can be any image of the repository, which is
	// what a digest of another algorithm says.
	id.Host, id.Repository = ref.Host, ref.Repository
	if hasDigest(ref) {
		j.add(ref)
	} else {
		id.Tag = ref.TagOrLatest()
	}
	j.add(id)
}

func (j *joint) add(ref image.Reference) {
	ref.Tag = ref.TagOrLatest()
	n := named{reference: ref.String()}
	if ref.IsBare() {
		j.unplaced = true
		n.imageID = ref.ImageID.String()
	}
	j.uses = append(j.uses, n)
}

func hasDigest(ref image.Reference) bool { return !ref.Digest.IsZero() || ref.OtherDigest != "" }

func sameDigest(a, b image.Reference) bool {
	return a.Digest == b.Digest && a.OtherDigest == b.OtherDigest
}
