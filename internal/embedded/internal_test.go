package embedded

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWildcard(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true},
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*b", "ab", true},
		{"a*b", "ab", true}, {"a*b", "axxb", true}, {"a*b", "axxbc", false},
		{"a*a", "a", false}, {"a*b*c", "a-b-b-c", true}, {"a*b*c", "acb", false}, {"**", "x", true},
	} {
		if got := wildcard(test.pattern, test.s); got != test.want {
			t.Errorf("wildcard(%q, %q) = %v, want %v", test.pattern, test.s, got, test.want)
		}
	}
}

// An ordered set behaves like a map that is sorted each time it is read.
func TestOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o ordered[int]
		model := map[string]int{}
		for i := range rapid.IntRange(0, 400).Draw(t, "steps") {
			key := fmt.Sprint("k", rapid.IntRange(0, 150).Draw(t, "key"))
			switch rapid.IntRange(0, 4).Draw(t, "action") {
			case 0, 1:
				o.put(key, i)
				model[key] = i
			case 2, 3:
				o.remove(key)
				delete(model, key)
			case 4:
				got := map[string]int{}
				var keys []string
				for k, v := range o.from(key) {
					got[k] = v
					keys = append(keys, k)
				}
				want := map[string]int{}
				for k, v := range model {
					if k >= key {
						want[k] = v
					}
				}
				if diff := cmp.Diff(want, got); diff != "" || !slices.IsSorted(keys) || len(keys) != len(got) {
					t.Fatalf("from %s: keys %v differ (-want +got):\n%s", key, keys, diff)
				}
			}
			if o.len() != len(model) {
				t.Fatalf("%d values, want %d", o.len(), len(model))
			}
		}
	})
}

// Whatever is pushed, moved and deleted, tags point at the images that have
// them, and no index lists an image that is gone.
func TestRepositoryStaysWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		srv := New(Options{Clock: func() time.Time { return now }})
		repo := srv.Account(DefaultAccount).Region("eu-west-1").MustCreateRepository("apps/web", RepositoryOptions{})
		c := &Call{Server: srv, Account: repo.region.Account, Region: repo.region, Principal: srv.principal("AKIAX"), Now: now}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			digests := []string{}
			for _, img := range repo.Images() {
				digests = append(digests, img.Digest)
			}
			tag := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "tag")
			tags := []string{tag}
			if tag == "" {
				tags = nil
			}
			switch action := rapid.IntRange(0, 3).Draw(t, "action"); {
			case action == 0 || len(digests) == 0:
				m := NewImage(ConfigBlob(fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "seed")), 1))
				repo.MustPush(Push{Manifest: m.Bytes(), Tags: tags})
			case action == 1:
				var children []Descriptor
				for _, d := range rapid.SliceOfN(rapid.SampledFrom(digests), 1, 3).Draw(t, "children") {
					children = append(children, Descriptor{MediaType: MediaTypeOCIManifest, Digest: d, Size: 1})
				}
				m := NewIndex(children...)
				m.Subject = &Descriptor{MediaType: MediaTypeOCIManifest, Digest: rapid.SampledFrom(digests).Draw(t, "subject")}
				repo.MustPush(Push{Manifest: m.Bytes(), Tags: tags})
			default:
				in := &batchDeleteImageInput{repositoryInput: repositoryInput{RepositoryName: "apps/web"}}
				for _, d := range rapid.SliceOfN(rapid.SampledFrom(digests), 1, 4).Draw(t, "deleted") {
					in.ImageIDs = append(in.ImageIDs, imageID{ImageDigest: d})
				}
				if tag != "" {
					in.ImageIDs = append(in.ImageIDs, imageID{ImageTag: tag})
				}
				if _, err := batchDeleteImage(c, repo, in); err != nil {
					t.Fatal(err)
				}
			}
			checkWhole(t, repo)
		}
	})
}

