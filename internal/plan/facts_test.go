package plan_test

import (
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/oracle"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// What properties are stated with. It is read off the plain description of a
// world, with neither the code under test nor the oracle.

// set is a set of digests.
type set map[string]bool

// edges returns what each image holds directly, by digest: what it lists, and
// what is attached to it, of what is there.
func edges(w *oracle.World) map[string][]string {
	there := set{}
	for _, img := range w.Repository.Images {
		there[img.Digest] = true
	}
	e := map[string][]string{}
	add := func(from, to string) {
		if from != to && there[from] && there[to] {
			e[from] = append(e[from], to)
		}
	}
	for _, img := range w.Repository.Images {
		platforms := false
		for _, child := range img.Lists {
			add(img.Digest, child.Digest)
			platforms = platforms || child.Platform
		}
		add(img.Subject, img.Digest)
		for _, tag := range img.Tags {
			rest, ok := strings.CutPrefix(tag, "sha256-")
			if !ok {
				continue
			}
			hex, suffix, dotted := strings.Cut(rest, ".")
			if dotted && slices.Contains([]string{"sig", "att", "sbom"}, suffix) || !dotted && img.Index && !platforms {
				add("sha256:"+hex, img.Digest)
			}
		}
	}
	return e
}

// down is an image and all that it holds, directly or not.
func down(e map[string][]string, from string) set {
	all := set{from: true}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		for _, to := range e[todo[0]] {
			if !all[to] {
				all[to] = true
				todo = append(todo, to)
			}
		}
	}
	return all
}

// families is an image with all that hold it, directly or not, and all that
// these hold.
func families(w *oracle.World, e map[string][]string, of string) set {
	all := set{}
	for _, img := range w.Repository.Images {
		if d := down(e, img.Digest); d[of] {
			for m := range d {
				all[m] = true
			}
		}
	}
	return all
}

// inUse are the images that uses name. A use of which it is not known which
// image of the repository it names is of all of them.
func inUse(w *oracle.World) set {
	all := set{}
	for _, u := range w.Uses {
		found := false
		for _, img := range w.Repository.Images {
			tag := u.Tag
			if tag == "" && u.Digest+u.OtherDigest == "" {
				tag = "latest"
			}
			exactly := img.Digest == u.Digest || img.Digest == u.ImageID || u.Here && u.ImageID != "" && img.Config == u.ImageID
			if exactly || u.Here && slices.Contains(img.Tags, tag) {
				all[img.Digest] = true
			}
			found = found || exactly
		}
		if u.Here && (u.OtherDigest != "" || u.ImageID != "" && !found) {
			for _, img := range w.Repository.Images {
				all[img.Digest] = true
			}
		}
	}
	return all
}

// verdictsOf are the verdicts by digest.
func verdictsOf(j *plan.Judged) map[string]policy.Verdict {
	v := map[string]policy.Verdict{}
	for i := range j.Graph.Images {
		v[j.Graph.Images[i].Digest.String()] = j.Verdicts[i]
	}
	return v
}

// going are the images that would be deleted or archived.
func going(j *plan.Judged) set {
	all := set{}
	for d, v := range verdictsOf(j) {
		if v == policy.VerdictDelete || v == policy.VerdictArchive {
			all[d] = true
		}
	}
	return all
}
