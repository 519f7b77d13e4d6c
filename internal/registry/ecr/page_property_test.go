package ecr

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/image"
)

// TestPageOfRandomImages writes images in all the ways in which JSON can, and
// reads them again.
func TestPageOfRandomImages(t *testing.T) {
	word := rapid.StringMatching(`[A-Za-z0-9._-]{1,40}`)
	mediaType := rapid.SampledFrom([]string{"", image.MediaTypeOCIManifest, image.MediaTypeOCIIndex, "application/vnd.example+json; a=\"b\\c\"", "\u00e9\U0001f600"})
	// In these years milliseconds come through the SDK's rounding unchanged.
	moment := rapid.Custom(func(t *rapid.T) image.Time {
		return image.Time(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1_110_000_000_000, 2_140_000_000_000)).Draw(t, "time"))
	})
	digest := rapid.Custom(func(t *rapid.T) image.Digest {
		return image.DigestOf([]byte(rapid.String().Draw(t, "content")))
	})
	rapid.Check(t, func(t *rapid.T) {
		want := page{images: []image.Image{}, next: rapid.String().Draw(t, "next")}
		var details []string
		for range rapid.IntRange(0, 60).Draw(t, "images") {
			i := image.Image{
				Digest: digest.Draw(t, "digest"), Tags: rapid.SliceOfN(word, 0, 4).Draw(t, "tags"),
				PushedAt: moment.Draw(t, "pushed"), PulledAt: moment.Draw(t, "pulled"), Size: rapid.Int64().Draw(t, "size"),
				Status: rapid.SampledFrom([]image.Status{image.Active, image.Archived, image.Activating}).Draw(t, "status"),
			}
			var subject image.Digest
			if rapid.Bool().Draw(t, "referrer") {
				subject = digest.Draw(t, "subject")
			}
			i.Type = image.NewType(mediaType.Draw(t, "type"), mediaType.Draw(t, "artifact type"), subject)
			details = append(details, detailText(t, &i))
			slices.Sort(i.Tags)
			if i.Tags = slices.Compact(i.Tags); len(i.Tags) == 0 {
				i.Tags = nil
			}
			want.images = append(want.images, i)
		}
		next, err := json.Marshal(want.next)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Appendf(nil, `{"imageDetails":[%s],"nextToken":%s}`, strings.Join(details, ","), next)
		got, err := ourPage(body, rapid.SampledFrom([]int{1, 64, 1000, pageWindow}).Draw(t, "window"))
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("page (-want +got):\n%s", cmp.Diff(want, got, cmp.AllowUnexported(page{})))
		}
		compare(t, body)
	})
}

// detailText writes an image.
func detailText(t *rapid.T, i *image.Image) string {
	members := []string{`"imageDigest":` + quoted(t, i.Digest.String()), fmt.Sprintf(`"imageSizeInBytes":%d`, i.Size)}
	add := func(name, value string, absent bool) {
		if !absent {
			members = append(members, quoted(t, name)+":"+value)
		}
	}
	var tags []string
	for _, tag := range i.Tags {
		tags = append(tags, quoted(t, tag))
	}
	add("imageTags", "["+strings.Join(tags, ", ")+"]", false)
	add("imagePushedAt", epoch(t, i.PushedAt), !i.PushedAt.Known())
	add("lastRecordedPullTime", epoch(t, i.PulledAt), !i.PulledAt.Known())
	add("imageManifestMediaType", quoted(t, i.MediaType()), i.MediaType() == "")
	add("artifactMediaType", quoted(t, i.ArtifactType()), i.ArtifactType() == "")
	add("subjectManifestDigest", quoted(t, i.Subject().String()), i.Subject().IsZero())
	add("imageStatus", quoted(t, []string{"ACTIVE", "ARCHIVED", "ACTIVATING"}[i.Status]), i.Status == image.Active && rapid.Bool().Draw(t, "absent"))
	add("futureMember", `{"a": ["}", null, {"b": -1.5e+3, "c": [[], {}, "\\\"]"]}], "": true}`, rapid.Bool().Draw(t, "absent"))
	members = rapid.Permutation(members).Draw(t, "members")
	return "{" + strings.Join(members, rapid.SampledFrom([]string{",", " ,\r\n\t"}).Draw(t, "separator")) + "}"
}

// quoted writes a string, and sometimes all of it as escapes.
func quoted(t *rapid.T, s string) string {
	if rapid.IntRange(0, 3).Draw(t, "escaped") > 0 {
		plain, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(plain)
	}
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, `\u%04x`, unit)
	}
	return `"` + b.String() + `"`
}

// epoch writes a time in one of the ways in which a number can be written.
func epoch(t *rapid.T, at image.Time) string {
	seconds := float64(at) / 1000
	return rapid.SampledFrom([]string{
		fmt.Sprintf("%d.%03d", at/1000, at%1000), strconv.FormatFloat(seconds, 'E', -1, 64), strconv.FormatFloat(seconds, 'f', -1, 64),
		fmt.Sprintf("%d.%03d000000000", at/1000, at%1000), fmt.Sprintf("%de-3", at), fmt.Sprintf("%d.0E-003", at),
	}).Draw(t, "form")
}
