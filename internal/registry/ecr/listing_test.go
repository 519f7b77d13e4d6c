package ecr

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/image"
)

// TestListingProperties compares what becomes of listings in which images occur
// again and tags move with what the last word on each image and tag was.
func TestListingProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		listed := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) image.Image {
			return image.Image{
				Digest: image.DigestOf([]byte{byte(rapid.IntRange(0, 12).Draw(t, "image"))}),
				Tags:   rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 3, rapid.ID).Draw(t, "tags"),
				Size:   rapid.Int64Range(0, 1<<40).Draw(t, "size"),
			}
		}), 0, 30).Draw(t, "listed")

		holder, last := map[string]int{}, map[image.Digest]int{}
		for i := range listed {
			last[listed[i].Digest] = i
			for _, tag := range listed[i].Tags {
				holder[tag] = i
			}
		}
		var want []image.Image
		for _, i := range last {
			img := listed[i]
			img.Tags = nil
			for _, tag := range listed[i].Tags {
				if holder[tag] == i {
					img.Tags = append(img.Tags, tag)
				}
			}
			want = append(want, img)
		}
		slices.SortFunc(want, func(a, b image.Image) int { return a.Digest.Compare(b.Digest) })

		got := slices.Clone(listed)
		for i := range got {
			got[i].Tags = slices.Clone(got[i].Tags)
		}
		dropMovedTags(got)
		got = sortByDigest(got)
		for i := range got {
			if len(got[i].Tags) == 0 {
				got[i].Tags = nil
			}
		}
		if diff := cmp.Diff(want, slices.Clip(got)); len(want)+len(got) > 0 && diff != "" {
			t.Fatalf("images (-want +got):\n%s", diff)
		}
	})
}

// listOf returns images as a listing of a large repository gives them, in no
// order.
func listOf(n int) []image.Image {
	shared := interner{}
	images := make([]image.Image, n)
	for i := range images {
		images[i] = image.Image{
			Digest: image.DigestOf(fmt.Append(nil, i)), Tags: []string{fmt.Sprintf("main-%012x", i)},
			PushedAt: image.Time(i), Type: shared.intern([]byte(image.MediaTypeOCIManifest), nil),
		}
	}
	return images
}

func BenchmarkSortByDigest(b *testing.B) {
	const n = 100_000
	images := listOf(n)
	work := make([]image.Image, n)
	b.ReportAllocs()
	for b.Loop() {
		copy(work, images)
		dropMovedTags(work)
		sortByDigest(work)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/image")
}
