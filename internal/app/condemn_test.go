package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/usage"
)

// clerk is a writer over the repository of a shelf. It writes down its calls,
// by the names of the images, and fails as told.
type clerk struct {
	recorder
	repo  *Repository
	log   []string
	fails map[string]error // by call, or by its first word
	// ends is called before each call.
	ends func(call string)
}

// do notes a call and says whether it fails.
func (c *clerk) do(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	if c.ends != nil {
		c.ends(call)
	}
	c.log = append(c.log, call)
	if err := c.fails[call]; err != nil {
		return err
	}
	verb, _, _ := strings.Cut(call, " ")
	return c.fails[verb]
}

func (c *clerk) find(d image.Digest) *image.Image {
	i := slices.IndexFunc(c.repo.Images, func(i image.Image) bool { return i.Digest == d })
	if i < 0 {
		return &image.Image{}
	}
	return &c.repo.Images[i]
}

// named returns the name of an image by its digest, of a few.
func named(d image.Digest) string {
	for _, name := range []string{"a", "b", "c", "d"} {
		if D(name) == d {
			return name
		}
	}
	return d.String()
}

func (c *clerk) Tag(_ context.Context, _ string, d image.Digest, tag string) error {
	err := c.do("tag %s %s", named(d), tag)
	if err == nil {
		img := c.find(d)
		img.Tags = slices.Sorted(slices.Values(append(slices.Clone(img.Tags), tag)))
	}
	return err
}

func (c *clerk) Untag(_ context.Context, _ string, d image.Digest, tag, anchor string) error {
	err := c.do("untag %s %s, and %s stays", named(d), tag, anchor)
	if img := c.find(d); err == nil {
		img.Tags = slices.DeleteFunc(slices.Clone(img.Tags), func(t string) bool { return t == tag })
	}
	return err
}

func (c *clerk) Delete(_ context.Context, _ string, digests []image.Digest) ([]error, error) {
	results := make([]error, len(digests))
	for i, d := range digests {
		results[i] = c.do("delete %s", named(d))
		if at := slices.IndexFunc(c.repo.Images, func(i image.Image) bool { return i.Digest == d }); results[i] == nil {
			c.repo.Images = slices.Delete(c.repo.Images, at, at+1)
			c.repo.Manifests = slices.Delete(c.repo.Manifests, at, at+1)
		}
	}
	return results, nil
}

