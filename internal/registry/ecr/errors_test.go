package ecr

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// isGone reports whether an error says that a repository does not exist.
func isGone(err error) bool {
	var gone *registry.RepositoryGoneError
	return errors.As(err, &gone)
}

func TestDenied(t *testing.T) {
	for _, action := range []string{"ecr:DescribeImages", "ecr:BatchGetImage", "ecr:DescribeRepositories"} {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			pushIndexes(w, "apps/web", 3)
			w.Deny(w.Account(ownAccount).AccessKeyID(), action, "")
			r := w.reader(t, Config{}, "")
			var err error
			if action == "ecr:DescribeRepositories" {
				var list []image.Repository
				if list, err = r.Repositories(t.Context(), all, false); list != nil {
					t.Errorf("list: %v", list)
				}
			} else {
				var c *image.Contents
				if c, err = r.Read(t.Context(), image.Repository{Name: "apps/web"}, false); c != nil {
					t.Errorf("contents: %v", c)
				}
			}
			var denied *awsapi.DeniedError
			if !errors.As(err, &denied) || denied.Action != action {
				t.Errorf("got %v, want a DeniedError of %s", err, action)
			}
		})
	}
}

func TestExpiredCredentials(t *testing.T) {
	w := newWorld(t)
	pushIndexes(w, "apps/web", 3)
	makeRepositories(t, w.own(), 5)
	r := w.reader(t, Config{}, "")
	expired := func(err error) bool {
		var credentials *awsapi.CredentialsError
		return errors.As(err, &credentials) && credentials.Expired
	}
	w.onFirst("GetResources", func() { w.ExpireKey(w.Account(ownAccount).AccessKeyID()) })
	if list, err := r.Repositories(t.Context(), all, true); list != nil || !expired(err) {
		t.Errorf("list: %v, %v; want that the credentials expired", list, err)
	}
	if c, err := r.Read(t.Context(), image.Repository{Name: "apps/web"}, false); c != nil || !expired(err) {
		t.Errorf("read: %v, %v; want that the credentials expired", c, err)
	}
	if _, err := (Config{}).OpenReader(t.Context(), "prod", w.env(t, "")); !expired(err) {
		t.Errorf("open: %v; want that the credentials expired", err)
	}
}

// faults are the ways in which an answer can be lost or broken.
var faults = map[string]embedded.Fault{
	"internal failure":     {Kind: embedded.FaultInternal},
	"dropped before":       {Kind: embedded.FaultDropBefore},
	"dropped after":        {Kind: embedded.FaultDropAfter},
	"truncated":            {Kind: embedded.FaultTruncate},
	"half of the JSON":     {Kind: embedded.FaultMalformed},
	"repeated page token":  {Kind: embedded.FaultRepeatToken},
	"throttled":            {Kind: embedded.FaultError, Code: "ThrottlingException"},
	"an error of its own":  {Kind: embedded.FaultError, Code: "InvalidParameterException"},
	"upstream unreachable": {Kind: embedded.FaultError, Code: "UnableToGetUpstreamImageException"},
}

// fillForFaults makes a repository of two pages and three batches of indexes.
func fillForFaults(w *world) {
	repo, _ := pushIndexes(w, "apps/web", 210)
	for n := range 900 {
		push(repo, plain(fmt.Sprint(n)), fmt.Sprintf("build-%d", n))
	}
}

// TestFaultAtEveryCall lets each call of a read go wrong once, in each way: the
// result is everything, or an error and nothing.
func TestFaultAtEveryCall(t *testing.T) {
	w := newWorld(t)
	fillForFaults(w)
	want := read(t, w.reader(t, Config{}, ""), "apps/web", false)
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newBubble()
				fillForFaults(w)
				for n := range 5 { // two pages and three batches
					w.ResetStats()
					w.SetFaults(embedded.FaultAt(n+1, fault))
					r := w.reader(t, Config{Account: ownAccount}, "")
					got, err := r.Read(t.Context(), image.Repository{Name: "apps/web"}, false)
					if err != nil {
						if got != nil {
							t.Errorf("call %d: contents besides the error %v", n+1, err)
						}
						continue
					}
					// cmp is slow for so much.
					if !slices.Equal(digests(want), digests(got)) {
						t.Errorf("call %d: %d images, want %d", n+1, len(got.Images), len(want.Images))
					}
					if !reflect.DeepEqual(want.Manifests, got.Manifests) || len(got.Unreadable) > 0 {
						t.Errorf("call %d: other manifests, or unreadable: %v", n+1, got.Unreadable)
					}
				}
			})
		})
	}
}

func digests(c *image.Contents) (all []image.Digest) {
	for i := range c.Images {
		all = append(all, c.Images[i].Digest)
	}
	return all
}

