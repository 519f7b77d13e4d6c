package kubernetes

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLooksLikeReference(t *testing.T) {
	for s, want := range map[string]bool{
		"registry.example.com/web":                          true,
		"registry.example.com/web:1.2":                      true,
		"registry.example.com:5000/a/b/c:1@" + digest("ab"): true,
		"localhost/web":                                     true,
		"localhost:5000/web":                                true,
		"registry:5000/web":                                 true,
		"docker://registry.example.com/web:1":               true,
		"oci://registry.example.com/charts/web":             true,
		"docker.io/library/nginx":                           true,
		"apps/web@" + digest("ab"):                          true,
		"web@" + digest("ab"):                               true,
		"networking.istio.io/v1beta1":                       true, // cannot be told from an image

		"":                                     false,
		"web":                                  false,
		"web:1":                                false,
		"apps/web":                             false,
		"apps/web:1":                           false,
		"/var/lib.d/images":                    false,
		"https://registry.example.com/web":     false,
		"registry.example.com":                 false,
		"registry.example.com/":                false,
		"registry.example.com/Web":             false,
		"pull registry.example.com/web please": false,
		"someone@example.com":                  false,
		"10.0.0.0/8":                           false,
		"fd00::/8":                             false,
		digest("ab"):                           false,
		"registry.example.com/web@sha256:abc":  false,
		"registry.example.com/web\n":           false,
		"registry.example.com/" + strings.Repeat("a/", 600) + "a": false,
	} {
		if got := looksLikeReference(s); got != want {
			t.Errorf("%q: %t, want %t", s, got, want)
		}
	}
}

func TestSweepObject(t *testing.T) {
	found, err := sweepObject([]byte(`{
		"apiVersion": "example.com/v1", "kind": "Widget",
		"metadata": {
			"name": "w", "finalizers": ["example.com/finalizer"],
			"annotations": {"example.com/base": "registry.example.com/base:1"},
			"ownerReferences": [{"apiVersion": "apps.example.com/v1"}],
			"managedFields": [{"apiVersion": "old.example.com/v1"}]
		},
		"spec": {
			"steps": [{"image": "registry.example.com/step:1"}, {"image": "registry.example.com/step:1"}],
			"replicas": 3, "paused": false, "note": null,
			"a": {"repository": "registry.example.com/a", "tag": "1.10", "digest": "` + digest("ab") + `"},
			"b": {"image": "registry.example.com/b", "version": "not a tag"},
			"c": {"image": "registry.example.com/c:1", "tag": "2"},
			"d": {"repository": "registry.example.com/d", "tag": 20261120},
			"e": {"repository": "registry.example.com/e", "tag": 1.10},
			"f": {"registry": "registry.example.com", "repository": "apps/f", "tag": "1.2"},
			"g": {"registry": "registry.example.com", "image": "apps/g:3", "tag": "4"},
			"h": {"registry": 7, "repository": "apps/h"}
		},
		"status": {"image": "registry.example.com/seen@` + digest("cd") + `"}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []pull{
		{asked: "registry.example.com/a"},
		{asked: "registry.example.com/a:1.10"},
		{asked: "registry.example.com/a@" + digest("ab")},
		{asked: "registry.example.com/apps/f"},
		{asked: "registry.example.com/apps/f:1.2"},
		{asked: "registry.example.com/apps/g:3"},
		{asked: "registry.example.com/b"},
		{asked: "registry.example.com/base:1"},
		{asked: "registry.example.com/c:1"},
		{asked: "registry.example.com/d"},
		{asked: "registry.example.com/d:20261120"}, // YAML makes a number of it
		{asked: "registry.example.com/e"},
		{asked: "registry.example.com/e:1.10"},
		{asked: "registry.example.com/seen@" + digest("cd")},
		{asked: "registry.example.com/step:1"},
	}
	if diff := cmp.Diff(want, found, cmp.AllowUnexported(pull{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "7", "{"} {
		if _, err := sweepObject([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