// graced is an application with a grace period of a week over one repository,
// of which the images are in use that uses names.
func graced(t *testing.T, repo *Repository, now func() time.Time, uses ...string) *App {
	t.Helper()
	p, problems := policy.Compile(policy.Spec{
		Rules:  []policy.Rule{{Name: "all", Keep: []policy.Keep{{YoungerThan: policy.Age{Fixed: 30 * Day}}}}},
		Limits: policy.Limits{MaxDeletes: 99, MaxShare: 1}, Grace: 7 * Day,
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	src := &source{answer: func(int) (found usage.Findings, _ error) {
		for _, name := range append(uses, "elsewhere") {
			found.Observations = append(found.Observations, running("@"+D(name).String()).Observations...)
		}
		return found, nil
	}}
	a := &App{
		Readers: []registry.Reader{shelf{repo: repo, reads: new(int)}}, Sources: []usage.Entry{{Source: src}}, Policy: p, Version: "test", Recheck: time.Hour,
		Judge: now, Now: now, Store: planfile.NewStore(), Log: slog.New(slog.DiscardHandler),
	}
	a.Usage.Now = now
	return a
}

// apply plans and applies, and returns the report.
func (c *clerk) apply(ctx context.Context, t *testing.T, a *App) (*plan.Report, error) {
	t.Helper()
	outcome, err := a.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a.Apply(ctx, outcome.Plan, func(context.Context, string) (registry.Writer, error) { return c, nil })
}

func mark(prefix string, ago time.Duration) string {
	return fmt.Sprintf("%s%d", prefix, Now.Time().Add(-ago).Unix())
}

// TestMarks applies plans of one repository and looks at the calls.
func TestMarks(t *testing.T) {
	condemned := func(ago time.Duration) string { return mark(policy.CondemnedPrefix, ago) }
	kept := func(ago time.Duration) string { return mark(policy.KeptPrefix, ago) }
	old := Age(50 * Day)
	taken := &registry.TagTakenError{}
	denied := errors.New("access denied")
	for _, tt := range []struct {
		name  string
		repo  *Repository
		used  []string
		fails map[string]error
		calls []string
		// condemned, unmarked, deleted and failed are what the report counts.
		condemned, unmarked, deleted, failed int
	}{
		{"each gets a second of its own", New("r").Add("a", old).Add("b", old).Add("c", old), nil, nil,
			[]string{"tag c " + condemned(0), "tag b " + condemned(-time.Second), "tag a " + condemned(-2*time.Second)}, 3, 0, 0, 0},
		{"seconds that are taken in the repository are skipped", New("r").Add("a", old).Add("b", Tags(condemned(0))), []string{"b"}, nil,
			[]string{"tag b " + kept(0), "untag b " + condemned(0) + ", and " + kept(0) + " stays", "tag a " + condemned(-time.Second)}, 1, 1, 0, 0},
		{"and those that another run takes at this moment", New("r").Add("a", old), nil, map[string]error{"tag a " + condemned(0): taken, "tag a " + condemned(-time.Second): taken},
			[]string{"tag a " + condemned(0), "tag a " + condemned(-time.Second), "tag a " + condemned(-2*time.Second)}, 1, 0, 0, 0},
		{"what was kept in the future is condemned after that", New("r").Add("a", old, Tags(kept(-Day))), nil, nil,
			[]string{"tag a " + condemned(-Day-time.Second)}, 1, 0, 0, 0},
		{"an anchor is not before the mark that it voids", New("r").Add("a", old, Tags(condemned(-Day))), []string{"a"}, nil,
			[]string{"tag a " + kept(-Day), "untag a " + condemned(-Day) + ", and " + kept(-Day) + " stays"}, 0, 1, 0, 0},
		{"an image has one anchor", New("r").Add("a", old, Tags(condemned(Day), kept(2*Day))), []string{"a"}, nil,
			[]string{"untag a " + condemned(Day) + ", and " + kept(2*Day) + " stays"}, 0, 1, 0, 0},
		{"marks go, then images, then marks come", New("r").Add("a", old, Tags(condemned(Day))).Add("b", old, Tags(condemned(8*Day))).Add("c", old), []string{"a"}, nil,
			[]string{"tag a " + kept(0), "untag a " + condemned(Day) + ", and " + kept(0) + " stays", "delete b", "tag c " + condemned(0)}, 1, 1, 1, 0},
		{"without an anchor nothing is taken", New("r").Add("a", Tags(condemned(Day))), nil, map[string]error{"tag a " + kept(0): denied},
			[]string{"tag a " + kept(0)}, 0, 0, 0, 1},
		{"a failure ends nothing else", New("r").Add("a", old, Tags(condemned(Day), kept(2*Day))).Add("b", old, Tags(condemned(8*Day))).Add("c", old).Add("d", old), []string{"a"},
			map[string]error{"untag a " + condemned(Day) + ", and " + kept(2*Day) + " stays": denied, "delete b": denied, "tag c " + condemned(-time.Second): denied},
			[]string{"untag a " + condemned(Day) + ", and " + kept(2*Day) + " stays", "delete b", "tag d " + condemned(0), "tag c " + condemned(-time.Second)}, 1, 0, 0, 3},
		{"an image that is gone needs no mark", New("r").Add("a", old).Add("b", old, Tags(condemned(Day))), []string{"b"},
			map[string]error{"tag a " + condemned(0): &registry.ImageGoneError{}, "tag b " + kept(0): &registry.ImageGoneError{}},
			[]string{"tag b " + kept(0), "tag a " + condemned(0)}, 0, 0, 0, 0},
		{"one on its way to the archive is a failure", New("r").Add("a", old), nil, map[string]error{"tag a " + condemned(0): &registry.ArchivedError{}},
			[]string{"tag a " + condemned(0)}, 0, 0, 0, 1},
		{"one that has as many tags as it can by now", New("r").Add("a", old), nil, map[string]error{"tag a " + condemned(0): &registry.TagLimitError{Err: denied}},
			[]string{"tag a " + condemned(0)}, 0, 0, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &clerk{recorder: recorder{batch: 10}, repo: tt.repo, fails: tt.fails}
			report, err := c.apply(t.Context(), t, graced(t, tt.repo, Now.Time, tt.used...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.calls, c.log); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if report.Condemned != tt.condemned || report.Unmarked != tt.unmarked || report.Deleted != tt.deleted || report.Failed != tt.failed {
				t.Errorf("report: %d condemned, %d unmarked, %d deleted, %d failed; want %d, %d, %d, %d",
					report.Condemned, report.Unmarked, report.Deleted, report.Failed, tt.condemned, tt.unmarked, tt.deleted, tt.failed)
			}
			if report.Changed != 0 || report.Held {
				t.Errorf("report: %d changed, held %v", report.Changed, report.Held)
			}
		})
	}
}

// What was pushed by a clock that is ahead gets a mark that counts all the same,
// and so no second one: the period begins when it was pushed.
func TestMarkIsNotBeforeThePush(t *testing.T) {
	p, problems := policy.Compile(policy.Spec{Rules: []policy.Rule{{}}, Limits: policy.Limits{MaxDeletes: 9, MaxShare: 1}, Grace: 7 * Day})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	repo := New("r").Add("a", Age(-1500*time.Millisecond)).Add("b", Age(-time.Minute), Tags(mark(policy.KeptPrefix, -time.Hour)))
	c := &clerk{recorder: recorder{batch: 10}, repo: repo}
	a := graced(t, repo, Now.Time)
	a.Policy = p
	for range 2 {
		if _, err := c.apply(t.Context(), t, a); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"tag b " + mark(policy.CondemnedPrefix, -time.Hour-time.Second), "tag a " + mark(policy.CondemnedPrefix, -2*time.Second)}
	if diff := cmp.Diff(want, c.log); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// TestInterruptedUnmark ends a run before each of its calls. The image is never
// without a tag that stays, and however far it got, an image that is no longer in
// use then has a week before it.
func TestInterruptedUnmark(t *testing.T) {
	for n := range 3 {
		t.Run(fmt.Sprintf("before call %d", n+1), func(t *testing.T) {
			now := Now.Time()
			clock := func() time.Time { return now }
			repo := New("r").Add("a", Age(50*Day), Tags(mark(policy.CondemnedPrefix, 20*Day), mark(policy.CondemnedPrefix, 10*Day)))
			killed := errors.New("killed")
			c := &clerk{recorder: recorder{batch: 10}, repo: repo, fails: map[string]error{}}
			c.ends = func(call string) {
				if len(c.log) == n {
					c.fails[call] = killed
				}
			}
			if report, err := c.apply(t.Context(), t, graced(t, repo, clock, "a")); err != nil || report.Failed != 1 {
				t.Fatalf("%+v, %v", report, err)
			}
			if n > 0 { // the anchor is there, so nothing counts any more
				now = now.Add(time.Second)
				c.ends, c.fails, c.log = nil, nil, nil
				if _, err := c.apply(t.Context(), t, graced(t, repo, clock)); err != nil {
					t.Fatal(err)
				}
				want := []string{"tag a " + mark(policy.CondemnedPrefix, -time.Second)}
				if diff := cmp.Diff(want, c.log); diff != "" {
					t.Errorf("the image is condemned anew (-want +got):\n%s", diff)
				}
			}
			// While it is still in use, the next run does the rest.
			c.ends, c.fails, c.log = nil, nil, nil
			if _, err := c.apply(t.Context(), t, graced(t, repo, clock, "a")); err != nil {
				t.Fatal(err)
			}
			tags := repo.Images[0].Tags
			if len(tags) != 1 || !strings.HasPrefix(tags[0], policy.KeptPrefix) {
				t.Errorf("the image has the tags %v", tags)
			}
		})
	}
}

// TestNoMarksAfterAGap: where the images cannot be read again during an apply,
// nothing is marked.
func TestNoMarksAfterAGap(t *testing.T) {
	now := Now.Time()
	repo := New("r").Add("a", Age(50*Day)).Add("b", Age(50*Day), Tags(mark(policy.CondemnedPrefix, 8*Day))).Add("c", Age(50*Day), Tags(mark(policy.CondemnedPrefix, 8*Day)))
	a := graced(t, repo, func() time.Time { return now })
	a.Readers = []registry.Reader{shelf{repo: repo, reads: new(int), err: errors.New("denied")}}
	c := &clerk{recorder: recorder{batch: 1}, repo: repo}
	c.ends = func(string) { now = now.Add(time.Minute) }
	report, err := c.apply(t.Context(), t, a)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.log) != 1 || !strings.HasPrefix(c.log[0], "delete ") || !report.Held || report.Condemned != 0 {
		t.Errorf("calls %v, report %+v", c.log, report)
	}
}

// TestMarksOfAnEndedRun: when a run is to end, no further image is marked.
func TestMarksOfAnEndedRun(t *testing.T) {
	repo := New("r").Add("a", Age(50*Day)).Add("b", Age(50*Day))
	ctx, cancel := context.WithCancel(t.Context())
	c := &clerk{recorder: recorder{batch: 10}, repo: repo, ends: func(string) { cancel() }}
	report, err := c.apply(ctx, t, graced(t, repo, Now.Time))
	if !errors.Is(err, context.Canceled) || report.Condemned != 1 || len(c.log) != 1 {
		t.Errorf("calls %v, report %+v, error %v", c.log, report, err)
	}
}

// TestMarkThatFailsAsTheRunEnds: a call that was made and failed has failed, also
// where the run ends with it; one that may not be made any more has not.
func TestMarkThatFailsAsTheRunEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		guard  error
		err    error
		failed int
	}{
		"the run is to end":         {nil, errors.New("connection reset"), 1},
		"the credentials are over":  {nil, &awsapi.CredentialsError{Expired: true}, 1},
		"nothing may be done since": {errors.New("the Lease is lost"), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			repo := New("r").Add("a", Age(50*Day)).Add("b", Age(50*Day))
			ctx, cancel := context.WithCancel(t.Context())
			c := &clerk{recorder: recorder{batch: 10}, repo: repo, fails: map[string]error{"tag": tt.err}, ends: func(string) { cancel() }}
			a := graced(t, repo, Now.Time)
			a.Guard = func() error { return tt.guard }
			report, err := c.apply(ctx, t, a)
			if err == nil || report.Condemned != 0 || report.Failed != tt.failed {
				t.Errorf("report %+v, error %v; want %d failed", report, err, tt.failed)
			}
		})
	}
}

