package objects_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/objects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// text writes a text.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

// open returns the object of a path.
func open(t *testing.T, path string, env objects.Env) *objects.Object {
	t.Helper()
	o, err := objects.Open(path, env)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// read returns what an object holds.
func read(ctx context.Context, o *objects.Object) (string, error) {
	r, err := o.Read(ctx)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name, path, want, err string
	}{
		{"relative", "a/b.json", filepath.Join(dir, "a/b.json"), ""},
		{"absolute", "/a/b.json", "/a/b.json", ""},
		{"an object", "s3://exchange/a/b.json", "s3://exchange/a/b.json", ""},
		{"dots in the bucket and the key", "s3://my.exchange/../a//b", "s3://my.exchange/../a//b", ""},
		{"nothing", "", "", "the path is empty"},
		{"a web address", "https://example.com/a", "", "neither a file nor s3://bucket/key"},
		{"upper case", "S3://bucket/a", "", "neither a file nor s3://bucket/key"},
		{"a bucket without a key", "s3://bucket", "", "not an S3 object"},
		{"a bucket with an empty key", "s3://bucket/", "", "not an S3 object"},
		{"a bucket in upper case", "s3://Bucket/a", "", "not an S3 object"},
		{"a bucket with a port", "s3://example.com:80/a", "", "not an S3 object"},
		{"no bucket", "s3:///a", "", "not an S3 object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, err := objects.Open(test.path, objects.Env{Dir: dir})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %s", err, test.err)
				}
				return
			}
			if err != nil || o.String() != test.want || objects.IsS3(test.path) != strings.HasPrefix(test.want, "s3://") {
				t.Errorf("got %v, %v, want %s", o, err, test.want)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	o := open(t, "a.json", objects.Env{Dir: dir})
	_, err := read(t.Context(), o)
	if missing, ok := errors.AsType[*objects.NotFoundError](err); !ok || missing.Path != o.String() || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	for _, content := range []string{"first", "", strings.Repeat("longer ", 1000)} {
		if err := o.Write(t.Context(), text(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := read(t.Context(), o); err != nil || got != content {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, len(content))
		}
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left in the folder: %q", got)
	}
}

// names returns what is in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// What goes wrong leaves the old content and nothing else.
func TestFileIsWrittenWholeOrNotAtAll(t *testing.T) {
	broken := errors.New("broken")
	canceled, cancel := context.WithCancel(t.Context())
	for name, test := range map[string]struct {
		ctx   context.Context
		write func(io.Writer) error
		want  error
	}{
		"the function fails": {t.Context(), func(w io.Writer) error { _, err := io.WriteString(w, "half"); return errors.Join(err, broken) }, broken},
		"the run ends": {canceled, func(w io.Writer) error {
			cancel()
			_, err := io.WriteString(w, "whole")
			return err
		}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := open(t, "a.json", objects.Env{Dir: dir})
			if err := o.Write(t.Context(), text("old")); err != nil {
				t.Fatal(err)
			}
			if err := o.Write(test.ctx, test.write); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if got, err := read(t.Context(), o); got != "old" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if diff := cmp.Diff([]string{"a.json"}, names(t, dir)); diff != "" {
				t.Errorf("in the folder (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := open(t, "a.json", objects.Env{Dir: t.TempDir()}).Read(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("read after the end: %v", err)
	}
	if err := open(t, "none/a.json", objects.Env{Dir: t.TempDir()}).Write(t.Context(), text("a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that does not exist: %v", err)
	}
}
