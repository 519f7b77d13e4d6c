package awsusage

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
)

func TestRecord(t *testing.T) {
	var r Record
	one := usage.Observation{Holder: "a", State: image.Running, Asked: "x:1"}
	two := usage.Observation{Holder: "b", State: image.Running, Asked: "x:1"}
	r.See(two, one)
	r.See(one)
	r.Note("%d notes", 2)
	denied := errors.New("denied")
	for _, of := range []string{"cluster 5", "cluster 1", "cluster 4", "cluster 2", "cluster 3"} {
		r.Fail("list tasks", of, denied)
	}
	r.Fail("list clusters", "", denied)

	found, err := r.Findings(t.Context())
	want := usage.Findings{Observations: []usage.Observation{one, two}, Notes: []string{"2 notes"}}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	const text = "list clusters: denied\n" +
		"list tasks of cluster 1: denied\nlist tasks of cluster 2: denied\nlist tasks of cluster 3: denied\n" +
		"list tasks: and 2 more errors like these"
	if diff := cmp.Diff(text, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if !errors.Is(err, denied) {
		t.Errorf("the error does not wrap the cause")
	}
}

func TestRecordOfAnEndedContext(t *testing.T) {
	var r Record
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := r.Findings(ctx); err != nil {
		t.Errorf("error %v, want none", err)
	}
	cancel()
	if _, err := r.Findings(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestForEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, done atomic.Int32
		ForEach(t.Context(), make([]int, 100), func(context.Context, int) {
			n := running.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(time.Second) // the bubble's clock
			running.Add(-1)
			done.Add(1)
		})
		if done.Load() != 100 || most.Load() != InFlight {
			t.Errorf("%d done, %d at once, want 100 and %d", done.Load(), most.Load(), InFlight)
		}
	})
}

func TestForEachStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var begun atomic.Int32
	ForEach(ctx, make([]int, 1000), func(context.Context, int) {
		begun.Add(1)
		cancel()
	})
	if n := begun.Load(); n > InFlight+1 {
		t.Errorf("%d items were begun after the context ended", n)
	}
}

type fakeSource struct {
	usage.Source
	name   string
	target awsapi.Target
}

func TestPerRegion(t *testing.T) {
	for _, test := range []struct {
		name    string
		regions []string
		want    []fakeSource
		err     string
	}{
		{name: "none", want: []fakeSource{{name: "ecs", target: awsapi.Target{AssumeRole: "role"}}}},
		{name: "one", regions: []string{"eu-west-1"}, want: []fakeSource{{name: "ecs", target: awsapi.Target{Region: "eu-west-1", AssumeRole: "role"}}}},
		{name: "two", regions: []string{"eu-west-1", "us-east-1"}, want: []fakeSource{
			{name: "ecs/eu-west-1", target: awsapi.Target{Region: "eu-west-1", AssumeRole: "role"}},
			{name: "ecs/us-east-1", target: awsapi.Target{Region: "us-east-1", AssumeRole: "role"}},
		}},
		{name: "empty", regions: []string{""}, err: "regions: a region is empty"},
		{name: "twice", regions: []string{"eu-west-1", "eu-west-1"}, err: "regions: eu-west-1 is named twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sources, err := PerRegion(usage.Env{}, "ecs", test.regions, "role", func(name string, target awsapi.Target) usage.Source {
				return fakeSource{name: name, target: target}
			})
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []fakeSource
			for _, s := range sources {
				got = append(got, s.(fakeSource))
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(fakeSource{})); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
		})
	}
}

// Without regions of its own a source reads those of the registries too.
func TestPerRegionDefaults(t *testing.T) {
	var got []string
	env := usage.Env{Regions: []string{"eu-west-1", "us-east-1"}}
	sources, err := PerRegion(env, "ecs", nil, "", func(name string, target awsapi.Target) usage.Source {
		got = append(got, name+" "+target.Region)
		return nil
	})
	if err != nil || len(sources) != 2 {
		t.Fatalf("%d sources, error %v", len(sources), err)
	}
	if diff := cmp.Diff([]string{"ecs/eu-west-1 eu-west-1", "ecs/us-east-1 us-east-1"}, got); diff != "" {
		t.Error(diff)
	}
}
