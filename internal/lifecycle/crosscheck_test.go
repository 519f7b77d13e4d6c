package lifecycle_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/lifecycle"
)

// contentsOf reads a repository of the embedded account.
func contentsOf(t *rapid.T, repo *embedded.Repository) (*image.Contents, map[image.Digest]lifecycle.Times) {
	c := &image.Contents{Repository: image.Repository{Name: repo.Name()}}
	times := map[image.Digest]lifecycle.Times{}
	digest := func(s string) image.Digest {
		if s == "" {
			return image.Digest{}
		}
		d, err := image.ParseDigest(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, img := range repo.Images() { // sorted by digest
		d := digest(img.Digest)
		m := &image.Manifest{Subject: digest(img.Subject).OrNil()}
		for _, child := range img.Children {
			m.Children = append(m.Children, image.Child{Digest: digest(child), Platform: "linux/amd64"})
		}
		status := map[string]image.Status{"ACTIVE": image.Active, "ARCHIVED": image.Archived, "ACTIVATING": image.Activating}[img.Status]
		c.Images = append(c.Images, image.Image{
			Digest: d, Tags: img.Tags, PushedAt: image.At(img.PushedAt), PulledAt: image.At(img.PulledAt),
			Type: image.NewType(img.MediaType, img.ArtifactType, digest(img.Subject)), Status: status,
		})
		c.Manifests = append(c.Manifests, m)
		times[d] = lifecycle.Times{ArchivedAt: image.At(img.ArchivedAt), ActivatedAt: image.At(img.ActivatedAt)}
	}
	return c, times
}

// drawPolicy draws a policy that ECR takes.
func drawPolicy(t *rapid.T) string {
	var texts []string
	counts := []string{"cnt>1", "cnt>2", "push>2d", "push>30d", "push>2d archive", "pull>2d", "cnt>1 archive"}
	for range rapid.IntRange(0, 4).Draw(t, "rules") {
		selection := pick(t, "pr-*", "*-rc", "*", "v1", "pr-*,v*", "untagged")
		texts = append(texts, selection+" "+pick(t, append(counts, "moved>2d")...))
	}
	if len(texts) == 0 || rare(t, 3) {
		texts = append(texts, "any "+pick(t, counts...))
	}
	if rare(t, 3) {
		texts = append(texts, "any moved>2d")
	}
	return rules(texts...)
}

func restored(times map[image.Digest]lifecycle.Times) bool {
	for _, t := range times {
		if t.ActivatedAt.Known() {
			return true
		}
	}
	return false
}

func positions(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// drawEmbedded fills a repository of the embedded account, in which no two images
// have one push time.
func drawEmbedded(t *rapid.T, region *embedded.Region, now time.Time) *embedded.Repository {
	repo := region.MustCreateRepository("apps/r", embedded.RepositoryOptions{})
	free := slices.Clone(tagPool)
	var pushed []embedded.Descriptor
	for n := range rapid.IntRange(0, 9).Draw(t, "images") {
		tags := some(t, 2, free...)
		free = slices.DeleteFunc(free, func(tag string) bool { return slices.Contains(tags, tag) })
		one := fmt.Sprint("image ", n)
		m := embedded.NewImage(embedded.ConfigBlob(one, 10), embedded.LayerBlob(one, 90))
		var of []embedded.Descriptor
		for _, k := range some(t, 2, positions(len(pushed))...) {
			of = append(of, pushed[k])
		}
		switch kind := rapid.IntRange(0, 4).Draw(t, "kind"); {
		case kind == 3 && len(of) > 0:
			m = embedded.NewIndex(of...)
		case kind == 4:
			subject := embedded.Descriptor{MediaType: embedded.MediaTypeOCIManifest, Digest: embedded.LayerBlob("gone", 1).Digest, Size: 1}
			if len(of) > 0 {
				subject = of[0]
			}
			m = embedded.NewArtifact("application/vnd.example.sbom", subject)
		}
		if _, there := repo.Image(m.Descriptor().Digest); there {
			continue // the same artifact again
		}
		ago := pick(t, time.Hour, 47*time.Hour, 49*time.Hour, 29*24*time.Hour, 31*24*time.Hour)
		digest := repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: now.Add(-ago + time.Duration(n)*time.Second)})
		pushed = append(pushed, m.Descriptor())
		if rare(t, 3) {
			repo.Pull(digest, now.Add(-pick(t, ago/2, ago/4)))
		}
		if rare(t, 4) {
			repo.Archive(digest, now.Add(-pick(t, time.Hour, 50*time.Hour)))
			if rare(t, 4) { // what is pushed again is restored
				repo.MustPush(embedded.Push{Manifest: m.Bytes(), At: now.Add(-pick(t, time.Minute, 49*time.Hour))})
			}
		}
	}
	return repo
}

// TestEvaluatorsAgree compares the evaluator with that of the embedded account,
// which was written apart from it: Least is what the account does with members of
// families apart, and Most what it does when it treats them like others.
func TestEvaluatorsAgree(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	acted := 0
	rapid.Check(t, func(t *rapid.T) {
		server := embedded.New(embedded.Options{Clock: func() time.Time { return now }})
		region := server.Account(embedded.DefaultAccount).Region("eu-west-1")
		repo := drawEmbedded(t, region, now)
		text := drawPolicy(t)
		contents, times := contentsOf(t, repo)
		p := parseRapid(t, text)
		in := lifecycle.Input{Graph: graph.Build(contents), Now: image.At(now), Times: times}
		for _, members := range []bool{false, true} {
			region.CountLifecycleMembers(members)
			got, err := repo.PreviewLifecyclePolicy(text)
			if err != nil {
				t.Fatalf("%s\n%v", text, err)
			}
			reading := lifecycle.Least
			if members {
				reading = lifecycle.Most
			}
			var want []string
			for i, f := range lifecycle.Evaluate(p, in, reading) {
				if f.Action != lifecycle.Keep {
					want = append(want, contents.Images[i].Digest.String())
				}
			}
			acted += len(got)
			if restored(times) {
				// From when on ECR counts those is not sure, and the readings differ.
				less, more := want, got
				if members {
					less, more = got, want
				}
				if slices.ContainsFunc(less, func(d string) bool { return !slices.Contains(more, d) }) {
					t.Errorf("members %v: %v are not among %v", members, less, more)
				}
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("members %v: evaluator and account differ (-evaluator +account):\n%s\n%s\n%+v", members, diff, describe(p), repo.Images())
			}
		}
	})
	if acted == 0 {
		t.Error("no policy ever acted")
	}
}
