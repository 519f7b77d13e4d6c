package ecr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/jsonscan"
)

// FuzzDecodePage compares pageReader with the SDK, on what data is itself and on
// what an author makes of it.
func FuzzDecodePage(f *testing.F) {
	for _, body := range pageSeeds() {
		f.Add(false, []byte(body))
	}
	for seed := range 40 {
		f.Add(true, authorSeed(seed))
	}
	f.Fuzz(func(t *testing.T, written bool, data []byte) {
		if written {
			data = write(func(n int) int {
				if len(data) == 0 {
					return 0
				}
				choice := int(data[0]) % n
				data = data[1:]
				return choice
			})
		}
		compare(t, data)
	})
}

// pageSeeds are answers that are not like others.
func pageSeeds() []string {
	seeds := []string{
		string(fullPage(2)), `{"imageDetails":[]}`, `{"imageDetails":null}`, `{}`, ` null `, ``, `{`, `[]`, `{"imageDetails":[]}}`, `{"imageDetails":[]} x`,
		`{"imageDetails":[{}]}`, `{"imageDetails":[null]}`, `{"imageDetails":[],}`, `{"imageDetails":[],"imageDetails":[null]}`,
		`{"imageDetails":[]` + "\x00}", strings.Repeat(`{"a":[`, 50), `{"a":` + strings.Repeat("[", jsonscan.MaxDepth) + strings.Repeat("]", jsonscan.MaxDepth) + `}`,
	}
	digest := image.DigestOf(nil).String()
	for _, member := range []string{
		`"imagePushedAt":1.7E9`, `"imagePushedAt":1515531081.1235`, `"imagePushedAt":1099511627.775`, `"imagePushedAt":-0.0019`,
		`"imagePushedAt":"NaN"`, `"imagePushedAt":"-infinity"`, `"imagePushedAt":9223372036.855`, `"imagePushedAt":1e400`,
		`"imagePushedAt":9223372036.854`, `"imagePushedAt":1.`, `"imagePushedAt":0123`, `"imagePushedAt":-`, `"imagePushedAt":1e`,
		`"imageSizeInBytes":9223372036854775807`, `"imageSizeInBytes":-9223372036854775808`, `"imageSizeInBytes":-92233720368547758081`, `"imageSizeInBytes":-92233720368547758081.00`,
		`"imageSizeInBytes":9223372036854775808`, `"imageSizeInBytes":1e3`, `"imageSizeInBytes":-0`, `"imageSizeInBytes":1,"imageSizeInBytes":null`,
		`"imageTags":["a","\u0062","\ud83d\ude00","\ud83d","\n",""]`, `"imageTags":[null]`, `"imageTags":["a"]"x"`, `"imageTags":["a" "b"]`,
		`"imageTags":["b","a","b"],"imageTags":["c"]`, `"imageTags":[]`, `"imageTags":["` + "\xff" + `","\u0020` + "\xff" + `"]`, `"imageTags":{}`,
		`"imageDigest":null`, `"imageDigest":"sha512:00"`, `"image\u0044igest":"sha256:\u0061` + digest[8:] + `"`, `"ImageDigest":7`,
		`"subjectManifestDigest":""`, `"subjectManifestDigest":"` + digest + `"`, `"subjectManifestDigest":"` + strings.ToUpper(digest) + `"`,
		`"imageStatus":"DELETING"`, `"imageStatus":""`, `"imageStatus":"ACTIVATING"`, `"registryId":7`, `"lastArchivedAt":"x"`,
		`"imageScanFindingsSummary":{"findingSeverityCounts":{"HIGH":2147483647,"LOW":null},"imageScanCompletedAt":1.5}`,
		`"imageScanFindingsSummary":{"findingSeverityCounts":{"HIGH":2147483648}}`, `"imageScanFindingsSummary":{"findingSeverityCounts":{"A":1 "x"}}`,
		`"imageScanStatus":{"status":"COMPLETE","description":null}`, `"imageScanStatus":[]`, `"other":{"a":[true,false,null,1e-7,"\"\\\/\b\f\n\r\t\u00e9"]}`,
	} {
		seeds = append(seeds, `{"imageDetails":[{"imageDigest":"`+digest+`",`+member+`}],"nextToken":"bmV4dA=="}`)
	}
	return seeds
}

// authorSeed returns bytes that look random and always are the same.
func authorSeed(seed int) []byte {
	var data []byte
	for i := range 4 {
		digest := image.DigestOf(fmt.Append(nil, seed, i))
		data = append(data, digest[:]...)
	}
	return data
}

// TestPagesReadAsTheSDKReadsThem is the fuzz test with chances that rapid draws.
func TestPagesReadAsTheSDKReadsThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		compare(t, write(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }))
	})
}

// failer is the part of testing.T and rapid.T that compare needs.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// compare reads an answer as the SDK and as pageReader do.
func compare(t failer, body []byte) {
	t.Helper()
	want, sdkErr := recovered(body)
	for _, window := range []int{32, pageWindow} {
		got, err := ourPage(body, window)
		switch {
		case err == nil && sdkErr != nil:
			t.Fatalf("window %d: got %+v, want an error, since the SDK has %v\n%q", window, got, sdkErr, body)
		case err == nil && !json.Valid(body):
			t.Fatalf("window %d: got %+v of what is not JSON\n%q", window, got, body)
		case err != nil && (got.images != nil || got.next != ""):
			t.Fatalf("window %d: got %+v besides the error %v\n%q", window, got, err, body)
		case err != nil && sdkErr == nil && !refused(body):
			t.Fatalf("window %d: %v, while the SDK has %+v\n%q", window, err, want, body)
		case err == nil && !reflect.DeepEqual(want, got):
			t.Fatalf("window %d (-SDK +ours):\n%s\n%q", window, cmp.Diff(want, got, cmp.AllowUnexported(page{})), body)
		}
	}
}

// recovered is sdkPage without its panics, such as that at a time of "NaN".
func recovered(body []byte) (p page, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return sdkPage(body)
}

// refused reports whether an answer is among those that pageReader does not take
// although the SDK does. See there.
func refused(body []byte) bool {
	if !json.Valid(body) {
		return true
	}
	found, lists := false, 0
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var walk func(name string)
	walk = func(name string) {
		if name == "imageDetails" {
			lists++
		}
		token, _ := decoder.Token() // the document is valid
		isTime := slices.Contains([]string{
			"imagePushedAt", "lastRecordedPullTime", "lastArchivedAt", "lastActivatedAt", "imageScanCompletedAt", "vulnerabilitySourceUpdatedAt",
		}, name)
		switch token := token.(type) {
		case json.Delim:
			for decoder.More() {
				of := name + "[]"
				if token == '{' {
					key, _ := decoder.Token()
					of, _ = key.(string)
				}
				walk(of)
			}
			_, _ = decoder.Token()
		case nil:
			found = found || name == "imageTags[]"
		case string:
			found = found || isTime
		case json.Number:
			seconds, _ := token.Float64()
			found = found || isTime && math.Abs(seconds) > 9.2e9
			const lowest = "-9223372036854775808"
			found = found || name == "imageSizeInBytes" && strings.HasPrefix(string(token), lowest) && len(token) > len(lowest)
		}
	}
	walk("")
	return found || lists > 1
}
