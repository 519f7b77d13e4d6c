package objects

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

func readFile(ctx context.Context, path string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{Path: path, Err: err}
	}
	if err != nil {
		return nil, err // not f: a nil *os.File is no nil io.ReadCloser
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(&FolderError{Path: path}, f.Close())
	}
	return f, nil
}

// FolderError says that a folder stands where a file is to be read.
type FolderError struct{ Path string }

func (e *FolderError) Error() string { return e.Path + " is a folder, and no file" }

// writeFile writes a file beside the place where it goes, and renames it when
// it is complete.
func writeFile(ctx context.Context, path string, write func(io.Writer) error) error {
	info, err := os.Stat(path)
	exists := err == nil
	if exists && !info.Mode().IsRegular() { // /dev/stdout is to be written to, not replaced
		return writeInto(path, write)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link stays one
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".regsweep-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when it was renamed
	if exists {
		err = tmp.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = write(tmp)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = tmp.Sync() // or the name could outlive a crash and the content not
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// writeInto writes to what is there and no file: a terminal or a pipe.
func writeInto(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
