package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// LeftImage is one image of a plan that an apply left, and why.
type LeftImage struct {
	Digest  image.Digest `json:"digest"`
	Tags    []string     `json:"tags"`
	Reasons []Reason     `json:"reasons"`
}

// Left returns image i as one that was left, for the reason that a registry gave,
// or for its own where why is the zero value: those of its verdict and, where it
// follows its root, those of the root.
func (j *Judged) Left(i int32, why Reason) LeftImage {
	img := j.image(i)
	left := LeftImage{Digest: img.Digest, Tags: img.Tags, Reasons: img.Reasons}
	if why != (Reason{}) {
		left.Reasons = []Reason{why}
	} else if n := j.decision[i]; n > 0 && j.Result.Decisions[n-1].Root != i {
		left.Reasons = slices.Concat(left.Reasons, j.reasons(&j.Result.Decisions[n-1]))
	}
	return left
}

// differs says in words what of an image is not as an earlier plan has it, or "".
func (j *Judged) differs(p *Image, i int32) string {
	tags, pushed := j.Graph.Images[i].Tags, j.Graph.Images[i].PushedAt
	switch {
	case p.PushedAt != pushed:
		return fmt.Sprintf("%s was pushed again", p.Digest)
	case !slices.Equal(p.Tags, tags):
		return fmt.Sprintf("%s had %s in the plan, and has %s", p.Digest, tagList(p.Tags), tagList(tags))
	case p.Verdict != j.Verdicts[i]:
		return fmt.Sprintf("%s was %s in the plan, and would be %s", p.Digest, p.Verdict, j.Verdicts[i])
	}
	return ""
}

func tagList(tags []string) string {
	switch len(tags) {
	case 0:
		return "no tag"
	case 1:
		return "the tag " + tags[0]
	}
	return "the tags " + strings.Join(tags, ", ")
}

// changed is the reason of a family that is not as it was planned. what says of
// its first member of which that is so what changed; it is "" where the plan
// lists no such image.
func changed(d image.Digest, what string) policy.Reason {
	if what == "" {
		what = "the plan does not list " + d.String()
	}
	return policy.Changed("it or its family is not as it was when the plan was made: " + what)
}
