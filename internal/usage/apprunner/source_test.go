package apprunner_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/apprunner"
	"github.com/regsweep/regsweep/internal/usage/awsusage/awstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fill makes services in every state.
func fill(w *awstest.World) {
	for name, status := range map[string]string{
		"running": embedded.AppRunnerRunning, "paused": embedded.AppRunnerPaused, "failed": embedded.AppRunnerCreateFailed,
		"deleted": embedded.AppRunnerDeleted, "deploying": embedded.AppRunnerOperationInProgress,
	} {
		embedded.Must(w.Region.AppRunner().CreateService(name, w.Push("shop", name, name))).SetStatus(status)
	}
	embedded.Must(w.Region.AppRunner().CreateService("pinned", w.Push("shop", "pinned", "pinned")+"@"+w.Digest("pinned")))
	embedded.Must(w.Region.AppRunner().CreateCodeService("from-code"))
}

func TestServices(t *testing.T) {
	w := awstest.New(t)
	fill(w)
	found, err := w.Collect(apprunner.Config{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"deploying running shop:deploying",
		"failed declared shop:failed",
		"paused declared shop:paused",
		"pinned running shop:pinned@<pinned>",
		"running running shop:running",
	}
	if diff := cmp.Diff(want, w.Lines(found)); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1 services are not container images"}, found.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	named := map[string]int{}
	for _, action := range apprunner.Actions(apprunner.Config{}) {
		named[action] = w.Stats().Calls[action]
	}
	if diff := cmp.Diff(w.Stats().Calls, named); diff != "" {
		t.Errorf("calls (-made +named):\n%s", diff)
	}
}

// TestErrors: whatever cannot be read is an error, and what can is found.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault embedded.Fault
		on    string
		deny  string
		want  string // in the error
	}{
		{name: "the list is denied", deny: "apprunner:ListServices", want: "apprunner:ListServices"},
		{name: "a service is denied", deny: "apprunner:DescribeService", want: "apprunner:DescribeService"},
		{
			name: "a region without App Runner", on: "ListServices", want: "list services: ",
			fault: embedded.Fault{Kind: embedded.FaultError, Code: "UnknownOperationException"},
		},
		{
			name: "an error of each service", on: "DescribeService", want: "describe service: and 3 more errors like these",
			fault: embedded.Fault{Kind: embedded.FaultError, Code: "InvalidRequestException"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := awstest.New(t)
			fill(w)
			if test.deny != "" {
				w.Deny(test.deny)
			} else {
				w.SetFaults(embedded.FaultOn("apprunner", test.on, test.fault))
			}
			found, err := w.Collect(apprunner.Config{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			var denied *awsapi.DeniedError
			if test.deny != "" && (!errors.As(err, &denied) || denied.Action != test.deny) {
				t.Errorf("error %v, want a DeniedError of %s", err, test.deny)
			}
			if diff := cmp.Diff([]string{}, w.Lines(found)); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOneDenied: the others are found.
func TestOneDenied(t *testing.T) {
	w := awstest.New(t)
	embedded.Must(w.Region.AppRunner().CreateService("open", w.Push("shop", "1", "one")))
	hidden := embedded.Must(w.Region.AppRunner().CreateService("hidden", w.Push("shop", "2", "two")))
	w.Server.Deny(w.Account(embedded.DefaultAccount).AccessKeyID(), "apprunner:DescribeService", hidden.ARN())
	found, err := w.Collect(apprunner.Config{})
	if err == nil || !strings.HasPrefix(err.Error(), "describe service of hidden: ") {
		t.Errorf("error %v, want one of the service that is denied", err)
	}
	if diff := cmp.Diff([]string{"open running shop:1"}, w.Lines(found)); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
}

func TestPaging(t *testing.T) {
	w := awstest.New(t)
	for i := range 110 {
		embedded.Must(w.Region.AppRunner().CreateService(fmt.Sprintf("service-%03d", i), fmt.Sprintf("shop:%d", i)))
	}
	found, err := w.Collect(apprunner.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(found.Observations); n != 110 {
		t.Errorf("%d uses, want 110", n)
	}
	if n := w.Stats().Calls["apprunner:ListServices"]; n != 6 {
		t.Errorf("%d pages, want 6", n)
	}
	w.SetFaults(embedded.FaultOn("apprunner", "ListServices", embedded.Fault{Kind: embedded.FaultRepeatToken}))
	if _, err := w.Collect(apprunner.Config{}); !errors.Is(err, awsapi.ErrRepeatedToken) {
		t.Errorf("error %v, want %v", err, awsapi.ErrRepeatedToken)
	}
}

func TestOpen(t *testing.T) {
	sources, err := apprunner.Config{Regions: []string{"a", "b"}}.Open("appRunner", usage.Env{})
	if err != nil || len(sources) != 2 || sources[0].Name() != "appRunner/a" || sources[1].Name() != "appRunner/b" {
		t.Errorf("sources %v, error %v, want appRunner/a and appRunner/b", sources, err)
	}
	if _, err := (apprunner.Config{Regions: []string{""}}).Open("appRunner", usage.Env{}); err == nil {
		t.Error("an empty region is accepted")
	}
}
