package demo_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/demo"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage"
)

var now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func fill(t *testing.T) (*embedded.Region, demo.World) {
	t.Helper()
	srv := embedded.New(embedded.Options{Clock: func() time.Time { return now }})
	return srv.Account(demo.Account).Region(demo.Region), demo.Fill(srv, now)
}

// The same time gives the same world, so that what the README shows is what
// people see.
func TestFillIsReproducible(t *testing.T) {
	digests := func() map[string][]string {
		region, _ := fill(t)
		all := map[string][]string{}
		for _, repo := range region.Repositories() {
			for _, img := range repo.Images() {
				all[repo.Name()] = append(all[repo.Name()], img.Digest)
			}
		}
		return all
	}
	first := digests()
	if diff := cmp.Diff(first, digests()); diff != "" {
		t.Errorf("two worlds of one time differ:\n%s", diff)
	}
	images := 0
	for _, list := range first {
		images += len(list)
	}
	if len(first) < 30 || images < 3000 {
		t.Errorf("%d repositories with %d images: not much of a company", len(first), images)
	}
}

// The snapshot is one that regsweep reads, and its uses name repositories that
// are there.
func TestSnapshot(t *testing.T) {
	_, world := fill(t)
	snapshot, err := usage.Decode(bytes.NewReader(world.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	if len(snapshot.Uses) == 0 || len(world.Explain) != 3 {
		t.Errorf("%d uses and %d images to explain", len(snapshot.Uses), len(world.Explain))
	}
}
