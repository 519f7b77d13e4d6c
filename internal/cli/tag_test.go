package cli_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regsweep/regsweep/internal/embedded"
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
