package objects_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/objects"
)

func openFolder(t *testing.T, path string, env objects.Env) *objects.Folder {
	t.Helper()
	f, err := objects.OpenFolder(path, env)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOpenFolder(t *testing.T) {
	for path, want := range map[string]string{
		"/a/b": "/a/b", "/a/b/": "/a/b/", "a": "/base/a",
		"s3://exchange": "s3://exchange/", "s3://exchange/": "s3://exchange/", "s3://exchange/a/b": "s3://exchange/a/b/", "s3://exchange/a/": "s3://exchange/a/",
	} {
		if f := openFolder(t, path, objects.Env{Dir: "/base"}); f.String() != want {
			t.Errorf("%s: %s, want %s", path, f, want)
		}
	}
	f := openFolder(t, "s3://exchange/a", objects.Env{})
	if got := []string{f.Object("b").String(), f.Folder("c/").String(), f.Folder("c").Object("d").String()}; !slices.Equal(got,
		[]string{"s3://exchange/a/b", "s3://exchange/a/c/", "s3://exchange/a/c/d"}) {
		t.Errorf("in a prefix: %q", got)
	}
	f = openFolder(t, "/a", objects.Env{})
	if got := []string{f.Object("b").String(), f.Folder("c/").Object("d").String()}; !slices.Equal(got, []string{"/a/b", "/a/c/d"}) {
		t.Errorf("in a folder: %q", got)
	}
	for path, want := range map[string]string{"": "the path is empty", "s3://": "is not a place in S3", "https://example.com": "neither a file nor"} {
		if _, err := objects.OpenFolder(path, objects.Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
}

func TestNamesOfFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.json", "a.json", "c/d.json"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	names, err := openFolder(t, dir, objects.Env{}).Names(t.Context())
	if diff := cmp.Diff([]string{"a.json", "b.json", "c/"}, names); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := openFolder(t, dir+"/none", objects.Env{}).Names(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that does not exist: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := openFolder(t, dir, objects.Env{}).Names(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestNamesInS3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var want []string
		for i := range 2500 { // three pages
			w.bucket.Put(fmt.Sprintf("team a+b/ü/%04d", i), nil)
			want = append(want, fmt.Sprintf("%04d", i))
		}
		for _, key := range []string{"team a+b/ü/", "team a+b/ü/below/1", "team a+b/ü/below/2", "team a+b/üa", "team a+b/t"} {
			w.bucket.Put(key, nil)
		}
		want = append(want, "below/")
		f := openFolder(t, "s3://exchange/team a+b/ü", w.env())
		names, err := f.Names(t.Context())
		if diff := cmp.Diff(want, names); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if got := w.Stats().Calls["s3:ListObjectsV2"]; got != 3 {
			t.Errorf("%d calls", got)
		}
		if names, err := openFolder(t, "s3://exchange/none", w.env()).Names(t.Context()); err != nil || len(names) > 0 {
			t.Errorf("nothing: %q, %v", names, err)
		}
		_, err = openFolder(t, "s3://nowhere", w.env()).Names(t.Context())
		if missing, ok := errors.AsType[*objects.NotFoundError](err); !ok || !missing.Bucket {
			t.Errorf("no bucket: %v", err)
		}
		w.SetFaults(embedded.FaultOn("s3", "ListObjectsV2", embedded.Fault{Kind: embedded.FaultError, Code: "AccessDenied", Status: 403}))
		_, err = f.Names(t.Context())
		if denied, ok := errors.AsType[*awsapi.DeniedError](err); !ok || denied.Action != "s3:ListBucket" || denied.Resource != "arn:aws:s3:::exchange" {
			t.Errorf("denied: %v", err)
		}
		w.SetFaults(embedded.FaultOn("s3", "ListObjectsV2", embedded.Fault{Kind: embedded.FaultRepeatToken}))
		if _, err := f.Names(t.Context()); !errors.Is(err, awsapi.ErrRepeatedToken) {
			t.Errorf("a repeated token: %v", err)
		}
		w.SetFaults(embedded.FaultOn("s3", "ListObjectsV2", embedded.Fault{Kind: embedded.FaultMalformed}))
		if names, err := f.Names(t.Context()); err == nil {
			t.Errorf("half of an answer: %d names and no error", len(names))
		}
	})
}
