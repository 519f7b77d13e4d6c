package ecr

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

const lifecyclePolicy = `{"rules": [{"rulePriority": 7, "selection": {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30}, "action": {"type": "expire"}}]}`

// openLifecycle opens the policies of the own account. Each wait moves the clock.
func (w *world) openLifecycle(t *testing.T) *Lifecycle {
	t.Helper()
	l, err := Config{Region: region, Account: ownAccount}.OpenLifecycle(t.Context(), "prod", w.env(t, ""), func(ctx context.Context, d time.Duration) error {
		w.clock.Advance(d)
		return ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLifecyclePolicies(t *testing.T) {
	w := newWorld(t)
	repo := w.Account(ownAccount).Region(region).MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	l := w.openLifecycle(t)
	if text, err := l.LifecyclePolicy(t.Context(), "apps/web"); text != "" || err != nil {
		t.Errorf("no policy: %q, %v", text, err)
	}
	writer, err := Config{Region: region, Account: ownAccount}.OpenLifecycleWriter(t.Context(), "prod", w.env(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.PutLifecyclePolicy(t.Context(), "apps/web", lifecyclePolicy); err != nil {
		t.Fatal(err)
	}
	if repo.LifecyclePolicy() != lifecyclePolicy {
		t.Errorf("stored %q", repo.LifecyclePolicy())
	}
	if text, err := l.LifecyclePolicy(t.Context(), "apps/web"); text != lifecyclePolicy || err != nil {
		t.Errorf("policy %q, %v", text, err)
	}
	var gone *registry.RepositoryGoneError
	if _, err := l.LifecyclePolicy(t.Context(), "apps/none"); !errors.As(err, &gone) {
		t.Errorf("no repository: %v", err)
	}
	if err := writer.PutLifecyclePolicy(t.Context(), "apps/none", lifecyclePolicy); !errors.As(err, &gone) {
		t.Errorf("put without a repository: %v", err)
	}
	if err := writer.PutLifecyclePolicy(t.Context(), "apps/web", "{}"); err == nil {
		t.Error("a policy that is none was put")
	}
}

func TestLifecyclePreviewOfECR(t *testing.T) {
	w := newWorld(t)
	at := w.Account(ownAccount).Region(region)
	at.SetLifecyclePreviewTime(12 * time.Second)
	repo := at.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	want := map[image.Digest]registry.LifecycleAction{}
	for i := range 250 {
		days := 31
		if i%10 == 0 {
			days = 3
		}
		m := embedded.NewImage(embedded.ConfigBlob(fmt.Sprint(i), 10), embedded.LayerBlob(fmt.Sprint(i), 90))
		d, err := image.ParseDigest(repo.MustPush(embedded.Push{Manifest: m.Bytes(), At: start.Add(-time.Duration(days) * 24 * time.Hour)}))
		if err != nil {
			t.Fatal(err)
		}
		if days == 31 {
			want[d] = registry.LifecycleAction{Digest: d, Priority: 7}
		}
	}
	l := w.openLifecycle(t)
	actions, err := l.PreviewLifecyclePolicy(t.Context(), "apps/web", lifecyclePolicy)
	if err != nil {
		t.Fatal(err)
	}
	got := map[image.Digest]registry.LifecycleAction{}
	for _, a := range actions {
		got[a.Digest] = a
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	// At 0, 5, 10 and 15 seconds, and two more pages.
	if calls := w.Stats().Calls["ecr:GetLifecyclePolicyPreview"]; calls != 6 {
		t.Errorf("%d calls, want 6", calls)
	}
	archiving := strings.Replace(lifecyclePolicy, `"type": "expire"`, `"type": "transition", "targetStorageClass": "archive"`, 1)
	if actions, err = l.PreviewLifecyclePolicy(t.Context(), "apps/web", archiving); err != nil || len(actions) != 225 || !actions[0].Archive {
		t.Errorf("archiving: %d actions, %v", len(actions), err)
	}

	w.clock.Advance(2 * time.Hour)
	at.SetLifecyclePreviewTime(time.Hour)
	before := w.Stats().Calls["ecr:GetLifecyclePolicyPreview"]
	if _, err := l.PreviewLifecyclePolicy(t.Context(), "apps/web", lifecyclePolicy); err == nil || !strings.Contains(err.Error(), "it was not complete after 1m35s") {
		t.Errorf("a preview that does not end: %v", err)
	}
	if calls := w.Stats().Calls["ecr:GetLifecyclePolicyPreview"] - before; calls != previewAttempts {
		t.Errorf("%d questions, want %d", calls, previewAttempts)
	}
	if _, err := l.PreviewLifecyclePolicy(t.Context(), "apps/web", lifecyclePolicy); err == nil || !strings.Contains(err.Error(), "LifecyclePolicyPreviewInProgressException") {
		t.Errorf("a preview beside another: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.PreviewLifecyclePolicy(ctx, "apps/web", lifecyclePolicy); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestStorageTimes(t *testing.T) {
	w := newWorld(t)
	repo := w.Account(ownAccount).Region(region).MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	push := func(name string) image.Digest {
		m := embedded.NewImage(embedded.ConfigBlob(name, 10), embedded.LayerBlob(name, 90))
		d, err := image.ParseDigest(repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: []string{name}}))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	push("never")
	archived := push("archived")
	repo.Archive("archived", start.Add(-time.Hour))
	l := w.openLifecycle(t)
	got, err := l.StorageTimes(t.Context(), "apps/web")
	want := map[image.Digest]registry.StorageTimes{archived: {ArchivedAt: image.At(start.Add(-time.Hour))}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	w.SetFaults(embedded.FaultOn("ecr", "DescribeImages", embedded.Fault{Kind: embedded.FaultError, Code: "InvalidParameterException"}))
	if _, err := l.StorageTimes(t.Context(), "apps/web"); err == nil {
		t.Error("a list that fails is no error")
	}
}

// fillForLifecycle makes a repository of which ECR's preview has two pages.
func fillForLifecycle(w *world) {
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	repo.SetLifecyclePolicy(lifecyclePolicy)
	for i := range 250 {
		m := embedded.NewImage(embedded.ConfigBlob(fmt.Sprint(i), 10), embedded.LayerBlob(fmt.Sprint(i), 90))
		d := repo.MustPush(embedded.Push{Manifest: m.Bytes(), At: w.now().Add(-50 * 24 * time.Hour)})
		if i%3 == 0 {
			repo.Archive(d, w.now())
			repo.MustPush(embedded.Push{Manifest: m.Bytes()})
		}
	}
}

// TestLifecycleFaults breaks each call once: what is read then is complete, or an
// error and nothing.
func TestLifecycleFaults(t *testing.T) {
	all := maps.Clone(faults)
	all["an empty object"] = embedded.Fault{Kind: embedded.FaultEmptyObject}
	for name, fault := range all {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newBubble()
				fillForLifecycle(w)
				open := func() *Lifecycle {
					l, err := Config{Region: region, Account: ownAccount}.OpenLifecycle(t.Context(), "prod", w.env(t, ""), func(context.Context, time.Duration) error {
						time.Sleep(previewDelay)
						return nil
					})
					if err != nil {
						t.Fatal(err)
					}
					return l
				}
				policy := strings.Replace(lifecyclePolicy, "30", "40", 1)
				type result struct {
					text    string
					times   int
					actions int
				}
				read := func(l *Lifecycle) (r result, errs [3]error) {
					var times map[image.Digest]registry.StorageTimes
					var actions []registry.LifecycleAction
					r.text, errs[0] = l.LifecyclePolicy(t.Context(), "apps/web")
					times, errs[1] = l.StorageTimes(t.Context(), "apps/web")
					actions, errs[2] = l.PreviewLifecyclePolicy(t.Context(), "apps/web", policy)
					r.times, r.actions = len(times), len(actions)
					return r, errs
				}
				want, errs := read(open())
				if errs != [3]error{} || want.times == 0 || want.actions < 101 {
					t.Fatalf("without faults: %+v, %v", want, errs)
				}
				for n := range 6 {
					w.ResetStats()
					w.SetFaults(embedded.FaultAt(n+1, fault))
					got, errs := read(open())
					for i, same := range []bool{got.text == want.text, got.times == want.times, got.actions == want.actions} {
						none := []bool{got.text == "", got.times == 0, got.actions == 0}[i]
						if errs[i] == nil && !same || errs[i] != nil && !none {
							t.Errorf("call %d, reading %d: %+v, want %+v, error %v", n+1, i, got, want, errs[i])
						}
					}
				}
			})
		})
	}
}