// TestLastingFaults lets every call of an operation go wrong: the result is an
// error and nothing.
func TestLastingFaults(t *testing.T) {
	for name, fault := range faults {
		for _, operation := range []string{"DescribeImages", "BatchGetImage", "DescribeRepositories"} {
			if operation == "BatchGetImage" && fault.Kind == embedded.FaultRepeatToken {
				continue // it has no pages
			}
			t.Run(name+"/"+operation, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newBubble()
					fillForFaults(w)
					makeRepositories(t, w.own(), 1001)
					r := w.reader(t, Config{Account: ownAccount}, "")
					w.SetFaults(embedded.FaultOn("ecr", operation, fault))
					var err error
					if operation == "DescribeRepositories" {
						var list []image.Repository
						if list, err = r.Repositories(t.Context(), all, true); list != nil {
							t.Errorf("a list of %d", len(list))
						}
					} else {
						var c *image.Contents
						if c, err = r.Read(t.Context(), image.Repository{Name: "apps/web"}, false); c != nil {
							t.Errorf("contents of %d", len(c.Images))
						}
					}
					if err == nil {
						t.Fatal("no error")
					}
					var throttled *awsapi.ThrottledError
					if fault.Code == "ThrottlingException" && !errors.As(err, &throttled) {
						t.Errorf("got %v, want a ThrottledError", err)
					}
					if fault.Kind == embedded.FaultRepeatToken && !errors.Is(err, awsapi.ErrRepeatedToken) {
						t.Errorf("got %v, want ErrRepeatedToken", err)
					}
				})
			})
		}
	}
}

// TestAnswersWithoutALists has answers that are no lists: they are not empty
// ones.
func TestAnswersWithoutALists(t *testing.T) {
	w := newWorld(t)
	pushIndexes(w, "apps/web", 3)
	r := w.reader(t, Config{}, "")
	r.calls.describeRepositories = func(context.Context, *ecr.DescribeRepositoriesInput, ...func(*ecr.Options)) (*ecr.DescribeRepositoriesOutput, error) {
		return &ecr.DescribeRepositoriesOutput{}, nil
	}
	r.calls.describeImages = func(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error) {
		return &ecr.DescribeImagesOutput{}, nil
	}
	if list, err := r.Repositories(t.Context(), all, false); list != nil || err == nil {
		t.Errorf("list: %v, %v; want an error", list, err)
	}
	if c, err := r.Read(t.Context(), image.Repository{Name: "apps/web"}, false); c != nil || err == nil {
		t.Errorf("read: %v, %v; want an error", c, err)
	}
}

// TestThrottling reads many repositories at once where little is allowed.
func TestThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newBubble()
		w.SetLatency(20 * time.Millisecond)
		const count = 60
		for n := range count {
			pushIndexes(w, fmt.Sprintf("apps/%d", n), 2)
		}
		w.SetRate("ecr:DescribeImages", embedded.Rate{PerSecond: 5, Burst: 5})
		w.SetRate("ecr:BatchGetImage", embedded.Rate{PerSecond: 3, Burst: 1})
		w.SetRate("ecr:ListTagsForResource", embedded.Rate{PerSecond: 4, Burst: 2})
		r := w.reader(t, Config{}, "")
		list, err := r.Repositories(t.Context(), all, true)
		if err != nil || len(list) != count {
			t.Fatalf("%d repositories, %v", len(list), err)
		}
		var group errgroup.Group
		for _, repository := range list {
			if repository.TagsError != nil {
				t.Error(repository.TagsError)
			}
			group.Go(func() error {
				c, err := r.Read(t.Context(), repository, false)
				if err == nil && (len(c.Images) != 3 || len(c.Unreadable) > 0) {
					err = fmt.Errorf("%s: %d images, unreadable: %v", repository.Name, len(c.Images), c.Unreadable)
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
		for _, action := range []string{"ecr:DescribeImages", "ecr:BatchGetImage", "ecr:ListTagsForResource"} {
			if w.Stats().Throttled[action] == 0 {
				t.Errorf("%s was never throttled", action)
			}
		}
	})
}

// TestCancelledWhileReading cancels when the manifests are asked for.
func TestCancelledWhileReading(t *testing.T) {
	w := newWorld(t)
	pushIndexes(w, "apps/web", 500)
	ctx, cancel := context.WithCancel(t.Context())
	w.onFirst("BatchGetImage", cancel)
	c, err := w.reader(t, Config{}, "").Read(ctx, image.Repository{Name: "apps/web"}, false)
	if c != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v and %v, want nothing and that the context was cancelled", c, err)
	}
}
