package image

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// same compares ParseManifest with what it means, and reports whether the
// manifest is good.
func same(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, content []byte, declared string) (good bool) {
	t.Helper()
	want, wantErr := referenceManifest(content, declared)
	got, err := ParseManifest(content, declared)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("ParseManifest(%q, %q): error %v, want %v", content, declared, err, wantErr)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("ParseManifest(%q, %q) (-want +got):\n%s", content, declared, diff)
	}
	return err == nil
}

var declaredTypes = []string{MediaTypeOCIManifest, MediaTypeOCIIndex, "", "application/\xff"}

// TestParseManifestMeaning reads manifests of all kinds, of which enough must be
// good and enough bad ones for that to say something.
func TestParseManifestMeaning(t *testing.T) {
	good, bad := 0, 0
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		data := make([]byte, random.IntN(200))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		if same(t, writeManifest(data), declaredTypes[random.IntN(len(declaredTypes))]) {
			good++
		} else {
			bad++
		}
	}
	if good < 4_000 || bad < 4_000 {
		t.Errorf("%d manifests are good and %d bad", good, bad)
	}
}

func TestParseManifestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
		same(t, writeManifest(data), rapid.SampledFrom(declaredTypes).Draw(t, "declared"))
	})
}

// What encoding/json does with fields that occur again, and other rarities.
func TestParseManifestRarities(t *testing.T) {
	x, y := `"digest":"`+a("x")+`"`, `"digest":"`+a("y")+`"`
	deep := func(n int) string { return `{"other":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	many := make([]string, 100)
	for i := range many {
		many[i] = descriptorOf(fmt.Sprint(i%70), i)
	}
	for _, content := range []string{
		`{"layers":[{` + x + `},{` + y + `}],"layers":[{"size":3}],"layers":[{"size":4},{"size":5}]}`,
		`{"layers":[{` + x + `},{` + y + `}],"layers":[],"layers":[{"size":4},{"size":5}]}`,
		`{"layers":[{` + x + `}],"layers":null,"layers":[{"size":4}]}`,
		`{"layers":[{` + x + `}],"layers":[{` + y + `}]}`,
		`{"layers":[],"Layers":[{` + y + `}]}`,
		`{"layers":[` + strings.Join(many, ",") + `],"blobs":[` + strings.Join(many, ",") + `]}`,
		`{"manifests":[` + strings.Join(many, ",") + `]}`,
		`{"fsLayers":[{"blobSum":"` + a("x") + `","blobSum":"` + a("y") + `"},{"blobSum":"` + a("x") + `"},{"blobSum":"` + a("x") + `"}],"fslayers":[{},null]}`,
		`{"fsLayers":[{"blobSum":null},{"blobSum":""},{"blobSum":1}]}`,
		`{"config":{` + x + `},"config":{"size":2}}`, `{"config":{` + x + `},"config":null}`, `{"config":{` + x + `},"config":null,"config":{` + y + `}}`,
		`{"subject":null,"subject":{` + x + `}}`, `{"manifests":null,"manifests":[]}`, `{"manifests":[{"digest":null,` + x + `}]}`, `{"subject":null}`,
		`{"manifests":[{` + x + `,"platform":{"os":"a"},"platform":{"architecture":"b"}}]}`,
		`{"manifests":[{` + x + `,"platform":{"os":"a"},"platform":null}]}`, `{"manifests":[{` + x + `,"platform":{}}]}`,
		`{"mediaType":"a","mediaType":null}`, `{"mediaType":"a","mediaType":""}`, `{"mediaType":"` + "application/\xff" + `"}`,
		`{"schemaVersion":"2"}`, `{"schemaVersion":2.0}`, `{"schemaVersion":99999999999999999999}`, `{"schemaVersion":null}`,
		deep(9_999), deep(10_000), ` null `, "null\x00", "\ufeff{}", `{"layers":[{"mediaType":7}]}`, `{"layers":[{"platform":{"os":7}}]}`,
	} {
		for _, declared := range declaredTypes {
			same(t, []byte(content), declared)
		}
	}
}

func BenchmarkParseManifest(b *testing.B) {
	var children, layers []string
	for i, arch := range []string{`"amd64"`, `"arm64"`, `"arm","variant":"v7"`} {
		children = append(children, fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1234,"platform":{"architecture":%s,"os":"linux"}}`,
			MediaTypeOCIManifest, DigestOf([]byte{byte(i)}), arch))
	}
	for i := range 10 {
		layers = append(layers, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":%q,"size":12345678}`, DigestOf([]byte{byte(i)})))
	}
	for _, bench := range []struct{ name, mediaType, rest string }{
		{"index", MediaTypeOCIIndex, `"manifests":[` + strings.Join(children, ",") + `]`},
		{"image", MediaTypeOCIManifest, `"config":` + descriptorOf("c", 7) + `,"layers":[` + strings.Join(layers, ",") + `]`},
	} {
		content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,%s}`, bench.mediaType, bench.rest)
		for _, parse := range []struct {
			name string
			read func([]byte, string) (*Manifest, error)
		}{{"ours", ParseManifest}, {"reference", referenceManifest}} {
			b.Run(bench.name+"/"+parse.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(content)))
				for b.Loop() {
					if _, err := parse.read(content, bench.mediaType); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
