package ecr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/jsonscan"
)

// otherAttempts is how often awsapi sends a call whose answers are broken.
const otherAttempts = 6

// TestAnswers sends answers of DescribeImages through the whole client. What is
// broken is asked for again, and what is whole but of no use is not.
func TestAnswers(t *testing.T) {
	digest := image.DigestOf([]byte("a"))
	type outcome int
	const (
		ok outcome = iota
		broken
		unusable
	)
	// with is an answer with one image, which has a further member.
	with := func(member string) string {
		return fmt.Sprintf(`{"imageDetails":[{"imageDigest":%q,%s}]}`, digest, member)
	}
	for _, test := range []struct {
		name, body string
		outcome    outcome
		want       image.Image // but for the digest
	}{
		{"an image", with(`"registryId":"111122223333"`), ok, image.Image{}},
		{"spaces", "\r\n" + strings.ReplaceAll(with(`"imageTags" : [ "a" ,"b" ]`), `:[`, " :\t[ ") + " \n", ok, image.Image{Tags: []string{"a", "b"}}},
		{"unknown members", with(`"a":{"b":[{"imageTags":7},"]}\"\u005d",[[]],-1.5e-7,true,null]},"imageTags":["a"]`), ok, image.Image{Tags: []string{"a"}}},
		{"members in another case", with(`"ImageTags":["a"],"IMAGEDIGEST":"x"`), ok, image.Image{}},
		{"members with escapes", with(`"image\u0054ags":["a"]`), ok, image.Image{Tags: []string{"a"}}},
		{"escapes", with(`"imageTags":["\u0061\/\"\\\n","\ud83d\ude00","\ud83d!"]`), ok, image.Image{Tags: []string{"a/\"\\\n", "�!", "😀"}}},
		{"tags that occur again", with(`"imageTags":["b","a","b"]`), ok, image.Image{Tags: []string{"a", "b"}}},
		{"the last of members", with(`"imageTags":["b"],"imageTags":["a","c"],"imageSizeInBytes":1,"imageSizeInBytes":2`), ok, image.Image{Tags: []string{"a", "c"}, Size: 2}},
		{"null after a value", with(`"imageTags":["b"],"imageTags":null,"imageStatus":"ARCHIVED","imageStatus":null`), ok, image.Image{Tags: []string{"b"}, Status: image.Archived}},
		{"null members", with(`"imageTags":null,"imagePushedAt":null,"imageSizeInBytes":null,"subjectManifestDigest":null,"imageStatus":null,"imageManifestMediaType":null`), ok, image.Image{}},
		{"empty members", with(`"imageTags":[],"subjectManifestDigest":"","imageStatus":"","imageManifestMediaType":""`), ok, image.Image{}},
		{"states", with(`"imageStatus":"ACTIVATING"`), ok, image.Image{Status: image.Activating}},
		{"seconds", with(`"imagePushedAt":1770000000,"lastRecordedPullTime":1770000001`), ok, image.Image{PushedAt: 1770000000_000, PulledAt: 1770000001_000}},
		{"milliseconds", with(`"imagePushedAt":1770000000.001,"lastRecordedPullTime":1770000000.999`), ok, image.Image{PushedAt: 1770000000_001, PulledAt: 1770000000_999}},
		{"exponents", with(`"imagePushedAt":1.770000001E9,"lastRecordedPullTime":1770000000123e-3`), ok, image.Image{PushedAt: 1770000001_000, PulledAt: 1770000000_123}},
		{"microseconds are cut off", with(`"imagePushedAt":1770000000.0019,"lastRecordedPullTime":1770000000.1239`), ok, image.Image{PushedAt: 1770000000_001, PulledAt: 1770000000_123}},
		{"as the SDK, not exact in 2004", with(`"imagePushedAt":1099510000.001`), ok, image.Image{PushedAt: 1099510000_000}},
		{"before 1970", with(`"imagePushedAt":-1.5,"lastRecordedPullTime":-0.0009`), ok, image.Image{PushedAt: -1500}},
		{"the largest size", with(`"imageSizeInBytes":9223372036854775807`), ok, image.Image{Size: 9223372036854775807}},
		{"scan findings", with(`"imageScanFindingsSummary":{"findingSeverityCounts":{"HIGH":3},"imageScanCompletedAt":1.7E9},"imageScanStatus":{"status":"COMPLETE"}`), ok, image.Image{}},

		{"nothing", ``, broken, image.Image{}},
		{"null", `null`, broken, image.Image{}},
		{"a list", `[]`, broken, image.Image{}},
		{"no list of images", `{"nextToken":"a"}`, broken, image.Image{}},
		{"null for the list of images", `{"imageDetails":null}`, broken, image.Image{}},
		{"an object for the list of images", `{"imageDetails":{}}`, broken, image.Image{}},
		{"cut off", with(`"imageTags":["a"]`)[:120], broken, image.Image{}},
		{"cut off before the last bracket", strings.TrimSuffix(with(`"imageTags":["a"]`), "}"), broken, image.Image{}},
		{"more after it", with(`"imageTags":["a"]`) + "{}", broken, image.Image{}},
		{"a comma too many", with(`"imageTags":["a",]`), broken, image.Image{}},
		{"a comma too few", with(`"imageTags":["a" "b"]`), broken, image.Image{}},
		{"a wrong bracket", with(`"imageTags":["a"}`), broken, image.Image{}},
		{"a control character", with("\"imageTags\":[\"a\n\"]"), broken, image.Image{}},
		{"not JSON where it is not read", with(`"other":{"a":[1,2,01]}`), broken, image.Image{}},
		{"a wrong escape", with(`"other":"\x"`), broken, image.Image{}},
		{"too deep", with(`"other":` + strings.Repeat("[", jsonscan.MaxDepth) + strings.Repeat("]", jsonscan.MaxDepth)), broken, image.Image{}},
		{"a null tag", with(`"imageTags":[null]`), broken, image.Image{}},
		{"a tag that is a number", with(`"imageTags":[1]`), broken, image.Image{}},
		{"a time that is a string", with(`"imagePushedAt":"2026-03-01T12:00:00Z"`), broken, image.Image{}},
		{"a time that is no number", with(`"imagePushedAt":"NaN"`), broken, image.Image{}},
		{"a time too far away", with(`"lastRecordedPullTime":1770000000000`), broken, image.Image{}},
		{"a size with a fraction", with(`"imageSizeInBytes":1.0`), broken, image.Image{}},
		{"too large a size", with(`"imageSizeInBytes":9223372036854775808`), broken, image.Image{}},
		{"a digest that is a number", `{"imageDetails":[{"imageDigest":7}]}`, broken, image.Image{}},

		{"an unknown status", with(`"imageStatus":"DELETING"`), unusable, image.Image{}},
		{"another algorithm", `{"imageDetails":[{"imageDigest":"sha512:00"}]}`, unusable, image.Image{}},
		{"no digest", `{"imageDetails":[{"imageTags":["a"]}]}`, unusable, image.Image{}},
		{"a null image", `{"imageDetails":[null]}`, broken, image.Image{}},
		{"no digest of the subject", with(`"subjectManifestDigest":"sha256:00"`), unusable, image.Image{}},
		{"an upper-case digest", `{"imageDetails":[{"imageDigest":"` + strings.ToUpper(digest.String()) + `"}]}`, unusable, image.Image{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newBubble()
				w.answer("DescribeImages", 200, test.body)
				r := w.reader(t, Config{Account: ownAccount}, "")
				got, err := r.listImages(t.Context(), "apps/web")
				var deserialization *smithy.DeserializationError
				attempts := 1
				if test.outcome == broken {
					attempts = otherAttempts
				}
				if w.answered != attempts {
					t.Errorf("%d attempts, want %d", w.answered, attempts)
				}
				if test.outcome != ok {
					if got != nil || err == nil || errors.As(err, &deserialization) != (test.outcome == broken) {
						t.Errorf("got %v, %v", got, err)
					}
					return
				}
				test.want.Digest = digest
				if diff := cmp.Diff([]image.Image{test.want}, got); err != nil || diff != "" {
					t.Errorf("%v; images (-want +got):\n%s", err, diff)
				}
			})
		})
	}
}

