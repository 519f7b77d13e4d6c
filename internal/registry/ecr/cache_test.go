package ecr

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/manifests"
)

func TestSecondRunReadsNoManifest(t *testing.T) {
	w := newWorld(t)
	pushIndexes(w, "apps/web", 150)
	replica := w.Account(ownAccount).Region("eu-central-1").MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	push(replica, plain("child"))
	push(replica, indexOf("7", plain("child")), "v7")
	cache := t.TempDir()
	first := read(t, w.reader(t, Config{}, cache), "apps/web", false)
	if n := w.count("ecr:BatchGetImage"); n != 2 {
		t.Errorf("first run: BatchGetImage was called %d times, want 2", n)
	}
	w.ResetStats()
	second := read(t, w.reader(t, Config{}, cache), "apps/web", false)
	read(t, w.reader(t, Config{Region: "eu-central-1"}, cache), "apps/web", false)
	if n := w.count("ecr:BatchGetImage"); n != 0 {
		t.Errorf("second run, and a replica: BatchGetImage was called %d times, want 0", n)
	}
	if diff := cmp.Diff(first.Manifests, second.Manifests); diff != "" {
		t.Errorf("manifests (-first +second run):\n%s", diff)
	}
}

func TestWithoutCacheEveryRunReads(t *testing.T) {
	w := newWorld(t)
	pushIndexes(w, "apps/web", 1)
	r := w.reader(t, Config{}, "")
	for range 2 {
		if c := read(t, r, "apps/web", false); len(c.Unreadable) > 0 {
			t.Errorf("unreadable: %v", c.Unreadable)
		}
	}
	if n := w.count("ecr:BatchGetImage"); n != 2 {
		t.Errorf("BatchGetImage was called %d times, want 2", n)
	}
}

// TestDamagedEntryIsReadAgain damages the cache on disk between two runs.
func TestDamagedEntryIsReadAgain(t *testing.T) {
	w := newWorld(t)
	pushIndexes(w, "apps/web", 20)
	cache := t.TempDir()
	first := read(t, w.reader(t, Config{}, cache), "apps/web", false)
	logs, err := filepath.Glob(filepath.Join(cache, "manifests", "*"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("files of the cache: %v, %v", logs, err)
	}
	log, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	log[len(log)/2] ^= 1
	if err := os.WriteFile(logs[0], log, 0o600); err != nil {
		t.Fatal(err)
	}
	w.ResetStats()
	second := read(t, w.reader(t, Config{}, cache), "apps/web", false)
	if diff := cmp.Diff(first.Manifests, second.Manifests); diff != "" {
		t.Errorf("manifests (-before +after the damage):\n%s", diff)
	}
	bodies := w.bodies("ecr:BatchGetImage")
	if len(bodies) != 1 || strings.Count(bodies[0], `"imageDigest"`) != 1 {
		t.Errorf("read again: %q, want one call for one digest", bodies)
	}
}

func TestConcurrentRunsOnOneCache(t *testing.T) {
	w := newWorld(t)
	for n := range 4 {
		pushIndexes(w, fmt.Sprintf("apps/%d", n), 120)
	}
	cache := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		r := w.reader(t, Config{}, cache) // each has a store of its own, as a process has
		for n := range 4 {
			wg.Go(func() {
				c, err := r.Read(t.Context(), image.Repository{Name: fmt.Sprintf("apps/%d", n)}, false)
				if err != nil || len(c.Images) != 121 || len(c.Unreadable) > 0 {
					t.Errorf("read apps/%d: %v", n, err)
				}
			})
		}
	}
	wg.Wait()
	w.ResetStats()
	r := w.reader(t, Config{}, cache)
	for n := range 4 {
		read(t, r, fmt.Sprintf("apps/%d", n), false)
	}
	if n := w.count("ecr:BatchGetImage"); n != 0 {
		t.Errorf("afterwards BatchGetImage was called %d times, want 0", n)
	}
}

// TestAnotherRunReadMeanwhile has a store that was opened before another run
// remembered what is asked for.
func TestAnotherRunReadMeanwhile(t *testing.T) {
	w := newWorld(t)
	pushIndexes(w, "apps/web", 5)
	cache := t.TempDir()
	early, other := w.reader(t, Config{}, cache), w.reader(t, Config{}, cache)
	read(t, other, "apps/web", false)
	w.ResetStats()
	read(t, early, "apps/web", false)
	if n := w.count("ecr:BatchGetImage"); n != 0 {
		t.Errorf("BatchGetImage was called %d times, want 0", n)
	}
}

func TestOwnPulls(t *testing.T) {
	w := newWorld(t)
	repo, indexes := pushIndexes(w, "apps/web", 2)
	pulledOnce, neverPulled := indexes[0], indexes[1]
	before := start.Add(-30 * 24 * time.Hour)
	repo.Pull(pulledOnce, before)
	other := w.own().MustCreateRepository("apps/copy", embedded.RepositoryOptions{})
	push(other, plain("child"))
	push(other, indexOf("0", plain("child")))
	cache := t.TempDir()
	read(t, w.reader(t, Config{}, cache), "apps/web", false)
	other.Pull(pulledOnce, start)

	w.clock.Advance(40 * 24 * time.Hour)
	r := w.reader(t, Config{}, cache)
	ownPulls := func(repository string) map[string]image.Time {
		c := read(t, r, repository, false)
		got := map[string]image.Time{}
		for i, before := range c.OwnPulls {
			got[c.Images[i].Digest.String()] = before
		}
		return got
	}
	want := map[string]image.Time{pulledOnce: image.At(before), neverPulled: 0}
	if diff := cmp.Diff(want, ownPulls("apps/web")); diff != "" {
		t.Errorf("own pulls (-want +got):\n%s", diff)
	}
	if got := ownPulls("apps/copy"); len(got) > 0 {
		t.Errorf("own pulls in a repository where nothing was read: %v", got)
	}
	repo.Pull(pulledOnce, w.now())
	delete(want, pulledOnce)
	if diff := cmp.Diff(want, ownPulls("apps/web")); diff != "" {
		t.Errorf("own pulls after a real one (-want +got):\n%s", diff)
	}
}

func TestMaybeOwnPull(t *testing.T) {
	readAt := image.At(start)
	here, there := manifests.OriginOf("a", "b"), manifests.OriginOf("a", "c")
	for name, test := range map[string]struct {
		pulled time.Time
		origin manifests.Origin
		want   bool
	}{
		"never pulled":                   {time.Time{}, here, false},
		"long before":                    {start.Add(-61 * time.Second), here, false},
		"a minute before: clocks differ": {start.Add(-60 * time.Second), here, true},
		"at once":                        {start, here, true},
		"a day later":                    {start.Add(24 * time.Hour), here, true},
		"over a day later":               {start.Add(24*time.Hour + time.Millisecond), here, false},
		"read elsewhere":                 {start, there, false},
	} {
		if got := maybeOwnPull(here, image.At(test.pulled), &manifests.Entry{Origin: test.origin, ReadAt: readAt}); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestArchivedIndexThatWasReadBefore(t *testing.T) {
	w := newWorld(t)
	repo, indexes := pushIndexes(w, "apps/web", 1)
	cache := t.TempDir()
	read(t, w.reader(t, Config{}, cache), "apps/web", false)
	repo.Archive(indexes[0], start)
	got := read(t, w.reader(t, Config{}, cache), "apps/web", true)
	if i := at(t, got, indexes[0]); got.Manifests[i] == nil || len(got.Unreadable) > 0 {
		t.Errorf("the archived index is not known: %v", got.Unreadable)
	}
}
