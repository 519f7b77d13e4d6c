package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/regsweep/regsweep/internal/objects"
)

// target returns what an --out names, or nil for none. What cannot be written is
// said here, before a long run, and not after it.
func (r *run) target(path string) (*objects.Object, error) {
	if path == "" {
		return nil, nil
	}
	if path == "-" {
		return nil, usageError("--out - would be a file of this name: leave --out out and write -o json for JSON on stdout")
	}
	o, err := objects.Open(path, objects.Env{AWS: r.env.AWS})
	if err != nil {
		return nil, usageError("--out: %w", err)
	}
	if objects.IsS3(path) {
		return o, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, usageError("--out %s: this is a folder; name a file in it", path)
	case err == nil && !info.Mode().IsRegular(): // /dev/stdout is written to, and not replaced
		return o, nil
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return nil, usageError("--out %s: there is no folder %s", path, filepath.Dir(path))
	}
	if err := canCreate(path); err != nil {
		return nil, usageError("--out %s: %w", path, err)
	}
	return o, nil
}

// unsaved says what an --out could not be given. A bucket that does not exist is
// wrong usage, as a folder is, but is known only when it is written to.
func unsaved(what string, err error) error {
	if missing, ok := errors.AsType[*objects.NotFoundError](err); ok && missing.Bucket {
		return usageError("save the %s: %w", what, err)
	}
	return fmt.Errorf("save the %s: %w", what, err)
}

// canCreate makes a file beside path and removes it, as the writing of path will.
func canCreate(path string) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // what a link names is replaced, and not the link
	}
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, ".regsweep-*")
	if err != nil {
		if where, ok := errors.AsType[*fs.PathError](err); ok {
			err = where.Err // the name of the file is nobody's
		}
		return fmt.Errorf("no file can be made in %s: %w", folder, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// same reports whether two paths name one file, or one object in Amazon S3.
func same(a, b string) bool {
	if a == b || objects.IsS3(a) || objects.IsS3(b) {
		return a == b
	}
	one, errA := os.Stat(a)
	two, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(one, two)
}
