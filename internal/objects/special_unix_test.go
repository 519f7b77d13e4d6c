//go:build unix

package objects_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/regsweep/regsweep/internal/objects"
)

// What is no plain file of its own is written to and not replaced.
func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, "target.json", objects.Env{Dir: dir}).Write(t.Context(), text("old")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(filepath.Join(dir, "target.json"), 0o640), os.Symlink("target.json", filepath.Join(dir, "link.json"))); err != nil {
		t.Fatal(err)
	}
	if err := open(t, "link.json", objects.Env{Dir: dir}).Write(t.Context(), text("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(filepath.Join(dir, "target.json"))
	if err != nil || info.Mode() != 0o640 || info.Size() != 3 {
		t.Errorf("the target of the link: %v, %v", info, err)
	}
	if info, err := os.Lstat(filepath.Join(dir, "link.json")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link: %v, %v", info, err)
	}
	if err := open(t, "/dev/null", objects.Env{}).Write(t.Context(), text("gone")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode()&fs.ModeDevice == 0 {
		t.Errorf("/dev/null: %v, %v", info, err)
	}
	if err := open(t, dir, objects.Env{}).Write(t.Context(), text("a")); err == nil {
		t.Error("a folder was written to")
	}
}
