package kubernetes

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
)

// secretObject is the object that a stored release comes in.
func secretObject(t testing.TB, payload string) *object {
	t.Helper()
	data, err := json.Marshal(map[string]any{"release": []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	return &object{Metadata: metadata{Namespace: "shop", Name: "sh.helm.release.v1.web.v1"}, Data: data}
}

func TestReadHelmSecret(t *testing.T) {
	web := deployment("web", "registry.example.com/web:1")
	want := func(refs ...string) []pull {
		var p []pull
		for _, r := range refs {
			p = append(p, pull{asked: r})
		}
		return p
	}
	plain, err := json.Marshal(helmRelease("web", "deployed", web))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		release any    // packed as Helm does
		payload string // or this
		state   image.State
		images  []pull
		err     string
	}{
		"the deployed revision":        {release: helmRelease("web", "deployed", web), state: image.Declared, images: want("registry.example.com/web:1")},
		"an older one":                 {release: helmRelease("web", "superseded", web), state: image.Rollback, images: want("registry.example.com/web:1")},
		"a failed one":                 {release: helmRelease("web", "failed", web), state: image.Rollback, images: want("registry.example.com/web:1")},
		"not compressed":               {payload: base64.StdEncoding.EncodeToString(plain), state: image.Declared, images: want("registry.example.com/web:1")},
		"no objects":                   {release: helmRelease("web", "deployed", ""), state: image.Declared},
		"comments and empty documents": {release: helmRelease("web", "deployed", "---\n# Source: web/empty.yaml\n---\n\n---\n"+web+"\n--- # end\n"), state: image.Declared, images: want("registry.example.com/web:1")},
		"hooks": {release: helmRelease("web", "deployed", web,
			"apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {initContainers: [{image: registry.example.com/i}], containers: [{image: registry.example.com/j:1}]}}}"),
			state: image.Declared, images: want("registry.example.com/web:1", "registry.example.com/j:1", "registry.example.com/i")},
		"a List, and old API groups": {release: helmRelease("web", "deployed", `
apiVersion: v1
kind: List
items:
- {apiVersion: extensions/v1beta1, kind: Deployment, metadata: {name: a}, spec: {template: {spec: {containers: [{image: registry.example.com/a}]}}}}
- {apiVersion: batch/v1beta1, kind: CronJob, metadata: {name: b}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: registry.example.com/b}]}}}}}}
`), state: image.Declared, images: want("registry.example.com/a", "registry.example.com/b")},
		"built-in kinds hold nothing, custom resources are searched": {release: helmRelease("web", "deployed", `
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {image: registry.example.com/not-run:1}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
spec: {image: registry.example.com/widget:1}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: r}
spec: {template: {spec: {containers: [{name: c, image: short}]}}}
---
apiVersion: example.com/v1
kind: Deployment
metadata: {name: not-ours}
spec: {image: registry.example.com/other:1}
`), state: image.Declared, images: want("registry.example.com/widget:1", "short", "registry.example.com/other:1")},
		"duplicate keys, as Helm lets them pass": {release: helmRelease("web", "deployed", "kind: Pod\napiVersion: v1\nmetadata: {}\nmetadata: {}\nspec: {containers: [{image: a}]}\n"),
			state: image.Declared, images: want("a")},

		"one broken document beside a good one": {release: helmRelease("web", "deployed", web+"\n---\n{{ broken\n---\n"+web), state: image.Declared,
			images: want("registry.example.com/web:1", "registry.example.com/web:1"), err: "manifest: document 2: "},
		"a broken hook":              {release: helmRelease("web", "deployed", web, "{{"), state: image.Declared, images: want("registry.example.com/web:1"), err: "hook templates/hook0.yaml: document 1: "},
		"a broken separator":         {release: helmRelease("web", "deployed", "--- what\n"+web), state: image.Declared, err: "manifest: document 1: "},
		"a document of no kind":      {release: helmRelease("web", "deployed", "a: b\n"), state: image.Declared, err: "manifest: document 1: the document has no kind"},
		"a workload of another form": {release: helmRelease("web", "deployed", "apiVersion: apps/v1\nkind: Deployment\nspec: {template: 7}"), state: image.Declared, err: "manifest: document 1: "},
		"lists without end": {release: helmRelease("web", "deployed", strings.Repeat("{kind: List, items: [", 10)+strings.Repeat("]}", 10)), state: image.Declared,
			err: "lists are nested more than 8 deep"},

		"nothing":               {payload: "", err: "data.release is empty"},
		"not base64":            {payload: "%%%", err: "decode release: "},
		"not JSON":              {payload: base64.StdEncoding.EncodeToString([]byte("hello")), err: "parse release: "},
		"a broken gzip header":  {payload: base64.StdEncoding.EncodeToString([]byte{0x1f, 0x8b, 0}), err: "unpack release: "},
		"cut short":             {payload: cut(t, helmRelease("web", "deployed", web), 12), err: "parse release: "},
		"a wrong checksum":      {payload: flip(t, helmRelease("web", "deployed", web)), err: "parse release: "},
		"another JSON document": {release: map[string]any{"some": "thing"}, err: "parse release: it has no name"},
		"two JSON documents":    {payload: base64.StdEncoding.EncodeToString(bytes.Repeat(plain, 2)), err: "parse release: there is more than one JSON value"},
		"the wrong types":       {release: map[string]any{"name": "web", "manifest": 7}, err: "parse release: "},
	} {
		t.Run(name, func(t *testing.T) {
			payload := test.payload
			if test.release != nil {
				payload = helmPayload(t, test.release)
			}
			got, err := readHelmSecret(secretObject(t, payload))
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if got.state != test.state {
				t.Errorf("state %q, want %q", got.state, test.state)
			}
			if test.state != "" && got.name != "web" {
				t.Errorf("name %q, want web", got.name)
			}
			if diff := cmp.Diff(test.images, got.images, cmp.AllowUnexported(pull{})); diff != "" {
				t.Errorf("images (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("data of another form", func(t *testing.T) {
		if _, err := readHelmSecret(&object{Data: json.RawMessage(`{"release":"%"}`)}); err == nil {
			t.Error("no error for a value that is not base64")
		}
	})
}

// cut drops the last bytes of a payload.
func cut(t *testing.T, rel any, n int) string {
	packed, err := base64.StdEncoding.DecodeString(helmPayload(t, rel))
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(packed[:len(packed)-n])
}

// flip damages the checksum of a payload, which is in the last eight bytes.
func flip(t *testing.T, rel any) string {
	packed, err := base64.StdEncoding.DecodeString(helmPayload(t, rel))
	if err != nil {
		t.Fatal(err)
	}
	packed[len(packed)-8] ^= 0xff
	return base64.StdEncoding.EncodeToString(packed)
}

// A megabyte can unpack to a gigabyte.
func TestDecodeReleaseIsBounded(t *testing.T) {
	for name, rel := range map[string]map[string]any{
		"in the manifest":            {"name": "web", "manifest": strings.Repeat("#", maxRelease)},
		"in what is not read at all": {"name": "web", "manifest": "", "chart": strings.Repeat("x", maxRelease)},
	} {
		t.Run(name, func(t *testing.T) {
			payload := helmPayload(t, rel)
			if len(payload) > 1<<20 {
				t.Fatalf("the payload is %d bytes, more than a Secret holds", len(payload))
			}
			if _, err := decodeRelease([]byte(payload)); !errors.Is(err, errReleaseTooLarge) {
				t.Errorf("error %v, want %v", err, errReleaseTooLarge)
			}
		})
	}
	if _, err := decodeRelease([]byte(helmPayload(t, map[string]any{"name": "web", "manifest": strings.Repeat("#", maxRelease-100)}))); err != nil {
		t.Errorf("just below the bound: %v", err)
	}
}

// Whatever a Secret holds, it is a release with a name or an error.
func FuzzDecodeRelease(f *testing.F) {
	f.Add([]byte(helmPayload(f, helmRelease("web", "deployed", deployment("web", "registry.example.com/web:1")))))
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte(`{"name":"web","hooks":[{}]}`))))
	f.Add([]byte("H4sIAAAAAAAAAw=="))
	f.Fuzz(func(t *testing.T, stored []byte) {
		for _, data := range [][]byte{stored, []byte(base64.StdEncoding.EncodeToString(stored))} {
			rel, err := decodeRelease(data)
			if (rel == nil) != (err != nil) {
				t.Fatalf("release %v, error %v", rel, err)
			}
			if rel != nil && rel.Name == "" {
				t.Fatal("a release without a name")
			}
		}
	})
}

// A workload in a manifest is found whatever stands in the documents around it,
// as long as they are documents.
func FuzzManifestImages(f *testing.F) {
	f.Add("apiVersion: v1\nkind: List\nitems: [{kind: Pod, spec: {containers: [{image: a}]}}]\n")
	f.Add("a: &a [*a]\n")
	f.Add("---\n# nothing\n")
	f.Add("kind: Pod\nspec: {containers: 7, volumes: [{image: {reference: r}}]}\n")
	f.Fuzz(func(t *testing.T, document string) {
		web := deployment("web", "registry.example.com/web:1")
		found, err := manifestImages(web + "\n---\n" + document + "\n---\n" + web)
		n := 0
		for _, p := range found {
			if p.asked == "registry.example.com/web:1" {
				n++
			}
		}
		if n < 1 || n < 2 && err == nil {
			t.Fatalf("found %v, error %v", found, err)
		}
	})
}
