package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/usage"
)

// shelf is a registry.Reader over one repository.
type shelf struct {
	registry.Reader // nil: an apply asks for nothing else
	repo            *Repository
	// reads counts Read, and change, if any, is made to the repository before
	// the third: after the plan and the judgement of the apply.
	reads  *int
	change func(*Repository)
	err    error
}

func (s shelf) Identity() registry.Identity {
	return registry.Identity{Name: "prod", Host: "registry.example.com"}
}

func (s shelf) Repositories(_ context.Context, want func(string) bool, _ bool) ([]image.Repository, error) {
	if !want(s.repo.Repository.Name) {
		return nil, nil
	}
	return []image.Repository{s.repo.Repository}, nil
}

func (s shelf) Read(context.Context, image.Repository, bool) (*image.Contents, error) {
	*s.reads++
	if *s.reads == 3 && s.change != nil {
		s.change(s.repo)
	}
	if *s.reads >= 3 && s.err != nil {
		return nil, s.err
	}
	contents := s.repo.Contents
	contents.Images = slices.Clone(contents.Images)
	contents.Manifests = slices.Clone(contents.Manifests)
	return &contents, nil
}

// changing is a usage source whose answer depends on how often it was asked.
type changing func(asked int) (usage.Findings, error)

// source counts how often a changing source is asked.
type source struct {
	answer changing
	asked  int
}

func (s *source) Name() string { return "cluster" }

func (s *source) Collect(context.Context) (usage.Findings, error) {
	s.asked++
	return s.answer(s.asked)
}

// slow is a writer whose every call takes so long on the clock.
type slow struct {
	recorder
	now  *time.Time
	each time.Duration
}

func (s *slow) Delete(ctx context.Context, repository string, digests []image.Digest) ([]error, error) {
	*s.now = s.now.Add(s.each)
	return s.recorder.Delete(ctx, repository, digests)
}

func running(suffix string) usage.Findings {
	return usage.Findings{Observations: []usage.Observation{{Holder: "web", State: image.Running, Asked: "registry.example.com/r" + suffix}}}
}

// TestUsageIsReadAgainDuringAnApply deploys an image while older ones are being
// deleted, slowly: the run sees it at the next recheck.
func TestUsageIsReadAgainDuringAnApply(t *testing.T) {
	tests := []struct {
		name    string
		answer  changing
		each    time.Duration
		asked   int
		deleted int
		held    bool
		left    []string
	}{
		{"nothing changes", func(int) (usage.Findings, error) { return running(":used"), nil }, time.Minute, 3, 8, false, []string{}},
		{"a deployment of what would go last", func(asked int) (usage.Findings, error) {
			if asked > 2 {
				return running("@" + D("image7").String()), nil
			}
			return running(":used"), nil
		}, time.Minute, 3, 7, false, []string{"family changed"}},
		{"a source fails", func(asked int) (usage.Findings, error) {
			if asked > 2 {
				return usage.Findings{}, errors.New("connection refused")
			}
			return running(":used"), nil
		}, time.Minute, 3, 5, true, []string{"gap", "gap", "gap"}},
		{"quick enough for one reading", func(asked int) (usage.Findings, error) { return running(":used"), nil }, time.Second, 2, 8, false, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			repo := New("r").Add("used", Tags("used"))
			// Deletions go by digest; image7 is made the last of them by listing it
			// under an index that goes before.
			for i := range 7 {
				repo.Add(fmt.Sprint("image", i), Age(50*Day))
			}
			repo.Add("image7", Age(50*Day), Subject("image6"))
			p, problems := policy.Compile(policy.Spec{Rules: []policy.Rule{{Name: "all", Keep: []policy.Keep{{YoungerThan: policy.Age{Fixed: 30 * Day}}}}}, Limits: policy.Limits{MaxDeletes: 99, MaxShare: 1}})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			now := Now.Time()
			src := &source{answer: tt.answer}
			a := &App{
				Readers: []registry.Reader{shelf{repo: repo, reads: new(int)}}, Sources: []usage.Entry{{Source: src}}, Policy: p, Version: "test", Recheck: 5 * time.Minute,
				Judge: Now.Time, Now: func() time.Time { return now }, Store: planfile.NewStore(), Log: slog.New(slog.DiscardHandler),
			}
			a.Usage.Now = a.Now
			outcome, err := a.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w := &slow{recorder: recorder{batch: 1}, now: &now, each: tt.each}
			report, err := a.Apply(t.Context(), outcome.Plan, func(context.Context, string) (registry.Writer, error) { return w, nil })
			if err != nil {
				t.Fatal(err)
			}
			got := []any{report.Deleted, report.Changed, report.Held, src.asked}
			if diff := cmp.Diff([]any{tt.deleted, 8 - tt.deleted, tt.held, tt.asked}, got); diff != "" {
				t.Errorf("deleted, changed, held, readings of usage (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.left, leftImages(t, report)); diff != "" {
				t.Errorf("images that were left (-want +got):\n%s", diff)
			}
		})
	}
}

