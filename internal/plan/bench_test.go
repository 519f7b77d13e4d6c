package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/graph"
	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// large returns a repository of n images of which every fifth is an index over
// two others.
func large(n int) *image.Contents {
	c := &image.Contents{Repository: image.Repository{Registry: "prod", Name: "r"}, GuardsListed: true}
	type entry struct {
		image.Image
		manifest *image.Manifest
	}
	manifestType, indexType := image.NewType(image.MediaTypeOCIManifest, "", image.Digest{}), image.NewType(image.MediaTypeOCIIndex, "", image.Digest{})
	var list []entry
	for i := range n {
		e := entry{Image: image.Image{
			Digest: D(fmt.Sprint(i)), Type: manifestType, Size: 50e6,
			PushedAt: Now - image.Time((time.Duration(i) * time.Minute).Milliseconds()),
		}}
		switch i % 5 {
		case 0:
			e.Type = indexType
			e.Tags = []string{fmt.Sprintf("main-%07x", i)}
			e.manifest = &image.Manifest{Children: []image.Child{{Digest: D(fmt.Sprint(i + 1)), Platform: "linux/amd64"}, {Digest: D(fmt.Sprint(i + 2)), Platform: "linux/arm64"}}}
		case 3, 4:
			e.Tags = []string{fmt.Sprintf("pr-%d", i)}
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b entry) int { return a.Digest.Compare(b.Digest) })
	for _, e := range list {
		c.Images = append(c.Images, e.Image)
		c.Manifests = append(c.Manifests, e.manifest)
	}
	return c
}

var benchSpec = policy.Spec{
	Protect: []policy.Protect{{Tags: []string{"latest", "v*"}}},
	Rules: []policy.Rule{
		{Name: "previews", Tags: []string{"pr-*"}, Keep: []policy.Keep{{Newest: 3}, {YoungerThan: policy.Age{Fixed: 14 * Day}}}},
		{Name: "rest", Keep: []policy.Keep{{Newest: 10}, {YoungerThan: policy.Age{Fixed: 30 * Day}}}},
	},
	Limits: policy.Limits{MaxDeletes: 1e6, MaxShare: 1, MinRemaining: 1},
}

// BenchmarkStages measures the pure stages on a repository of 100,000 images:
// graph, policy and plan are the decision, from contents to a verdict on each
// image and the totals; lines makes the images of the document with their reasons
// in words, of those that are listed.
func BenchmarkStages(b *testing.B) {
	const n = 100_000
	c := large(n)
	p := compile(b, benchSpec)
	u := uses(b, used(":main-0000005"), used("@"+D("7").String()))
	perImage := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/image") }
	b.Run("graph", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			graph.Build(c)
		}
		perImage(b)
	})
	g := graph.Build(c)
	b.Run("policy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.Evaluate(policy.Input{Graph: g, Now: Now, Uses: u})
		}
		perImage(b)
	})
	result := p.Evaluate(policy.Input{Graph: g, Now: Now, Uses: u})
	b.Run("plan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if r := plan.Judge(g, result, p.Limits()).Repository(false); r.Totals.Images != n {
				b.Fatalf("%d images", r.Totals.Images)
			}
		}
		perImage(b)
	})
	judged := plan.Judge(g, result, p.Limits())
	b.Run("lines", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			images := 0
			err := judged.Repository(false).Each(func(*plan.Image) error {
				images++
				return nil
			})
			if err != nil || images == 0 {
				b.Fatalf("%d images, %v", images, err)
			}
		}
		perImage(b)
	})
	// The decision as a whole: the figure that is to be at most 1 µs an image.
	b.Run("decision", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g := graph.Build(c)
			result := p.Evaluate(policy.Input{Graph: g, Now: Now, Uses: u})
			if r := plan.Judge(g, result, p.Limits()).Repository(false); r.Totals.Images != n {
				b.Fatalf("%d images", r.Totals.Images)
			}
		}
		perImage(b)
	})
}