// TestOtherSuccess has answers of another status than 200, which are no pages.
func TestOtherSuccess(t *testing.T) {
	for _, status := range []int{201, 204, 206} {
		w := newWorld(t)
		w.answer("DescribeImages", status, `{"imageDetails":[]}`)
		if got, err := w.reader(t, Config{}, "").listImages(t.Context(), "apps/web"); got != nil || err == nil {
			t.Errorf("status %d: got %v, %v; want an error", status, got, err)
		}
	}
}

// TestPageInPieces reads a page that comes in pieces, through windows that are
// smaller than an image or than a page.
func TestPageInPieces(t *testing.T) {
	body := fullPage(100)
	want, err := sdkPage(body)
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]func(io.Reader) io.Reader{
		"at once":          func(r io.Reader) io.Reader { return r },
		"byte by byte":     iotest.OneByteReader,
		"in halves":        iotest.HalfReader,
		"end with the end": iotest.DataErrReader,
	} {
		for _, window := range []int{1, 100, 4096, pageWindow} {
			reader := newPageReader(window)
			for range 2 { // the second time with what the first one left
				got, err := reader.read(in(bytes.NewReader(body)), interner{})
				if err != nil {
					t.Fatalf("%s, window %d: %v", name, window, err)
				}
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(page{})); diff != "" {
					t.Errorf("%s, window %d (-want +got):\n%s", name, window, diff)
				}
			}
		}
	}
}

