package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
)

func TestReadObjects(t *testing.T) {
	for name, test := range map[string]struct {
		kind, object string
		want         []pull
		state        image.State
	}{
		"a status without a container of that name": {kind: "Pod", state: image.Running,
			object: `{"spec":{"containers":[{"name":"a","image":"a:1"}]},"status":{"containerStatuses":[{"name":"b","image":"b:1","imageID":"b@x"}]}}`,
			want:   []pull{{"a:1", ""}, {"b:1", "b@x"}}},
		"an image volume in two containers": {kind: "Pod", state: image.Running,
			object: `{"spec":{"volumes":[{"name":"v","image":{"reference":"v:1"}},{"name":"w","image":{"reference":"w:1"}},{"name":"e","emptyDir":{}}]},"status":{"containerStatuses":[
				{"name":"a","imageID":"a@x","volumeMounts":[{"name":"v","volumeStatus":{"image":{"imageRef":"v@x"}}}]},
				{"name":"b","volumeMounts":[{"name":"v","volumeStatus":{"image":{"imageRef":"v@y"}}},{"name":"w"}]}]}}`,
			want: []pull{{"", "a@x"}, {"", ""}, {"v:1", "v@x"}, {"v:1", "v@y"}, {"w:1", ""}}},
		"a pod in an unknown phase is running": {kind: "Pod", state: image.Running, object: `{"status":{"phase":"Unknown"}}`},
		"a revision without data":              {kind: "ControllerRevision", object: `{}`},
		"a revision of another form": {kind: "ControllerRevision", state: image.Declared,
			object: `{"data":{"spec":{"template":{"spec":{"containers":"none","disk":"registry.example.com/disk:1"}}}}}`,
			want:   []pull{{"registry.example.com/disk:1", ""}}},
		"a revision with an empty template": {kind: "ControllerRevision", state: image.Declared,
			object: `{"data":{"spec":{"template":{"spec":{"volumes":[{"containerDisk":{"image":"registry.example.com/disk:2"}}]}}}}}`,
			want:   []pull{{"registry.example.com/disk:2", ""}}},
		"a Rollout with nothing":    {kind: "Rollout", object: `{"spec":{}}`},
		"a Rollout of a ReplicaSet": {kind: "Rollout", object: `{"spec":{"workloadRef":{"kind":"ReplicaSet","name":"r"}}}`},
		"a template with ephemeral containers and an image volume": {kind: "PodTemplate", state: image.Declared,
			object: `{"template":{"spec":{"ephemeralContainers":[{"image":"e:1"}],"volumes":[{"name":"v","image":{"reference":"v:1"}}]}}}`,
			want:   []pull{{"e:1", ""}, {"v:1", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			var o object
			if err := json.Unmarshal([]byte(test.object), &o); err != nil {
				t.Fatal(err)
			}
			all := workloads()
			w := all[slices.IndexFunc(all, func(w workload) bool { return w.kind == test.kind })]
			got, err := w.read(&o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.images, cmp.AllowUnexported(pull{})); diff != "" || got.state != test.state {
				t.Errorf("state %q, want %q (-want +got):\n%s", got.state, test.state, diff)
			}
		})
	}
}

// metadataOf returns the metadata of an object and its owners, the last of
// which is the controller if there is more than one.
func metadataOf(name string, owners ...string) *metadata {
	m := &metadata{Namespace: "shop", Name: name, UID: name}
	for i, o := range owners {
		m.OwnerReferences = append(m.OwnerReferences, owner{Kind: "Kind", Name: o, UID: o, Controller: i > 0 && i == len(owners)-1})
	}
	return m
}

func TestObservationsOwners(t *testing.T) {
	one := reading{state: image.Running, images: []pull{{asked: "a"}}}
	for name, test := range map[string]struct {
		add  func(*result)
		want []string // holders
	}{
		"no owner":              {func(r *result) { r.add(metadataOf("p"), one, nil) }, []string{"shop/Pod/p"}},
		"an owner not listed":   {func(r *result) { r.add(metadataOf("p", "o"), one, nil) }, []string{"shop/Kind/o"}},
		"the controller of two": {func(r *result) { r.add(metadataOf("p", "a", "b"), one, nil) }, []string{"shop/Kind/b"}},
		"a chain":               {func(r *result) { r.add(metadataOf("p", "q"), one, nil); r.add(metadataOf("q", "r"), reading{}, nil) }, []string{"shop/Kind/r"}},
		"an owner without images": {func(r *result) {
			r.add(metadataOf("q", "r"), reading{images: []pull{{}}}, nil)
			r.add(metadataOf("p", "q"), one, nil)
		}, []string{"shop/Kind/r"}},
		"a ring ends":    {func(r *result) { r.add(metadataOf("p", "q"), one, nil); r.add(metadataOf("q", "p"), reading{}, nil) }, []string{"shop/Kind/p"}},
		"the same twice": {func(r *result) { r.add(metadataOf("p", "o"), one, nil); r.add(metadataOf("q", "o"), one, nil) }, []string{"shop/Kind/o"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newResult("Pod")
			test.add(&r)
			var holders []string
			for _, o := range observations([]result{r}) {
				holders = append(holders, o.Holder)
			}
			if diff := cmp.Diff(test.want, holders); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The newest revision of each owner is declared, whatever the others are, and
// nothing is lost, whatever the order of what comes in.
func TestObservationsProperties(t *testing.T) {
	type revision struct {
		Owner  string
		Number int64
	}
	rapid.Check(t, func(t *rapid.T) {
		revisions := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) revision {
			return revision{rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "owner"), rapid.Int64Range(-1, 3).Draw(t, "number")}
		}), 1, 12).Draw(t, "revisions")
		order := rapid.Permutation(indices(len(revisions))).Draw(t, "order")
		lists := rapid.IntRange(1, 3).Draw(t, "lists")
		build := func(order []int) []usage.Observation {
			results := make([]result, lists)
			for i := range results {
				results[i] = newResult("ReplicaSet")
			}
			for _, i := range order {
				m := metadataOf(fmt.Sprintf("r%d", i))
				if revisions[i].Owner != "" {
					m = metadataOf(fmt.Sprintf("r%d", i), revisions[i].Owner)
				}
				results[i%lists].add(m, reading{state: image.Declared, images: []pull{{asked: fmt.Sprint(i)}}}, &revisions[i].Number)
			}
			return observations(results)
		}
		got := build(order)
		if diff := cmp.Diff(build(indices(len(revisions))), got); diff != "" {
			t.Fatalf("the order matters:\n%s", diff)
		}
		if len(got) != len(revisions) {
			t.Fatalf("%d observations of %d revisions", len(got), len(revisions))
		}
		for i, r := range revisions {
			want := image.Declared
			for _, other := range revisions {
				if r.Owner != "" && other.Owner == r.Owner && other.Number > r.Number {
					want = image.Rollback
				}
			}
			at := slices.IndexFunc(got, func(o usage.Observation) bool { return o.Asked == fmt.Sprint(i) })
			if at < 0 || got[at].State != want {
				t.Fatalf("revision %d %+v is %v, want %s", i, r, got, want)
			}
		}
	})
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
