package cli_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/registry/ecr"
)

func (a *account) mutability(_ *testscript.TestScript, args []string) error {
	_, err := a.region.CreateRepository(args[0], embedded.RepositoryOptions{Mutability: embedded.Mutability(args[1]), Exclusions: args[2:]})
	return err
}

func (a *account) repository(name string) (*embedded.Repository, error) {
	r, ok := a.region.Repository(name)
	if !ok {
		return nil, fmt.Errorf("no repository %s", name)
	}
	return r, nil
}

func (a *account) archive(_ *testscript.TestScript, args []string) error {
	r, err := a.repository(args[0])
	if err == nil && !r.Archive(a.names[args[1]].Descriptor().Digest, scriptNow) {
		err = fmt.Errorf("no image %s", args[1])
	}
	return err
}

func (a *account) in(_ *testscript.TestScript, args []string) error {
	a.region = a.srv.Account(embedded.DefaultAccount).Region(args[0])
	return nil
}

func (a *account) snapshot(ts *testscript.TestScript, args []string) error {
	var lines string
	for _, name := range args[1:] {
		lines += ts.Getenv("HOST") + "/" + name + "\n"
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(lines), 0o644)
}

func (a *account) tag(_ *testscript.TestScript, args []string) error {
	r, err := a.repository(args[0])
	if err != nil {
		return err
	}
	var tags []string
	for _, arg := range args[2:] {
		from, to, many := strings.Cut(arg, "..")
		if !many {
			tags = append(tags, arg)
			continue
		}
		prefix := strings.TrimRight(from, "0123456789")
		first, err1 := strconv.Atoi(from[len(prefix):])
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("%s is no range", arg)
		}
		for n := first; n <= last; n++ {
			tags = append(tags, prefix+strconv.Itoa(n))
		}
	}
	_, err = r.Push(embedded.Push{Manifest: a.names[args[1]].Bytes(), Tags: tags, At: scriptNow})
	return err
}

// What the command opens for tagging cannot delete images or archive them.
func TestTaggerCannotDelete(t *testing.T) {
	tagger := reflect.TypeFor[*ecr.Tagger]()
	if tagger.Implements(reflect.TypeFor[registry.Writer]()) || !tagger.Implements(reflect.TypeFor[registry.Tagger]()) {
		t.Errorf("%s is no Tagger, or a Writer too", tagger)
	}
	for method := range tagger.Methods() {
		if !slices.Contains([]string{"Tag", "MoveTag", "Untag"}, method.Name) {
			t.Errorf("%s has the method %s", tagger, method.Name)
		}
	}
}