// TestPageBreaksOff lets the body fail at every place: there is an error, and
// never a part of the page, even where all of the document has come.
func TestPageBreaksOff(t *testing.T) {
	body := append(fullPage(3), "  \n"...)
	failure := errors.New("the line is cut")
	reader := newPageReader(256)
	for n := range len(body) + 1 {
		got, err := reader.read(io.MultiReader(bytes.NewReader(body[:n]), iotest.ErrReader(failure)), interner{})
		if got.images != nil || !errors.Is(err, failure) {
			t.Fatalf("after %d bytes: got %v, %v; want that the line is cut", n, got, err)
		}
		whole := n >= len(bytes.TrimSpace(body))
		got, err = reader.read(bytes.NewReader(body[:n]), interner{})
		if whole && (err != nil || len(got.images) != 3) {
			t.Fatalf("%d bytes: got %v, %v; want the page", n, got, err)
		}
		if !whole && (got.images != nil || !errors.Is(err, io.ErrUnexpectedEOF)) {
			t.Fatalf("%d bytes: got %v, %v; want that the answer ended early", n, got, err)
		}
	}
}

// TestLargeImage reads an image with as many and as long tags as ECR allows, and
// one that no registry can have.
func TestLargeImage(t *testing.T) {
	tags := make([]string, 1000)
	for i := range tags {
		tags[i] = fmt.Sprintf("%04d%s", i, strings.Repeat("x", 296))
	}
	bodyOf := func(tags []string) []byte {
		return fmt.Appendf(nil, `{"imageDetails":[{"imageDigest":%q,"imageTags":["%s"]}]}`, image.DigestOf(nil), strings.Join(tags, `","`))
	}
	got, err := ourPage(bodyOf(tags), pageWindow)
	if err != nil || !slices.Equal(got.images[0].Tags, tags) {
		t.Errorf("got %d images, %v; want one with its tags", len(got.images), err)
	}
	if got, err := ourPage(bodyOf([]string{strings.Repeat("x", maxUnit)}), pageWindow); err == nil {
		t.Errorf("got %d images of an answer too large for any, want an error", len(got.images))
	}
}

// TestPageMemory reads pages and keeps one tag of each: what that keeps in memory
// is a small part of its page. Nothing is allocated for each image.
func TestPageMemory(t *testing.T) {
	body := fullPage(pageSize)
	reader := newPageReader(pageWindow)
	readPage := func() page {
		p, err := reader.read(bytes.NewReader(body), interner{})
		if err != nil || len(p.images) != pageSize {
			t.Fatalf("%d images, %v", len(p.images), err)
		}
		return p
	}
	if n := testing.AllocsPerRun(10, func() { readPage() }); n > 50 {
		t.Errorf("%v allocations for a page of %d images, want at most 50", n, pageSize)
	}
	var kept [][]string
	before := heapAfterGC()
	const pages = 100
	for range pages {
		kept = append(kept, readPage().images[pageSize/2].Tags)
	}
	if each := int64(heapAfterGC()-before) / pages; each > 8<<10 {
		t.Errorf("a tag of each page keeps %d bytes, want at most 8 KiB", each)
	}
	if len(kept[0]) != 1 || !strings.HasPrefix(kept[0][0], "main-") {
		t.Errorf("tags: %q", kept[0])
	}
	reader.Data = append(reader.Data[:0], make([]byte, cap(reader.Data))...)
	if !strings.HasPrefix(kept[pages-1][0], "main-") {
		t.Errorf("the tag %q is part of what the reader reuses", kept[pages-1][0])
	}
}

// BenchmarkDecodePage reads a page of 1,000 images from memory, as the SDK does
// and as we do.
func BenchmarkDecodePage(b *testing.B) {
	body := fullPage(pageSize)
	reader, shared := newPageReader(pageWindow), interner{}
	for _, decoder := range []struct {
		name string
		read func() (page, error)
	}{
		{"SDK", func() (page, error) { return sdkPage(body) }},
		{"ours", func() (page, error) { return reader.read(bytes.NewReader(body), shared) }},
	} {
		b.Run(decoder.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if p, err := decoder.read(); err != nil || len(p.images) != pageSize {
					b.Fatalf("%d images, %v", len(p.images), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pageSize, "ns/image")
		})
	}
}
