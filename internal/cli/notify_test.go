package cli_test

import (
	"fmt"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/regsweep/regsweep/internal/embedded"
)

// topic makes a topic of Amazon SNS.
func (a *account) topic(_ *testscript.TestScript, args []string) error {
	a.region.CreateTopic(args[0])
	return nil
}

// published prints what was published to a topic: subjects and messages.
func (a *account) published(ts *testscript.TestScript, args []string) error {
	for _, m := range a.srv.Published("arn:aws:sns:" + a.region.Name + ":" + embedded.DefaultAccount + ":" + args[0]) {
		if _, err := fmt.Fprintf(ts.Stdout(), "%s\n%s\n", m.Subject, m.Message); err != nil {
			return err
		}
	}
	return nil
}