// checkWhole compares the lookup tables of a repository with its images.
func checkWhole(t *rapid.T, repo *Repository) {
	byTag, parents, referrers := map[string]string{}, map[string][]string{}, map[string][]string{}
	for _, img := range repo.Images() {
		for _, tag := range img.Tags {
			byTag[tag] = img.Digest
		}
		for _, child := range img.Children {
			if _, exists := repo.Image(child); !exists {
				t.Fatalf("index %s lists %s, which is gone", img.Digest, child)
			}
			parents[child] = append(parents[child], img.Digest)
		}
		if img.Subject != "" {
			referrers[img.Subject] = append(referrers[img.Subject], img.Digest)
		}
	}
	gotTags := map[string]string{}
	for tag, img := range repo.byTag {
		gotTags[tag] = img.digest
	}
	for _, lists := range []map[string][]string{repo.parents, repo.referrers} {
		for _, list := range lists {
			slices.Sort(list)
		}
	}
	for name, diff := range map[string]string{
		"tags":      cmp.Diff(byTag, gotTags),
		"parents":   cmp.Diff(parents, repo.parents),
		"referrers": cmp.Diff(referrers, repo.referrers),
	} {
		if diff != "" {
			t.Fatalf("%s differ from those of the images (-want +got):\n%s", name, diff)
		}
	}
}

// TestQuotas: a registry has at most 100,000 repositories, and a repository as many
// images. What is there already can be pushed again, and something else when
// something has gone.
func TestQuotas(t *testing.T) {
	srv := New(Options{Clock: func() time.Time { return time.Unix(0, 0) }})
	region := srv.Account(DefaultAccount).Region("eu-west-1")
	repo := region.MustCreateRepository("apps/web", RepositoryOptions{})
	first := NewImage(ConfigBlob("first", 1)).Bytes()
	repo.MustPush(Push{Manifest: first})
	for i := range maxImages - 1 {
		repo.images.put(fmt.Sprint(i), nil)
		region.ecr.repositories.put(fmt.Sprint(i), nil)
	}
	more := Push{Manifest: NewImage(ConfigBlob("more", 1)).Bytes(), Tags: []string{"v1"}}
	_, err := repo.Push(more)
	wantLimit(t, err)
	if _, err := repo.Push(Push{Manifest: first, Tags: []string{"v1"}}); err != nil {
		t.Errorf("a tag of an image that is there: %v", err)
	}
	repo.images.remove("7")
	if _, err := repo.Push(more); err != nil {
		t.Errorf("after one image has gone: %v", err)
	}
	_, err = region.CreateRepository("apps/more", RepositoryOptions{})
	wantLimit(t, err)
	region.ecr.repositories.remove("7")
	if _, err := region.CreateRepository("apps/more", RepositoryOptions{}); err != nil {
		t.Errorf("after one repository has gone: %v", err)
	}
}

func wantLimit(t *testing.T, err error) {
	t.Helper()
	apiErr := (*Error)(nil)
	if !errors.As(err, &apiErr) || apiErr.Code != "LimitExceededException" {
		t.Errorf("error %v, want LimitExceededException", err)
	}
}

// TestAnswersAreCopies changes an image after it was answered for and before the
// answer is encoded, which happens without the lock.
func TestAnswersAreCopies(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	srv := New(Options{Clock: func() time.Time { return now }})
	repo := srv.Account(DefaultAccount).Region("eu-west-1").MustCreateRepository("apps/web", RepositoryOptions{})
	repo.MustPush(Push{Manifest: NewImage(ConfigBlob("a", 1)).Bytes(), Tags: []string{"v1", "v2", "v3"}, At: now.Add(-100 * 24 * time.Hour)})
	const text = `{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30}, "action": {"type": "expire"}}]}`
	if _, err := repo.PreviewLifecyclePolicy(text); err != nil {
		t.Fatal(err)
	}
	c := &Call{Server: srv, Account: repo.region.Account, Region: repo.region, Now: now, service: ecrService()}
	for name, answer := range map[string]operation{
		"GetLifecyclePolicyPreview": func(c *Call) (any, error) {
			return getLifecyclePolicyPreview(c, repo, &lifecyclePreviewInput{})
		},
		"DescribeImages": func(c *Call) (any, error) { return describeImages(c, repo, &imagesInput{}) },
		"ListImages":     func(c *Call) (any, error) { return listImages(c, repo, &imagesInput{}) },
	} {
		out, err := answer(c)
		if err != nil {
			t.Fatal(err)
		}
		before, err := encode(c, out)
		if err != nil {
			t.Fatal(err)
		}
		repo.mu.Lock()
		img := repo.byTag["v1"]
		img.removeTag("v1")
		repo.mu.Unlock()
		after, err := encode(c, out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(before), string(after)); diff != "" {
			t.Errorf("%s: the answer changed with the image (-before +after):\n%s", name, diff)
		}
		img.addTag("v1")
	}
}
