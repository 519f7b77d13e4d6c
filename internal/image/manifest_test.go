package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// a is the digest of a letter, as JSON has it.
func a(letter string) string { return DigestOf([]byte(letter)).String() }

func descriptorOf(letter string, size int) string {
	return fmt.Sprintf(`{"mediaType":"application/octet-stream","digest":"%s","size":%d}`, a(letter), size)
}

func TestParseManifest(t *testing.T) {
	d := func(letter string) Digest { return DigestOf([]byte(letter)) }
	for _, tt := range []struct {
		name, content, declared string
		want                    Manifest
	}{
		{"an image",
			`{"schemaVersion":2,"mediaType":"` + MediaTypeOCIManifest + `","config":` + descriptorOf("c", 7) + `,"layers":[` + descriptorOf("l", 1) + `,` + descriptorOf("m", 2) + `]}`, "",
			Manifest{MediaType: MediaTypeOCIManifest, Config: d("c").OrNil(), Blobs: []Blob{{d("c"), 7}, {d("l"), 1}, {d("m"), 2}}}},
		{"a layer twice is one blob",
			`{"config":` + descriptorOf("c", 7) + `,"layers":[` + descriptorOf("l", 1) + `,` + descriptorOf("l", 1) + `]}`, MediaTypeDockerManifest,
			Manifest{MediaType: MediaTypeDockerManifest, Config: d("c").OrNil(), Blobs: []Blob{{d("c"), 7}, {d("l"), 1}}}},
		{"the content's media type is the manifest's", `{"mediaType":"` + MediaTypeOCIManifest + `"}`, MediaTypeDockerManifest,
			Manifest{MediaType: MediaTypeOCIManifest}},
		{"an artifact with a subject",
			`{"artifactType":"application/spdx+json","subject":` + descriptorOf("s", 3) + `,"config":` + descriptorOf("c", 2) + `,"layers":[]}`, MediaTypeOCIManifest,
			Manifest{MediaType: MediaTypeOCIManifest, ArtifactType: "application/spdx+json", Subject: d("s").OrNil(), Config: d("c").OrNil(), Blobs: []Blob{{d("c"), 2}}}},
		{"the withdrawn artifact manifest", `{"subject":` + descriptorOf("s", 3) + `,"blobs":[` + descriptorOf("b", 4) + `]}`, "application/vnd.oci.artifact.manifest.v1+json",
			Manifest{MediaType: "application/vnd.oci.artifact.manifest.v1+json", Subject: d("s").OrNil(), Blobs: []Blob{{d("b"), 4}}}},
		{"Docker schema 1", `{"schemaVersion":1,"fsLayers":[{"blobSum":"` + a("l") + `"}]}`, "application/vnd.docker.distribution.manifest.v1+prettyjws",
			Manifest{MediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws", Blobs: []Blob{{Digest: d("l")}}}},
		{"an index in its order, with and without platforms",
			`{"mediaType":"` + MediaTypeOCIIndex + `","manifests":[` +
				`{"digest":"` + a("z") + `","size":5,"platform":{"os":"linux","architecture":"arm64","variant":"v8"}},` +
				`{"digest":"` + a("y") + `","platform":{"os":"linux","architecture":"amd64"}},` +
				`{"digest":"` + a("x") + `","size":1}]}`, "",
			Manifest{MediaType: MediaTypeOCIIndex, Children: []Child{{d("z"), "linux/arm64/v8", 5}, {d("y"), "linux/amd64", 0}, {d("x"), "", 1}}}},
		{"an index of nothing", `{"manifests":[]}`, MediaTypeOCIIndex, Manifest{MediaType: MediaTypeOCIIndex}},
		{"an index by its content alone", `{"manifests":[` + descriptorOf("x", 1) + `]}`, MediaTypeOCIManifest,
			Manifest{MediaType: MediaTypeOCIManifest, Children: []Child{{Digest: d("x"), Size: 1}}}},
		{"an index that is attached to an image", `{"manifests":[` + descriptorOf("x", 1) + `],"subject":` + descriptorOf("s", 3) + `}`, MediaTypeOCIIndex,
			Manifest{MediaType: MediaTypeOCIIndex, Subject: d("s").OrNil(), Children: []Child{{Digest: d("x"), Size: 1}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseManifest([]byte(tt.content), tt.declared)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("manifest (-want +got):\n%s", diff)
			}
		})
	}
}

// What cannot be read completely is an error, never a part of a manifest.
func TestParseManifestErrors(t *testing.T) {
	other := `{"digest":"sha512:` + strings.Repeat("ab", 64) + `"}`
	for _, tt := range []struct{ name, content, declared, want string }{
		{"nothing", ``, MediaTypeOCIManifest, "unexpected end"},
		{"cut off", `{"manifests":[` + descriptorOf("x", 1) + `,`, MediaTypeOCIIndex, "unexpected end"},
		{"two documents", `{"manifests":[]}{}`, MediaTypeOCIIndex, "after top-level value"},
		{"no object", `[]`, MediaTypeOCIIndex, "want {"},
		{"an index without a list", `{}`, MediaTypeOCIIndex, "without a list"},
		{"an index by its content without a list", `{"mediaType":"` + MediaTypeDockerManifestList + `"}`, MediaTypeDockerManifest, "without a list"},
		{"an index with null for a list", `{"manifests":null}`, MediaTypeOCIIndex, "without a list"},
		{"an index with an object for a list", `{"manifests":{}}`, MediaTypeOCIIndex, "manifests: want ["},
		{"a child without a digest", `{"manifests":[` + descriptorOf("x", 1) + `,{"size":1}]}`, MediaTypeOCIIndex, "entry 1 of the index has no digest"},
		{"a null child", `{"manifests":[null]}`, MediaTypeOCIIndex, "entry 0 of the index has no digest"},
		{"a child of another algorithm", `{"manifests":[` + other + `]}`, MediaTypeOCIIndex, "is not a digest"},
		{"a subject of another algorithm", `{"subject":` + other + `}`, MediaTypeOCIManifest, "is not a digest"},
		{"a subject without a digest", `{"subject":{"size":1}}`, MediaTypeOCIManifest, "the subject has no digest"},
		{"a layer of another algorithm", `{"layers":[` + other + `]}`, MediaTypeOCIManifest, "is not a digest"},
		{"two lists", `{"manifests":[` + descriptorOf("x", 1) + `],"manifests":[]}`, MediaTypeOCIIndex, "occurs twice"},
		{"two lists in other letters", `{"Manifests":[` + descriptorOf("x", 1) + `],"manifests":[]}`, MediaTypeOCIIndex, "occurs twice"},
		{"two digests of a child", `{"manifests":[{"digest":"` + a("x") + `","Digest":"` + a("y") + `"}]}`, MediaTypeOCIIndex, "occurs twice"},
		{"two subjects", `{"subject":` + descriptorOf("s", 1) + `,"subject":` + descriptorOf("t", 1) + `}`, MediaTypeOCIManifest, "occurs twice"},
		{"two configs", `{"config":` + descriptorOf("s", 1) + `,"config":` + descriptorOf("t", 1) + `}`, MediaTypeOCIManifest, "occurs twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ParseManifest([]byte(tt.content), tt.declared)
			if err == nil || m != nil {
				t.Fatalf("ParseManifest = %+v, %v", m, err)
			}
			if !strings.HasPrefix(err.Error(), "parse manifest: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q in it", err, tt.want)
			}
		})
	}
}

