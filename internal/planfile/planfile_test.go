package planfile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
)

// images are the texts of plan.Image as encoding/json reads them.
func anImage(t *rapid.T) plan.Image {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9./-]{0,20}`))
	moment := rapid.OneOf(rapid.Just(image.Time(0)), rapid.Map(rapid.Int64Range(1, 4e12), func(ms int64) image.Time { return image.Time(ms) }))
	img := plan.Image{
		Digest: image.DigestOf([]byte(text.Draw(t, "digest"))), Root: image.DigestOf([]byte(text.Draw(t, "root"))),
		Tags: rapid.SliceOf(text).Draw(t, "tags"), Kind: rapid.SampledFrom([]string{"image", "index", "referrer"}).Draw(t, "kind"),
		PushedAt: moment.Draw(t, "pushed"), PulledAt: moment.Draw(t, "pulled"), Size: rapid.Int64().Draw(t, "size"),
		Verdict: policy.Verdict(rapid.IntRange(0, 3).Draw(t, "verdict")), Rule: text.Draw(t, "rule"), Reasons: []plan.Reason{},
		CondemnedAt: moment.Draw(t, "condemned"), Mark: plan.Mark(text.Draw(t, "mark")),
	}
	for range rapid.IntRange(0, 3).Draw(t, "reasons") {
		img.Reasons = append(img.Reasons, plan.Reason{Code: policy.CodeGap, Detail: text.Draw(t, "detail"), Path: text.Draw(t, "path")})
	}
	return img
}

// The lines that are written by hand are what encoding/json writes.
func TestAppendImageIsWhatJSONWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		img := anImage(t)
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(img); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSpace(want.String()), string(planfile.AppendImage(nil, &img))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func example(t testing.TB, store *planfile.Store, repositories, images int) *plan.Plan {
	t.Helper()
	p := &plan.Plan{
		Schema: plan.Schema, Tool: "test", CreatedAt: time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC), Config: "sha256:00", Shard: plan.Shard{Part: 2, Of: 3},
		Scope:      plan.Scope{Registry: "prod", Repositories: []string{"r*", "!r9"}, Now: time.Date(2026, 6, 1, 0, 0, 0, 500, time.UTC)},
		Sources:    []plan.Source{{Name: "ecs", Uses: 3, Status: "ok"}},
		Registries: []plan.Registry{{Name: "prod", Host: "111122223333.dkr.ecr.eu-west-1.amazonaws.com"}},
		Warnings:   []string{"a <warning> & \"more\""},
	}
	for r := range repositories {
		var list []plan.Image
		for i := range images {
			list = append(list, plan.Image{
				Digest: image.DigestOf(fmt.Append(nil, r, i)), Tags: []string{fmt.Sprintf("v%d", i)}, Kind: "image", Size: 1,
				Verdict: policy.VerdictDelete, Rule: "all", Reasons: []plan.Reason{{Code: policy.CodeNotKept, Detail: "rule all keeps nothing"}},
			})
		}
		kept, err := store.Put(plan.List(list))
		if err != nil {
			t.Fatal(err)
		}
		p.Registries[0].Repositories = append(p.Registries[0].Repositories,
			plan.NewRepository(fmt.Sprintf("r%03d", r), plan.Totals{Images: images, Delete: images}, "", kept))
	}
	p.Registries[0].Repositories = append(p.Registries[0].Repositories, plan.Unread("unread", "denied"))
	p.Finish(policy.Limits{MaxDeletes: 1e9}, plan.Price{PerGBMonth: 0.1})
	return p
}

func write(t testing.TB, p *plan.Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := planfile.Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newStore(t testing.TB) *planfile.Store {
	s := planfile.NewStore()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A plan that is too large for memory is written and read as any other.
func TestRoundTrip(t *testing.T) {
	for _, size := range []struct{ repositories, images int }{{0, 0}, {3, 4}, {60, 1000}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			text := write(t, example(t, newStore(t), size.repositories, size.images))
			if !json.Valid(text) {
				t.Fatal("what was written is no JSON")
			}
			read, err := planfile.Read(bytes.NewReader(text), newStore(t))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(text, write(t, read)) {
				t.Error("a plan that was read is not written as it was")
			}
		})
	}
}

// A run over maxDeletes shows what would have gone as held, wherever it is kept.
func TestHeldPlan(t *testing.T) {
	p := example(t, newStore(t), 2, 3)
	p.Finish(policy.Limits{MaxDeletes: 5}, plan.Price{})
	if p.Totals.Delete != 0 || p.Totals.Held != 6 {
		t.Errorf("totals = %+v", p.Totals)
	}
	text := string(write(t, p))
	if strings.Contains(text, `"verdict":"delete"`) || strings.Count(text, `"verdict":"held"`) != 6 ||
		!strings.Contains(text, "the run would take 6 images, which is more than limits.maxDeletes allows (5)") {
		t.Errorf("held plan:\n%s", text)
	}
}

// What was cut off is never taken for a whole plan.
func TestTruncated(t *testing.T) {
	text := bytes.TrimSpace(write(t, example(t, newStore(t), 2, 2)))
	for n := range len(text) {
		_, err := planfile.Read(bytes.NewReader(text[:n]), newStore(t))
		var format *planfile.FormatError
		if !errors.As(err, &format) {
			t.Fatalf("the first %d of %d bytes were read: %v", n, len(text), err)
		}
	}
}

func TestBadPlans(t *testing.T) {
	for name, text := range map[string]string{
		"another value":     `[]`,
		"no fields":         `{"schema": "regsweep.plan/v1"}`,
		"wrong type":        `{"schema": 1}`,
		"more than a plan":  string(write(t, example(t, newStore(t), 0, 0))) + "{}",
		"unknown verdict":   strings.Replace(string(write(t, example(t, newStore(t), 1, 1))), `"delete","rule"`, `"remove","rule"`, 1),
		"no digest at all":  strings.Replace(string(write(t, example(t, newStore(t), 1, 1))), `"digest":"sha256:`, `"digest":"sha1:`, 1),
		"two lists":         strings.Replace(string(write(t, example(t, newStore(t), 0, 0))), `"repositories": [`, `"repositories": [{"name":"x","images":[],"images":[]},`, 1),
		"images no list":    strings.Replace(string(write(t, example(t, newStore(t), 0, 0))), `"repositories": [`, `"repositories": [{"name":"x","images":{}},`, 1),
		"repositories null": strings.Replace(string(write(t, example(t, newStore(t), 0, 0))), `"registries": [`, `"registries": [{"repositories":null},`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := planfile.Read(strings.NewReader(text), newStore(t))
			var format *planfile.FormatError
			if !errors.As(err, &format) {
				t.Errorf("error = %v, want a *FormatError", err)
			}
		})
	}
}

// A plan of another schema is read as far as that, whatever else it is.
func TestOtherSchema(t *testing.T) {
	for name, text := range map[string]string{
		"the schema first": `{"schema": "regsweep.plan/v2", "registries": {"prod": 1}}`,
		"and last":         `{"tool": "2.0.0", "sources": [], "schema": "regsweep.plan/v2"}`,
	} {
		t.Run(name, func(t *testing.T) {
			p, err := planfile.Read(strings.NewReader(text), newStore(t))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&plan.Plan{Schema: "regsweep.plan/v2"}, p, cmpopts.IgnoreUnexported(plan.Repository{})); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(write(f, example(f, newStore(f), 1, 2)))
	f.Add([]byte(`{"schema": "regsweep.plan/v1", "registries": [{"repositories": [{"images": [{}]}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := planfile.Read(bytes.NewReader(text), newStore(t))
		if err != nil {
			return
		}
		if !json.Valid(write(t, p)) {
			t.Error("a plan that was read is written as no JSON")
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	p := example(b, newStore(b), 1, 1)
	list, err := p.Registries[0].Repositories[0].Images()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var line []byte
	for b.Loop() {
		line = planfile.AppendImage(line[:0], &list[0])
	}
}

// Repositories that are stored at the same time take turns, and each gets its
// own images back, in order.
func TestStoredTogether(t *testing.T) {
	const repositories, images = 8, 2000
	store := newStore(t)
	put := func(r int) (plan.Images, error) {
		return store.Put(plan.Visitable(func(visit func(*plan.Image) error) error {
			for i := range images {
				img := plan.Image{Digest: image.DigestOf(fmt.Append(nil, r, i)), Tags: []string{fmt.Sprint(i)}, Rule: fmt.Sprint(r), Size: int64(i)}
				if err := visit(&img); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	var group errgroup.Group
	stored := make([]plan.Images, repositories)
	for r := range repositories {
		group.Go(func() (err error) {
			stored[r], err = put(r)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for r, list := range stored {
		repository := plan.NewRepository("r", plan.Totals{}, "", list)
		n := 0
		err := repository.Each(func(img *plan.Image) error {
			if img.Rule != fmt.Sprint(r) || img.Size != int64(n) || len(img.Tags) != 1 || img.Tags[0] != fmt.Sprint(n) {
				t.Fatalf("image %d of repository %d is %+v", n, r, img)
			}
			n++
			return nil
		})
		if listed, listErr := repository.Listed(); err != nil || listErr != nil || n != images || listed != images {
			t.Errorf("repository %d has %d images, and says %d; %v, %v", r, n, listed, err, listErr)
		}
	}
}

// Images of a store that was closed are an error, and never fewer images.
func TestClosedStore(t *testing.T) {
	for _, images := range []int{3, 5000} { // in memory, and in a file
		store := planfile.NewStore()
		p := example(t, store, 1, images)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		if list, err := p.Registries[0].Repositories[0].Images(); err == nil {
			t.Errorf("%d of %d images, and no error", len(list), images)
		}
		if err := planfile.Write(io.Discard, p); err == nil {
			t.Errorf("a plan of %d images is written, and no error", images)
		}
	}
}

// A visitor ends the visit, and what it failed with is what is returned.
func TestVisitorFails(t *testing.T) {
	failure := errors.New("enough")
	p := example(t, newStore(t), 1, 3)
	visited := 0
	err := p.Registries[0].Repositories[0].Each(func(*plan.Image) error {
		visited++
		return failure
	})
	if !errors.Is(err, failure) || visited != 1 {
		t.Errorf("error = %v after %d images", err, visited)
	}
	if _, err := newStore(t).Put(plan.Visitable(func(func(*plan.Image) error) error { return failure })); !errors.Is(err, failure) {
		t.Errorf("Put: error = %v", err)
	}
}

// The order of the images in a file is of no account, but none is listed twice.
func TestOrderOfImages(t *testing.T) {
	text := string(write(t, example(t, newStore(t), 1, 3)))
	lines := strings.Split(text, "\n")
	var at []int
	for i, line := range lines {
		if strings.HasPrefix(line, `    {"digest"`) {
			at = append(at, i)
		}
	}
	const end = "]}," // of the list and of the repository
	first, second := strings.TrimSuffix(lines[at[0]], ","), strings.TrimSuffix(lines[at[1]], ",")
	third := strings.TrimSuffix(lines[at[2]], end)
	for _, tt := range []struct {
		name    string
		images  [3]string
		refused bool
	}{
		{"another order", [3]string{third, first, second}, false},
		{"twice, side by side", [3]string{first, first, third}, true},
		{"twice, in another order", [3]string{third, first, third}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := slices.Clone(lines)
			for i, img := range tt.images {
				changed[at[i]] = img + ","
			}
			changed[at[2]] = tt.images[2] + end
			_, err := planfile.Read(strings.NewReader(strings.Join(changed, "\n")), newStore(t))
			var format *planfile.FormatError
			if errors.As(err, &format) != tt.refused || err != nil != tt.refused {
				t.Errorf("error = %v", err)
			}
		})
	}
}