// TestMarksHaveTheTimeOfTheClock: a run that judges as of the past makes no mark
// of the past, and none says that it is older than it is.
func TestMarksHaveTheTimeOfTheClock(t *testing.T) {
	repo := New("r").Add("a", Age(50*Day))
	a := graced(t, repo, func() time.Time { return Now.Time().Add(time.Millisecond) })
	a.Judge = func() time.Time { return Now.Time().Add(-10 * Day) }
	c := &clerk{recorder: recorder{batch: 10}, repo: repo}
	if _, err := c.apply(t.Context(), t, a); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tag a " + mark(policy.CondemnedPrefix, -time.Second)}, c.log); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// forbidden is an error of a call that the caller may not make.
func forbidden(action string) error {
	return fmt.Errorf("do something: %w", &awsapi.DeniedError{Action: action})
}

// TestMarksThatAreDenied: of a repository in which marks may not be changed, one
// call is made, and all count as failed for the same reason.
func TestMarksThatAreDenied(t *testing.T) {
	tests := []struct {
		name   string
		repo   *Repository
		uses   []string
		failed plan.Mark
	}{
		{"to mark", New("r").Add("a", Age(50*Day)).Add("b", Age(50*Day)).Add("c", Age(50*Day)), nil, plan.Condemn},
		{"to take marks away", New("r").Add("a", Age(50*Day), Tags(mark(policy.CondemnedPrefix, 8*Day))).Add("b", Age(50*Day), Tags(mark(policy.CondemnedPrefix, 9*Day))).Add("c", Age(50*Day), Tags(mark(policy.CondemnedPrefix, 10*Day))), []string{"a", "b", "c"}, plan.Unmark},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &clerk{recorder: recorder{batch: 10}, repo: tt.repo, fails: map[string]error{"tag": forbidden("ecr:PutImage")}}
			report, err := c.apply(t.Context(), t, graced(t, tt.repo, Now.Time, tt.uses...))
			if err != nil {
				t.Fatal(err)
			}
			if len(c.log) != 1 || report.Condemned+report.Unmarked != 0 || report.Failed != 3 {
				t.Errorf("calls %v, report %+v", c.log, report)
			}
			seen := map[image.Digest]bool{}
			for _, f := range report.Repositories[0].Failures {
				seen[f.Digest] = true
				if want := (&awsapi.DeniedError{Action: "ecr:PutImage"}).Error(); f.Mark != tt.failed || f.Detail != want {
					t.Errorf("failure %+v, want %s: %s", f, tt.failed, want)
				}
			}
			if len(seen) != 3 {
				t.Errorf("failures of %d images, want 3", len(seen))
			}
		})
	}
}