// leftImages returns the codes of the reasons of the images that a report says were
// left since something changed, from its JSON.
func leftImages(t *testing.T, report *plan.Report) []string {
	t.Helper()
	b, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Repositories []struct{ ChangedImages []plan.LeftImage }
	}
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for i, repo := range back.Repositories {
		if diff := cmp.Diff(repo.ChangedImages[:min(plan.ShownChanged, len(repo.ChangedImages))], report.Repositories[i].FirstChanged, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the first of the list (-want +got):\n%s", diff)
		}
		for _, img := range repo.ChangedImages {
			var codes []string
			for _, reason := range img.Reasons {
				if reason.Detail == "" {
					t.Errorf("%s: %s says nothing", img.Digest, reason.Code)
				}
				codes = append(codes, string(reason.Code))
			}
			list = append(list, strings.Join(codes, " "))
		}
	}
	slices.Sort(list)
	return list
}

// TestImagesAreReadAgainDuringAnApply changes what is condemned while other
// images are being deleted, slowly.
func TestImagesAreReadAgainDuringAnApply(t *testing.T) {
	retag := func(name string, tags ...string) func(*Repository) {
		return func(r *Repository) {
			i, _ := r.Graph().Find(D(name))
			r.Images[i].Tags = tags
		}
	}
	for _, tt := range []struct {
		name    string
		change  func(*Repository)
		err     error
		deleted []string // of index, amd64, arm64; the plain image always goes first
	}{
		{"nothing changes", nil, nil, []string{"release", "amd64", "arm64"}},
		{"the index gets another tag", retag("release", "production", "v1"), nil, nil},
		{"the index loses its tag", retag("release"), nil, nil},
		{"what it lists gets a tag", retag("amd64", "hotfix"), nil, nil},
		{"somebody signs it", func(r *Repository) { r.Add("signature", Subject("release")) }, nil, nil},
		{"a new index lists a part of it", func(r *Repository) { r.Add("newer", Lists("arm64"), Tags("v2")) }, nil, nil},
		{"an image elsewhere changes", func(r *Repository) { r.Add("other", Tags("v9")) }, nil, []string{"release", "amd64", "arm64"}},
		{"the repository cannot be read again", nil, errors.New("denied"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repo := New("r").Add("pilot", Age(50*Day), Lists()).Add("release", Age(50*Day), Tags("v1"), Lists("amd64", "arm64")).
				Add("amd64", Age(50*Day)).Add("arm64", Age(50*Day))
			// The roots that hold others go first, and this one before the other.
			if D("pilot").Compare(D("release")) > 0 {
				t.Fatal("the digests are not in the order that this test needs")
			}
			repo.Add("of-pilot", Age(50*Day), Subject("pilot"))
			p, problems := policy.Compile(policy.Spec{Rules: []policy.Rule{{Name: "all"}}, Limits: policy.Limits{MaxDeletes: 99, MaxShare: 1}})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			now := Now.Time()
			a := &App{
				Readers: []registry.Reader{shelf{repo: repo, reads: new(int), change: tt.change, err: tt.err}}, UsageNone: true, Policy: p, Recheck: time.Hour,
				Judge: Now.Time, Now: func() time.Time { return now }, Store: planfile.NewStore(), Log: slog.New(slog.DiscardHandler),
			}
			a.Usage.Now = a.Now
			outcome, err := a.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w := &slow{recorder: recorder{batch: 1}, now: &now, each: time.Minute}
			report, err := a.Apply(t.Context(), outcome.Plan, func(context.Context, string) (registry.Writer, error) { return w, nil })
			if err != nil {
				t.Fatal(err)
			}
			if left := leftImages(t, report); len(left) != report.Changed {
				t.Errorf("%d images changed, and these are listed: %v", report.Changed, left)
			}
			var deleted []string
			for _, name := range []string{"release", "amd64", "arm64"} {
				if waveOf(&w.recorder, name) > 0 {
					deleted = append(deleted, name)
				}
			}
			if diff := cmp.Diff(tt.deleted, deleted); diff != "" {
				t.Errorf("deleted (-want +got):\n%s", diff)
			}
			if waveOf(&w.recorder, "pilot") != 1 || report.Held != (tt.err != nil) {
				t.Errorf("the first image went in call %d, held %v", waveOf(&w.recorder, "pilot"), report.Held)
			}
		})
	}
}
