package usage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/image"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a source that says what it is told to.
type fake struct {
	name    string
	collect func(context.Context) (Findings, error)
}

func (f fake) Name() string                                  { return f.name }
func (f fake) Collect(ctx context.Context) (Findings, error) { return f.collect(ctx) }

func answers(name string, observations ...Observation) Entry {
	return fails(name, nil, observations...)
}

func fails(name string, err error, observations ...Observation) Entry {
	return Entry{Source: fake{name, func(context.Context) (Findings, error) {
		return Findings{Observations: observations}, err
	}}}
}

func running(holder, asked, got string) Observation {
	return Observation{Holder: holder, State: image.Running, Asked: asked, Got: got}
}

var now = time.Date(2026, 11, 20, 8, 0, 0, 123456789, time.UTC)

func clock() time.Time { return now }

func collect(t testing.TB, opts Options, entries ...Entry) *Result {
	t.Helper()
	opts.Now = clock
	result, err := Collect(t.Context(), entries, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestCollectJoinsSortsAndCounts(t *testing.T) {
	result := collect(t, Options{},
		answers("kubernetes/prod",
			running("shop/Deployment/web", web+":2", web+"@"+digest1),
			running("shop/Deployment/web", web+":2", web+"@"+digest1),
			Observation{Holder: "shop/Deployment/web", State: image.Declared, Asked: web + ":2"},
			Observation{Holder: "shop/Deployment/web", State: image.Rollback, Asked: web + ":2"},
			running("shop/Deployment/api", api, digest2),
		),
		answers("ecs", running("web", web+":2", "")),
	)
	want := &Result{Snapshot: &Snapshot{
		CreatedAt: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC),
		Sources:   []Status{{"kubernetes/prod", 4, "ok", ""}, {"ecs", 1, "ok", ""}},
		Uses: []image.Use{
			{Source: "kubernetes/prod", State: "running", Reference: api + ":latest", ImageID: digest2, Holder: "kubernetes/prod/shop/Deployment/api"},
			{Source: "ecs", State: "running", Reference: web + ":2", Holder: "ecs/web"},
			{Source: "kubernetes/prod", State: "declared", Reference: web + ":2", Holder: "kubernetes/prod/shop/Deployment/web"},
			{Source: "kubernetes/prod", State: "rollback", Reference: web + ":2", Holder: "kubernetes/prod/shop/Deployment/web"},
			{Source: "kubernetes/prod", State: "running", Reference: web + ":2@" + digest1, Holder: "kubernetes/prod/shop/Deployment/web"},
		},
	}}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCollectKeepsEveryImageIDOfAHolder(t *testing.T) {
	result := collect(t, Options{}, answers("k",
		running("web", web+":1", digest2),
		running("web", web+":1", ""),
		running("web", web+":1", digest1),
	))
	var got []string
	for _, u := range result.Snapshot.Uses {
		got = append(got, u.Reference+" "+u.ImageID)
	}
	want := []string{web + ":1 " + digest1, web + ":1 " + digest2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCollectDoesNotDependOnOrder(t *testing.T) {
	var observations []Observation
	for i := range 40 {
		observations = append(observations,
			running(fmt.Sprint("holder", i%7), fmt.Sprintf("%s:%d", web, i%5), web+"@"+digest1),
			Observation{Holder: fmt.Sprint("holder", i%3), State: image.Declared, Asked: fmt.Sprintf("not a reference %d", i)})
	}
	write := func() string {
		var b strings.Builder
		if err := collect(t, Options{}, answers("k", observations...)).Snapshot.Encode(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := write()
	for range 20 {
		rand.Shuffle(len(observations), func(i, j int) { observations[i], observations[j] = observations[j], observations[i] })
		if diff := cmp.Diff(want, write()); diff != "" {
			t.Fatalf("another order, another snapshot:\n%s", diff)
		}
	}
}

func TestCollectStatus(t *testing.T) {
	atLeast := func(n int, e Entry) Entry { e.AtLeast = n; return e }
	long := strings.Repeat("x", 200)
	tests := []struct {
		name   string
		entry  Entry
		ignore bool
		want   Status
		gap    bool
	}{
		{"ok", answers("s", running("a", web+":1", "")), false, Status{"s", 1, "ok", ""}, false},
		{"nothing is no gap of itself", answers("s"), false, Status{"s", 0, "ok", ""}, false},
		{"error", fails("s", errors.New("list pods:\n denied\t!"), running("a", web+":1", "")), false, Status{"s", 1, "gap", "list pods:; denied !"}, true},
		{"ignored error", fails("s", errors.New("denied")), true, Status{"s", 0, "gap", "denied (ignored by --ignore-gap)"}, false},
		{"nothing to ignore", answers("s", running("a", web+":1", "")), true, Status{"s", 1, "ok", ""}, false},
		{"fewer than expected", atLeast(2, answers("s", running("a", web+":1", ""))), false, Status{"s", 1, "gap", "it found 1 use, and atLeast expects 2"}, true},
		{"as many as expected", atLeast(1, answers("s", running("a", web+":1", ""))), false, Status{"s", 1, "ok", ""}, false},
		{"an error says enough", atLeast(2, fails("s", errors.New("denied"))), false, Status{"s", 0, "gap", "denied"}, true},
		{"image id without a repository", answers("s", running("a", "", digest1)), false, Status{"s", 1, "gap", `1 image id without a repository can be any image: "` + digest1 + `"`}, true},
		{"such image id and an error", fails("s", errors.New("denied"), running("a", digest1, "")), false, Status{"s", 1, "gap", `denied; 1 image id without a repository can be any image: "` + digest1 + `"`}, true},
		{"no references", answers("s", running("a", "D D", ""), running("b", "C C", ""), running("a", "B B", ""), running("a", "A A", ""), running("c", "D D", "")), false,
			Status{"s", 0, "ok", `4 strings cannot be image references: "A A", "B B", "C C", …`}, false},
		{"a long string", answers("s", running("a", long+" ", ""), running("a", long+"/ü", "")), false,
			Status{"s", 1, "ok", `1 string cannot be an image reference: "` + long[:97] + `…"`}, false},
		{"notes", Entry{Source: fake{"s", func(context.Context) (Findings, error) {
			return Findings{Notes: []string{"3 functions\nare not images", "one more"}}, nil
		}}}, false, Status{"s", 0, "ok", "3 functions are not images; one more"}, false},
		{"a source that ends its goroutine", Entry{Source: fake{"s", func(context.Context) (Findings, error) {
			runtime.Goexit()
			return Findings{}, nil
		}}}, false, Status{"s", 0, "gap", "the source ended without an answer"}, true},
		{"a time limit of its own", fails("s", context.DeadlineExceeded), false, Status{"s", 0, "gap", "context deadline exceeded"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := Options{}
			if tt.ignore {
				opts.IgnoreGaps = []string{"s"}
			}
			tt.entry.Covers = []string{"apps/**"}
			result := collect(t, opts, tt.entry)
			if diff := cmp.Diff([]Status{tt.want}, result.Snapshot.Sources); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			var gaps []Gap
			if tt.gap {
				gaps = []Gap{{image.Gap{Source: "s", Detail: tt.want.Detail}, []string{"apps/**"}}}
			}
			if diff := cmp.Diff(gaps, result.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCollectErrors(t *testing.T) {
	t.Run("unknown name to ignore", func(t *testing.T) {
		_, err := Collect(t.Context(), []Entry{answers("ecs"), answers("lambda")}, Options{Now: clock, IgnoreGaps: []string{"ecs", "esc"}})
		unknown, ok := errors.AsType[*UnknownSourceError](err)
		if !ok || unknown.Name != "esc" || !strings.Contains(err.Error(), "ecs, lambda") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a name twice", func(t *testing.T) {
		if _, err := Collect(t.Context(), []Entry{answers("ecs"), answers("ecs")}, Options{Now: clock}); err == nil || !strings.Contains(err.Error(), `"ecs"`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("unknown state", func(t *testing.T) {
		if _, err := Collect(t.Context(), []Entry{answers("ecs", Observation{Holder: "a", State: "asleep", Asked: web})}, Options{Now: clock}); err == nil || !strings.Contains(err.Error(), `"asleep"`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		cause := errors.New("stopped by the user")
		ctx, cancel := context.WithCancelCause(t.Context())
		entry := Entry{Source: fake{"slow", func(ctx context.Context) (Findings, error) {
			cancel(cause)
			<-ctx.Done()
			return Findings{}, ctx.Err()
		}}}
		result, err := Collect(ctx, []Entry{entry, answers("ecs")}, Options{Now: clock})
		if !errors.Is(err, cause) || result != nil {
			t.Errorf("got %v, %v", result, err)
		}
	})
}

func TestCollectRunsSourcesAtOnce(t *testing.T) {
	var meet sync.WaitGroup
	var entries []Entry
	for i := range 5 {
		meet.Add(1)
		entries = append(entries, Entry{Source: fake{fmt.Sprint("s", i), func(context.Context) (Findings, error) {
			meet.Done()
			meet.Wait() // returns only if all five run
			return Findings{Observations: []Observation{running("a", web+":1", "")}}, nil
		}}})
	}
	if got := len(collect(t, Options{}, entries...).Snapshot.Uses); got != 5 {
		t.Errorf("%d uses, want 5", got)
	}
}

func TestCollectRaisesPanics(t *testing.T) {
	defer func() {
		text, _ := recover().(string)
		if !strings.Contains(text, "usage source bad: index out of everything") || !strings.Contains(text, "collect_test.go") {
			t.Errorf("the panic says %q", text)
		}
	}()
	bad := Entry{Source: fake{"bad", func(context.Context) (Findings, error) { panic("index out of everything") }}}
	waits := Entry{Source: fake{"waits", func(ctx context.Context) (Findings, error) {
		<-ctx.Done() // a panic ends the others
		return Findings{}, ctx.Err()
	}}}
	result, err := Collect(t.Context(), []Entry{waits, bad}, Options{Now: clock})
	t.Errorf("the panic is hidden: %v, %v", result, err)
}

func TestOneLine(t *testing.T) {
	tests := []struct {
		name, in string
		limit    int
		want     string
	}{
		{"short", "a b", 10, "a b"},
		{"lines", "a\r\n\tb\x1b[31m", 20, "a b [31m"},
		{"as long as allowed", "abcdef", 6, "abcdef"},
		{"cut", "abcdefg", 6, "abc…"},
		{"cut between characters", "abäöüß", 7, "abä…"},
		{"nothing fits", "äöü", 4, "…"},
	}
	for _, tt := range tests {
		if got := oneLine(tt.in, tt.limit); got != tt.want || len(got) > tt.limit {
			t.Errorf("%s: oneLine(%q, %d) = %q, want %q", tt.name, tt.in, tt.limit, got, tt.want)
		}
	}
}

func BenchmarkCollect(b *testing.B) {
	var observations []Observation
	for i := range 100_000 {
		observations = append(observations, running(fmt.Sprintf("shop/Deployment/web%d", i%20_000), fmt.Sprintf("%s:%d", web, i%500), web+"@"+digest1))
	}
	b.ReportAllocs()
	for b.Loop() {
		collect(b, Options{}, answers("k", observations...))
	}
}

// TestCollectTellsWhatWasRead: who follows a run is told of each source.
func TestCollectTellsWhatWasRead(t *testing.T) {
	type read struct {
		name, status string
		uses         int
		took         time.Duration
	}
	synctest.Test(t, func(t *testing.T) {
		slow := Entry{Source: fake{"slow", func(context.Context) (Findings, error) {
			time.Sleep(3 * time.Second)
			return Findings{Observations: []Observation{running("a", web+":1", "")}}, nil
		}}}
		var got []read
		_, err := Collect(t.Context(), []Entry{slow, fails("broken", errors.New("denied"))}, Options{
			Now: time.Now, Read: func(s Status, took time.Duration) { got = append(got, read{s.Name, s.Status, s.Uses, took}) },
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []read{{"slow", StatusOK, 1, 3 * time.Second}, {"broken", StatusGap, 0, 0}}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(read{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
