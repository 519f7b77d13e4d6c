package kubernetes

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
)

// ref is an object by name.
type ref struct {
	namespace, kind, name, uid string
}

// String is the object as a holder, "namespace/Kind/name".
func (r ref) String() string {
	if r.namespace == "" {
		return r.kind + "/" + r.name
	}
	return r.namespace + "/" + r.kind + "/" + r.name
}

// result is what one list gave: which object names what, and who owns whom. It
// is all that stays of the objects.
type result struct {
	kind    string
	objects int
	held    []held
	// owners is the owner of each object that has one, by the object's UID.
	owners map[string]ref
	// strings holds each string once: thousands of pods name the same image.
	strings map[string]string
	errs    []error
	failed  int
}

// held is one object that names images.
type held struct {
	object   ref
	state    image.State
	images   []pull
	revision *int64
}

func newResult(kind string) result {
	return result{kind: kind, owners: map[string]ref{}, strings: map[string]string{}}
}

// add records an object. A revision other than nil makes the state depend on
// the other revisions of the same owner.
func (r *result) add(m *metadata, reading reading, revision *int64) {
	r.objects++
	if o := m.controller(); o != nil && m.UID != "" {
		r.owners[m.UID] = ref{namespace: r.once(m.Namespace), kind: r.once(o.Kind), name: r.once(o.Name), uid: r.once(o.UID)}
	}
	images := slices.DeleteFunc(reading.images, func(p pull) bool { return p == pull{} })
	if len(images) == 0 {
		return
	}
	for i, p := range images {
		images[i] = pull{asked: r.once(p.asked), got: r.once(p.got)}
	}
	object := ref{namespace: r.once(m.Namespace), kind: r.kind, name: m.Name, uid: m.UID}
	if reading.name != "" {
		object.name = reading.name
	}
	r.held = append(r.held, held{object: object, state: reading.state, images: images, revision: revision})
}

func (r *result) once(s string) string {
	if known, ok := r.strings[s]; ok {
		return known
	}
	r.strings[s] = s
	return s
}

// unreadable records that an object could not be read, or not all of it.
func (r *result) unreadable(m *metadata, err error) {
	r.failed++
	if len(r.errs) < maxObjectErrors {
		r.errs = append(r.errs, describe(r.kind, m, err))
	}
}

func (r *result) objectErrors() []error {
	if more := r.failed - len(r.errs); more > 0 {
		return append(r.errs, fmt.Errorf("and %d more objects of kind %s", more, r.kind))
	}
	return r.errs
}

// observations joins what the lists gave: it finds the topmost owner of each
// object and the newest revision of each owner, and returns each observation
// once, sorted.
func observations(results []result) []usage.Observation {
	owners := map[string]ref{}
	for _, r := range results {
		for uid, o := range r.owners {
			owners[uid] = o
		}
	}
	// Revisions count by kind and owner; those without an owner stand alone.
	type line struct{ kind, owner string }
	newest := map[line]int64{}
	for _, r := range results {
		for _, h := range r.held {
			if h.revision == nil {
				continue
			}
			l := line{r.kind, owners[h.object.uid].uid}
			if n, seen := newest[l]; !seen || *h.revision > n {
				newest[l] = *h.revision
			}
		}
	}
	seen := map[usage.Observation]bool{}
	for _, r := range results {
		for _, h := range r.held {
			state := h.state
			owner := owners[h.object.uid].uid
			if h.revision != nil && owner != "" && *h.revision < newest[line{r.kind, owner}] {
				state = image.Rollback
			}
			holder := topmost(h.object, owners).String()
			for _, p := range h.images {
				seen[usage.Observation{Holder: holder, State: state, Asked: p.asked, Got: p.got}] = true
			}
		}
	}
	all := make([]usage.Observation, 0, len(seen))
	for o := range seen {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b usage.Observation) int {
		return cmp.Or(cmp.Compare(a.Holder, b.Holder), cmp.Compare(a.Asked, b.Asked), cmp.Compare(a.Got, b.Got), cmp.Compare(a.State, b.State))
	})
	return all
}

// maxOwners bounds a chain of owners, which nothing keeps from being a ring.
const maxOwners = 32

// topmost follows the owners as far as they were listed. The last one that an
// object names counts even if it was not listed itself.
func topmost(object ref, owners map[string]ref) ref {
	for range maxOwners {
		next, ok := owners[object.uid]
		if !ok {
			break
		}
		object = next
	}
	return object
}