// FuzzParseManifest: it never panics, it gives what encoding/json would, and an index gives all of its children or
// an error, however the list is written.
func FuzzParseManifest(f *testing.F) {
	for _, content := range []string{
		`{"manifests":[` + descriptorOf("x", 1) + `,` + descriptorOf("y", 2) + `]}`,
		`{"Manifests":[` + descriptorOf("x", 1) + `],"manifests":[` + descriptorOf("y", 2) + `]}`,
		`{"manifests":[{"digest":"` + a("x") + `","DIGEST":"` + a("y") + `"}]}`,
		`{"manife` + "\u017f" + `ts":[` + descriptorOf("x", 1) + `]}`,
		`{"subject":` + descriptorOf("s", 1) + `,"config":` + descriptorOf("c", 1) + `,"layers":[` + descriptorOf("l", 1) + `]}`,
		`{"fsLayers":[{"blobSum":"` + a("l") + `"}]}`,
		`{"manifests":null}`, `{"manifests":[null]}`, `{"manifests":{}}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(content), MediaTypeOCIIndex)
		f.Add([]byte(content), MediaTypeOCIManifest)
	}
	f.Fuzz(func(t *testing.T, content []byte, declared string) {
		same(t, content, declared)
		same(t, writeManifest(content), declared)
		m, err := ParseManifest(content, declared)
		if err != nil {
			if m != nil {
				t.Fatalf("an error and a manifest: %v, %+v", err, m)
			}
			return
		}
		have := map[string]bool{}
		for _, c := range m.Children {
			if c.Digest.IsZero() {
				t.Fatalf("a child without a digest: %+v", m)
			}
			have[c.Digest.String()] = true
		}
		for _, digest := range listedDigests(content) {
			if !have[digest] {
				t.Fatalf("the child %s is lost: %+v", digest, m)
			}
		}
		if IsIndexType(declared) && (m.Config != nil || m.Blobs != nil) {
			t.Fatalf("an index with blobs: %+v", m)
		}
	})
}

// listedDigests returns every digest that anybody could read as that of a
// child: of each entry of each list, with names in any case.
func listedDigests(content []byte) (digests []string) {
	fields(content, "manifests", func(list json.RawMessage) {
		var entries []json.RawMessage
		if json.Unmarshal(list, &entries) != nil {
			return
		}
		for _, entry := range entries {
			fields(entry, "digest", func(value json.RawMessage) {
				var digest string
				if json.Unmarshal(value, &digest) == nil {
					digests = append(digests, digest)
				}
			})
		}
	})
	return digests
}

// fields calls visit with the value of each field of this name of an object.
func fields(object []byte, name string, visit func(json.RawMessage)) {
	d := json.NewDecoder(bytes.NewReader(object))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil && err != io.EOF {
			return
		}
		if k, ok := key.(string); ok && strings.EqualFold(k, name) {
			visit(value)
		}
	}
}
