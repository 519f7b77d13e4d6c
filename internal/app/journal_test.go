package app

import (
	"bytes"
	"context"
	"encoding/json"
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
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// library is a recorder that has manifests, and tells an observer of each call.
type library struct {
	recorder
	call      func(what string)
	manifests error
	// log is what was logged.
	log bytes.Buffer
}

func (l *library) Manifests(_ context.Context, _ string, images []image.Image) ([]registry.Fetched, error) {
	l.call("manifests")
	if l.manifests != nil {
		return nil, l.manifests
	}
	list := make([]registry.Fetched, len(images))
	for i, img := range images {
		d := img.Digest
		if d == D("archived") {
			list[i].Err = &registry.ArchivedError{Digest: d, Status: image.Archived}
			continue
		}
		list[i].Manifest = registry.Manifest{Digest: d, MediaType: "application/vnd.oci.image.manifest.v1+json", Content: []byte(d.String())}
	}
	return list, nil
}

func (l *library) Delete(ctx context.Context, repository string, digests []image.Digest) ([]error, error) {
	l.call("delete")
	return l.recorder.Delete(ctx, repository, digests)
}

func (l *library) Archive(ctx context.Context, repository string, d image.Digest) error {
	l.call("archive")
	return l.recorder.Archive(ctx, repository, d)
}

// journalWriter tells an observer of each record, and fails from one on.
type journalWriter struct {
	bytes.Buffer
	call   func(what string)
	failAt int
	n      int
}

var errFull = errors.New("no space left on device")

func (w *journalWriter) Write(b []byte) (int, error) {
	if w.n++; w.n >= w.failAt && w.failAt > 0 {
		return 0, errFull
	}
	w.call(kindOf(b))
	return w.Buffer.Write(b)
}

// kindOf names a record.
func kindOf(line []byte) string {
	var rec journal.Record
	switch err := json.Unmarshal(line, &rec); {
	case err != nil:
		return err.Error()
	case rec.Begin != nil:
		return "begin"
	case rec.Before != nil:
		return "before"
	case rec.After != nil:
		return "after"
	}
	return "end"
}

// applied applies the plan of a repository whose rules keep nothing but what is
// young, with a journal that fails at a record, from 1, or never for 0.
func applied(t *testing.T, repo *Repository, w *library, failAt int) (report *plan.Report, trace []string, lines *journalWriter, err error) {
	t.Helper()
	p, problems := policy.Compile(policy.Spec{
		Rules: []policy.Rule{
			{Name: "cold", Tags: []string{"cold"}, Action: policy.Archive, Keep: []policy.Keep{{YoungerThan: policy.Age{Fixed: 30 * Day}}}},
			{Name: "all", Keep: []policy.Keep{{YoungerThan: policy.Age{Fixed: 30 * Day}}}},
		},
		Limits: policy.Limits{MaxDeletes: 99, MaxShare: 1},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	call := func(what string) { trace = append(trace, what) }
	w.call, w.batch = call, 100
	lines = &journalWriter{call: call, failAt: failAt}
	place, openErr := journal.Open(journal.Stdout, objects.Env{}, lines)
	if openErr != nil {
		t.Fatal(openErr)
	}
	a := &App{
		Readers: []registry.Reader{shelf{repo: repo, reads: new(int)}}, UsageNone: true, Policy: p, Version: "test", Recheck: time.Hour,
		Judge: Now.Time, Now: Now.Time, Store: planfile.NewStore(), Log: slog.New(slog.NewTextHandler(&w.log, nil)), Journal: place,
	}
	a.Usage.Now = a.Now
	outcome, err := a.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	report, err = a.Apply(t.Context(), outcome.Plan, func(context.Context, string) (registry.Writer, error) { return w, nil })
	return report, trace, lines, err
}

func family() *Repository {
	return New("r").Add("young", Age(Day)).Add("index", Age(50*Day), Tags("v1"), Lists("amd", "arm")).
		Add("amd", Age(50*Day)).Add("arm", Age(50*Day)).Add("frozen", Age(50*Day), Tags("cold"))
}

// order is what an apply of the family does, in its order.
var order = []string{
	"begin",
	"manifests", "before", "delete", "after", // the index
	"manifests", "before", "delete", "after", // what it lists
	"before", "archive", "after",
	"end",
}

func TestJournalIsWrittenBeforeAndAfterEachCall(t *testing.T) {
	report, trace, lines, err := applied(t, family(), &library{}, 0)
	if err != nil || report.Deleted != 3 || report.Archived != 1 || report.Plan == "" || report.Run == "" {
		t.Fatalf("report %+v, %v", report, err)
	}
	if diff := cmp.Diff(order, trace); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var first journal.Record
	for line := range bytes.Lines(lines.Bytes()) {
		if err := json.Unmarshal(line, &first); err != nil {
			t.Fatal(err)
		}
		if first.Before != nil {
			break
		}
	}
	got := first.Before.Images[0]
	want := journal.Image{
		Digest: D("index"), Tags: []string{"v1"}, Kind: "index", Root: D("index"), PushedAt: got.PushedAt, Size: got.Size, Rule: "all",
		Reasons: []plan.Reason{{Code: policy.CodeNotKept, Detail: "the keep of rule all does not hold", Path: "rules[1]"}},
		Family: []journal.Member{
			{Digest: D("amd"), Tags: []string{}, PushedAt: got.PushedAt}, {Digest: D("arm"), Tags: []string{}, PushedAt: got.PushedAt},
		},
		MediaType: "application/vnd.oci.image.manifest.v1+json", Manifest: []byte(D("index").String()),
	}
	slices.SortFunc(got.Family, func(a, b journal.Member) int { return a.Digest.Compare(b.Digest) })
	slices.SortFunc(want.Family, func(a, b journal.Member) int { return a.Digest.Compare(b.Digest) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the index (-want +got):\n%s", diff)
	}
}

// A journal that cannot be written ends the run: what is not written down is not
// done, and what was done until then is in the report.
func TestNothingIsDoneThatIsNotWrittenDown(t *testing.T) {
	for failAt, records := 1, 0; failAt <= 8; failAt++ {
		t.Run(fmt.Sprint("record ", failAt), func(t *testing.T) {
			report, trace, _, err := applied(t, family(), &library{}, failAt)
			var unwritten *journal.WriteError
			if !errors.As(err, &unwritten) || !errors.Is(err, errFull) {
				t.Fatalf("error %v", err)
			}
			// All that comes before that record in an undisturbed run, and no more.
			var want []string
			for _, step := range order {
				if isRecord := slices.Contains([]string{"begin", "before", "after", "end"}, step); isRecord {
					if records++; records == failAt {
						break
					}
				}
				want = append(want, step)
			}
			records = 0
			if diff := cmp.Diff(want, trace); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			deletes := 0
			for _, step := range trace {
				if step == "delete" || step == "archive" {
					deletes++
				}
			}
			if got, want := report.Deleted+report.Archived, []int{0, 1, 3, 4}[deletes]; got != want {
				t.Errorf("the report has %d images, and %d went", got, want)
			}
		})
	}
}

func TestJournalSaysWhyItHasNoManifest(t *testing.T) {
	for name, tt := range map[string]struct {
		failure error
		want    []string
		told    int
	}{
		"an archived image": {nil, []string{"", D("archived").String() + " is in the archive, where it cannot be read"}, 0},
		"the call fails":    {errors.New("denied"), []string{"denied", "denied"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			repo := New("r").Add("young", Age(Day)).Add("archived", Age(50*Day)).Add("plain", Age(50*Day))
			w := &library{manifests: tt.failure}
			report, _, lines, err := applied(t, repo, w, 0)
			if err != nil || report.Deleted != 2 {
				t.Fatalf("deleted %d, %v", report.Deleted, err)
			}
			if told := strings.Count(w.log.String(), "manifests not in the journal"); told != tt.told {
				t.Errorf("told %d times, want %d: %s", told, tt.told, w.log.String())
			}
			var got []string
			for line := range bytes.Lines(lines.Bytes()) {
				var rec journal.Record
				if err := json.Unmarshal(line, &rec); err != nil {
					t.Fatal(err)
				}
				if rec.Before != nil {
					for _, img := range rec.Before.Images {
						got = append(got, img.NoManifest)
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// unsure is an answer that does not say what became of an image.
type unsure struct{}

func (unsure) Error() string        { return "no word of it" }
func (unsure) OutcomeUnknown() bool { return true }

// sure is an answer that says why nothing became of an image.
type sure struct{}

func (sure) Error() string        { return "KmsError" }
func (sure) OutcomeUnknown() bool { return false }

func TestOutcomes(t *testing.T) {
	for name, tt := range map[string]struct {
		writer recorder
		want   journal.State
		left   bool // something of the family is half done
	}{
		"gone":                            {recorder{}, journal.Done, false},
		"refused":                         {recorder{images: map[image.Digest]error{D("index"): errors.New("KmsError")}}, journal.Failed, false},
		"listed by a new index":           {recorder{images: map[image.Digest]error{D("index"): &registry.ReferencedError{Digest: D("index")}}}, journal.Left, false},
		"not told":                        {recorder{images: map[image.Digest]error{D("index"): unsure{}}}, journal.Unknown, true},
		"the call fails":                  {recorder{whole: map[int]error{1: errors.New("connection reset")}}, journal.Unknown, true},
		"denied":                          {recorder{whole: map[int]error{1: forbidden("ecr:BatchDeleteImage")}}, journal.Failed, false},
		"denied after an answer was lost": {recorder{whole: map[int]error{1: &awsapi.LateDenialError{Err: forbidden("ecr:BatchDeleteImage")}}}, journal.Unknown, true},
		"a member fails":                  {recorder{images: map[image.Digest]error{D("amd"): errors.New("KmsError")}}, journal.Done, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, lines, err := applied(t, family(), &library{recorder: tt.writer}, 0)
			if err != nil {
				t.Fatal(err)
			}
			var outcome journal.State
			var settled bool
			for line := range bytes.Lines(lines.Bytes()) {
				var rec journal.Record
				if err := json.Unmarshal(line, &rec); err != nil {
					t.Fatal(err)
				}
				if rec.After != nil && rec.After.Images[0].Digest == D("index") {
					outcome = rec.After.Images[0].Outcome
				}
				if rec.End != nil {
					settled = rec.End.Settled
				}
			}
			if outcome != tt.want || settled == tt.left {
				t.Errorf("outcome %s, settled %t", outcome, settled)
			}
		})
	}
}

// What is journaled of an image that was archived or marked in a call of its own is
// what the registry says, and unknown where it says nothing.
func TestOutcomesOfSingleImages(t *testing.T) {
	lost := errors.New("connection reset")
	for name, tt := range map[string]struct {
		err  error
		want journal.State
	}{
		"done":                            {nil, journal.Done},
		"the answer is lost":              {lost, journal.Unknown},
		"the credentials are over":        {&awsapi.CredentialsError{Expired: true}, journal.Unknown},
		"not told":                        {unsure{}, journal.Unknown},
		"denied":                          {forbidden("ecr:UpdateImageStorageClass"), journal.Failed},
		"denied after an answer was lost": {&awsapi.LateDenialError{Err: forbidden("ecr:UpdateImageStorageClass")}, journal.Unknown},
		"gone":                            {&registry.ImageGoneError{}, journal.Failed},
		"archived":                        {fmt.Errorf("tag: %w", &registry.ArchivedError{}), journal.Failed},
		"the tag is taken":                {&registry.TagTakenError{}, journal.Failed},
		"too many tags":                   {&registry.TagLimitError{Err: lost}, journal.Failed},
		"no anchor":                       {&registry.LastTagError{}, journal.Failed},
		"refused":                         {sure{}, journal.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			var got []journal.State
			note := func(lines *journalWriter) {
				for line := range bytes.Lines(lines.Bytes()) {
					var rec journal.Record
					if err := json.Unmarshal(line, &rec); err != nil {
						t.Fatal(err)
					}
					if rec.After != nil {
						got = append(got, rec.After.Images[0].Outcome)
					}
				}
			}
			w := &library{recorder: recorder{images: map[image.Digest]error{D("frozen"): tt.err}}}
			repo := New("r").Add("young", Age(Day)).Add("frozen", Age(50*Day), Tags("cold"))
			_, _, lines, err := applied(t, repo, w, 0)
			if fatal := name == "the credentials are over"; (err != nil) != fatal {
				t.Fatal(err)
			}
			note(lines)

			marked := &journalWriter{call: func(string) {}}
			place, err := journal.Open(journal.Stdout, objects.Env{}, marked)
			if err != nil {
				t.Fatal(err)
			}
			run, err := place.Begin(t.Context(), journal.Begin{}, Now.Time)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := sweepOf(t, repo, w, policy.Delete)
			c := &clerk{repo: repo, fails: map[string]error{"tag": tt.err}}
			tagger := tagged{c, &ledger{run: run, judged: s.judged}}
			if err := tagger.Tag(t.Context(), "r", D("frozen"), "regsweep-condemned-1770000000"); !errors.Is(err, tt.err) {
				t.Fatal(err)
			}
			note(marked)
			if diff := cmp.Diff([]journal.State{tt.want, tt.want}, got); diff != "" {
				t.Errorf("archived, marked (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhy names what ended a run, and not that its context was ended.
func TestWhy(t *testing.T) {
	signal, other := errors.New("interrupt signal received"), errors.New("denied")
	ended, end := context.WithCancelCause(t.Context())
	end(signal)
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want error
	}{
		{"a signal", ended, fmt.Errorf("list images: %w", context.Canceled), signal},
		{"a failure, and a signal too", ended, other, other},
		{"a failure", t.Context(), other, other},
		{"one part of the run failed, and ended the others", t.Context(), context.Canceled, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Why(c.ctx, c.err); !errors.Is(got, c.want) || got.Error() != c.want.Error() {
				t.Errorf("Why = %v, want %v", got, c.want)
			}
		})
	}
}

// TestWhyNamesAJournalThatFailed: that a run was told to end hides nothing that went
// wrong with its journal, but for what only follows from the end.
func TestWhyNamesAJournalThatFailed(t *testing.T) {
	signal := errors.New("interrupt signal received")
	ended, end := context.WithCancelCause(t.Context())
	end(signal)
	full := &journal.WriteError{Place: "run", Err: errFull}
	if got := Why(ended, errors.Join(context.Canceled, full)); !errors.Is(got, signal) || !errors.Is(got, errFull) || errors.Is(got, context.Canceled) {
		t.Errorf("Why = %v, want the signal and the journal's error", got)
	}
	if got := Why(ended, &journal.WriteError{Place: "run", Err: context.Canceled}); !errors.Is(got, signal) || got.Error() != signal.Error() {
		t.Errorf("Why = %v, want %v", got, signal)
	}
}
