package cli_test

import (
	"fmt"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regsweep/regsweep/internal/embedded"
)

func (a *account) policy(ts *testscript.TestScript, args []string) error {
	r, ok := a.region.Repository(args[0])
	if !ok {
		return fmt.Errorf("no repository %s", args[0])
	}
	if len(args) > 1 {
		r.SetLifecyclePolicy(ts.ReadFile(args[1]))
		return nil
	}
	_, err := fmt.Fprintln(ts.Stdout(), r.LifecyclePolicy())
	return err
}

func (a *account) enforce(ts *testscript.TestScript, args []string) error {
	a.region.CountLifecycleMembers(len(args) > 0)
	n, err := a.region.ApplyLifecyclePolicies()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(ts.Stdout(), "%d\n", n)
	return err
}

func (a *account) attach(ts *testscript.TestScript, args []string) error {
	m := embedded.NewArtifact("application/vnd.example.sbom", a.names[args[1]].Descriptor())
	return a.put(ts, args[0], args[1]+"_sbom", args[2], m, args[3:])
}
