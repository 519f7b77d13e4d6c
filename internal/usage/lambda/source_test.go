package lambda_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/awsusage/awstest"
	"github.com/regsweep/regsweep/internal/usage/lambda"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// orders makes a function of the versions 1 to n, each of an image of its own,
// with $LATEST as the last one.
func orders(w *awstest.World, n int) *embedded.Function {
	var f *embedded.Function
	for i := range n {
		v := fmt.Sprint(i + 1)
		reference := w.Push("orders", "v"+v, "v"+v)
		if f == nil {
			f = embedded.Must(w.Region.Lambda().CreateFunction("orders", reference))
		} else {
			check(f.UpdateCode(reference))
		}
		f.Publish()
	}
	return f
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func TestVersions(t *testing.T) {
	for _, test := range []struct {
		name   string
		config lambda.Config
		fill   func(*awstest.World)
		want   []string
		notes  []string
	}{
		{
			name: "nothing",
			fill: func(*awstest.World) {},
			want: []string{},
		},
		{
			name: "all versions are the default",
			fill: func(w *awstest.World) { orders(w, 3) },
			want: []string{
				"orders:$LATEST running orders:v3 orders@<v3>",
				"orders:1 rollback orders:v1 orders@<v1>",
				"orders:2 rollback orders:v2 orders@<v2>",
				"orders:3 rollback orders:v3 orders@<v3>",
			},
		},
		{
			name:   "the newest one, and an alias with a weight on an old one",
			config: lambda.Config{Versions: "1"},
			fill: func(w *awstest.World) {
				check(orders(w, 12).PutAlias("live", "10", map[string]float64{"2": 0.01}))
			},
			want: []string{
				"orders:$LATEST running orders:v12 orders@<v12>",
				"orders:10 running orders:v10 orders@<v10>",
				"orders:12 rollback orders:v12 orders@<v12>",
				"orders:2 running orders:v2 orders@<v2>",
				"orders:live running orders:v10 orders@<v10>",
				"orders:live running orders:v2 orders@<v2>",
			},
		},
		{
			name:   "a tag that moved: the function runs the old digest",
			config: lambda.Config{Versions: lambda.All},
			fill: func(w *awstest.World) {
				embedded.Must(w.Region.Lambda().CreateFunction("fn", w.Push("fn", "stable", "old")))
				w.Push("fn", "stable", "new")
			},
			want: []string{"fn:$LATEST running fn:stable fn@<old>"},
		},
		{
			name: "tag and digest",
			fill: func(w *awstest.World) {
				reference := w.Push("fn", "1", "pinned") + "@" + w.Digest("pinned")
				w.Push("fn", "1", "moved")
				embedded.Must(w.Region.Lambda().CreateFunction("fn", reference))
			},
			want: []string{"fn:$LATEST running fn:1@<pinned> fn@<pinned>"},
		},
		{
			name: "an archive",
			fill: func(w *awstest.World) {
				embedded.Must(w.Region.Lambda().CreateArchiveFunction("zip")).Publish()
				embedded.Must(w.Region.Lambda().CreateFunction("fn", w.Push("fn", "1", "one")))
			},
			want:  []string{"fn:$LATEST running fn:1 fn@<one>"},
			notes: []string{"1 functions are not container images"},
		},
		{
			name: "an alias of $LATEST",
			fill: func(w *awstest.World) { check(orders(w, 1).PutAlias("dev", "$LATEST", nil)) },
			want: []string{
				"orders:$LATEST running orders:v1 orders@<v1>",
				"orders:1 rollback orders:v1 orders@<v1>",
				"orders:dev running orders:v1 orders@<v1>",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := awstest.New(t)
			test.fill(w)
			found, err := w.Collect(test.config)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, w.Lines(found)); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.notes, found.Notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, w.MustCollect(test.config)); diff != "" {
				t.Errorf("uses of the second run (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSecondRun: a published version is asked for once in its life, and
// $LATEST every time.
func TestSecondRun(t *testing.T) {
	w := awstest.New(t)
	f := orders(w, 3)
	w.MustCollect(lambda.Config{})
	check(f.UpdateCode(w.Push("orders", "v4", "v4")))
	w.ResetStats()
	want := []string{
		"orders:$LATEST running orders:v4 orders@<v4>",
		"orders:1 rollback orders:v1 orders@<v1>",
		"orders:2 rollback orders:v2 orders@<v2>",
		"orders:3 rollback orders:v3 orders@<v3>",
	}
	if diff := cmp.Diff(want, w.MustCollect(lambda.Config{})); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
	if n := w.Stats().Calls["lambda:GetFunction"]; n != 1 {
		t.Errorf("%d calls of GetFunction, want that of $LATEST", n)
	}
}

// TestRecreated: a function of the same name is another one.
func TestRecreated(t *testing.T) {
	w := awstest.New(t)
	orders(w, 1).Delete()
	w.MustCollect(lambda.Config{})
	f := embedded.Must(w.Region.Lambda().CreateFunction("orders", w.Push("orders", "again", "again")))
	f.Publish()
	want := []string{
		"orders:$LATEST running orders:again orders@<again>",
		"orders:2 rollback orders:again orders@<again>",
	}
	if diff := cmp.Diff(want, w.MustCollect(lambda.Config{})); diff != "" {
		t.Errorf("uses (-want +got):\n%s", diff)
	}
}

// TestDenied denies each action alone.
func TestDenied(t *testing.T) {
	wants := map[string][]string{
		"lambda:ListFunctions": {},
		// Without its aliases nobody knows that version 1 runs.
		"lambda:ListAliases": {
			"orders:$LATEST running orders:v3 orders@<v3>",
			"orders:3 rollback orders:v3 orders@<v3>",
		},
		"lambda:GetFunction": {},
	}
	for _, action := range lambda.Actions(lambda.Config{}) {
		t.Run(action, func(t *testing.T) {
			want, known := wants[action]
			if !known {
				t.Fatalf("the test does not say what %s costs", action)
			}
			w := awstest.New(t)
			check(orders(w, 3).PutAlias("live", "1", nil))
			w.Deny(action)
			found, err := w.Collect(lambda.Config{Versions: "1"})
			if err == nil || !strings.Contains(err.Error(), action) {
				t.Errorf("error %v, want one that names %s", err, action)
			}
			var denied *awsapi.DeniedError
			if !errors.As(err, &denied) || denied.Action != action {
				t.Errorf("error %v, want a DeniedError of %s", err, action)
			}
			if diff := cmp.Diff(want, w.Lines(found)); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
}

// TestActionsSuffice: the source makes no call that Actions does not name.
func TestActionsSuffice(t *testing.T) {
	w := awstest.New(t)
	orders(w, 1)
	w.MustCollect(lambda.Config{})
	named := map[string]int{}
	for _, action := range lambda.Actions(lambda.Config{}) {
		named[action] = w.Stats().Calls[action]
	}
	if diff := cmp.Diff(w.Stats().Calls, named); diff != "" {
		t.Errorf("calls (-made +named):\n%s", diff)
	}
}

func TestPaging(t *testing.T) {
	w := awstest.New(t)
	reference := w.Push("fn", "1", "one")
	for i := range 130 {
		f := embedded.Must(w.Region.Lambda().CreateFunction(fmt.Sprintf("f%03d", i), reference))
		if i > 0 {
			continue
		}
		f.Publish()
		for n := range 60 {
			check(f.PutAlias(fmt.Sprintf("alias%02d", n), "1", nil))
		}
	}
	found, err := w.Collect(lambda.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(found.Observations); n != 130+1+60 {
		t.Errorf("%d uses, want 130 of $LATEST, 1 of a version and 60 of aliases", n)
	}
	want := map[string]int{"lambda:ListFunctions": 3, "lambda:ListAliases": 2, "lambda:GetFunction": 131}
	if diff := cmp.Diff(want, w.Stats().Calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestRepeatedToken(t *testing.T) {
	for _, operation := range []string{"ListFunctions", "ListAliases"} {
		t.Run(operation, func(t *testing.T) {
			w := awstest.New(t)
			f := orders(w, 1)
			for n := range 120 {
				check(f.PutAlias(fmt.Sprintf("alias%03d", n), "1", nil))
				embedded.Must(w.Region.Lambda().CreateArchiveFunction(fmt.Sprintf("f%03d", n)))
			}
			w.SetFaults(embedded.FaultOn("lambda", operation, embedded.Fault{Kind: embedded.FaultRepeatToken}))
			if _, err := w.Collect(lambda.Config{}); !errors.Is(err, awsapi.ErrRepeatedToken) {
				t.Errorf("error %v, want %v", err, awsapi.ErrRepeatedToken)
			}
		})
	}
}

// TestGoneMeanwhile: a function that is deleted between two calls is no longer
// in use.
func TestGoneMeanwhile(t *testing.T) {
	for _, operation := range []string{"ListAliases", "GetFunction"} {
		t.Run(operation, func(t *testing.T) {
			w := awstest.New(t)
			f := orders(w, 1)
			var once atomic.Bool
			w.SetFaults(func(_ int, _, called string) embedded.Fault {
				if called == operation && once.CompareAndSwap(false, true) {
					f.Delete()
				}
				return embedded.Fault{}
			})
			found, err := w.Collect(lambda.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{}, w.Lines(found)); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
			want := []string{"orders:$LATEST was deleted while it was read", "orders:1 was deleted while it was read"}
			if diff := cmp.Diff(want, found.Notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	for _, test := range []struct {
		name, versions, err string
	}{
		{name: "default"},
		{name: "all", versions: "all"},
		{name: "a number", versions: "3"},
		{name: "zero", versions: "0", err: `versions: "0" is neither "all" nor a number of at least 1`},
		{name: "negative", versions: "-1", err: `versions: "-1" is neither "all" nor a number of at least 1`},
		{name: "a word", versions: "some", err: `versions: "some" is neither "all" nor a number of at least 1`},
	} {
		t.Run(test.name, func(t *testing.T) {
			sources, err := lambda.Config{Versions: test.versions, Regions: []string{"a", "b"}}.Open("fn", usage.Env{})
			got := ""
			if err != nil {
				got = err.Error()
			} else if len(sources) != 2 || sources[0].Name() != "fn/a" || sources[1].Name() != "fn/b" {
				t.Errorf("sources %v, want fn/a and fn/b", sources)
			}
			if got != test.err {
				t.Errorf("error %q, want %q", got, test.err)
			}
		})
	}
}
