package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// recorder is a registry.Writer that remembers its calls and fails as told.
type recorder struct {
	registry.Writer // nil: a sweep calls nothing else
	batch           int
	calls           [][]image.Digest
	images          map[image.Digest]error // what each image answers, else deleted
	whole           map[int]error          // what the call of this number answers
}

func (r *recorder) MaxBatch() int { return r.batch }

func (r *recorder) Delete(_ context.Context, _ string, digests []image.Digest) ([]error, error) {
	r.calls = append(r.calls, slices.Clone(digests))
	if err := r.whole[len(r.calls)]; err != nil {
		return nil, err
	}
	results := make([]error, len(digests))
	for i, d := range digests {
		results[i] = r.images[d]
	}
	return results, nil
}

func (r *recorder) Archive(_ context.Context, _ string, d image.Digest) error {
	r.calls = append(r.calls, []image.Digest{d})
	return r.images[d]
}

// sweepAll runs a sweep over a repository of which no rule keeps anything.
func sweepAll(t *testing.T, repo *Repository, w registry.Writer, action policy.Action) (*plan.RepositoryReport, error) {
	t.Helper()
	s, report := sweepOf(t, repo, w, action)
	return report, s.run(t.Context())
}

// sweepOf returns a sweep that has not begun, and its report.
func sweepOf(t *testing.T, repo *Repository, w registry.Writer, action policy.Action) (*sweep, *plan.RepositoryReport) {
	t.Helper()
	p, problems := policy.Compile(policy.Spec{Rules: []policy.Rule{{Action: action}, {Orphans: true}}, Limits: policy.Limits{MaxShare: 1}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	uses, err := policy.NewUses(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := repo.Graph()
	judged := plan.Judge(g, p.Evaluate(policy.Input{Graph: g, Now: Now, Uses: uses}), p.Limits())
	report := &plan.RepositoryReport{}
	s := &sweep{writer: w, ledger: &ledger{}, judged: judged, report: report, gone: make([]bool, len(g.Images)), asked: make([]bool, len(g.Images)), recheck: func(context.Context) error { return nil }}
	return s, report
}

// waveOf returns in which call an image was asked to be deleted, from 1.
func waveOf(w *recorder, name string) int {
	return slices.IndexFunc(w.calls, func(c []image.Digest) bool { return slices.Contains(c, D(name)) }) + 1
}

func TestSweepDeletesWhatListsBeforeWhatIsListed(t *testing.T) {
	repo := New("r").Add("outer", Lists("inner")).Add("inner", Lists("x", "y")).Add("other", Lists("x")).Add("x").Add("y").
		Add("sbom", Subject("x")).Add("plain")
	w := &recorder{batch: 100}
	report, err := sweepAll(t, repo, w, policy.Delete)
	if err != nil || report.Deleted != 7 || len(report.Failures) > 0 {
		t.Fatalf("deleted %d, failures %v, error %v", report.Deleted, report.Failures, err)
	}
	for _, edge := range [][2]string{{"outer", "inner"}, {"inner", "x"}, {"inner", "y"}, {"other", "x"}, {"x", "sbom"}} {
		if a, b := waveOf(w, edge[0]), waveOf(w, edge[1]); a >= b {
			t.Errorf("%s was deleted in call %d and %s in call %d: it must be earlier", edge[0], a, edge[1], b)
		}
	}
}

func TestSweepFillsBatches(t *testing.T) {
	repo := New("r")
	for i := range 250 {
		repo.Add(fmt.Sprint(i))
	}
	w := &recorder{batch: 100}
	if _, err := sweepAll(t, repo, w, policy.Delete); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, c := range w.calls {
		sizes = append(sizes, len(c))
	}
	if diff := cmp.Diff([]int{100, 100, 50}, sizes); diff != "" {
		t.Errorf("sizes of batches (-want +got):\n%s", diff)
	}
}

func TestSweepFillsBatchesWithFamilies(t *testing.T) {
	repo := New("r")
	for i := range 90 {
		repo.Add(fmt.Sprint("index", i), Lists(fmt.Sprint("a", i), fmt.Sprint("b", i))).Add(fmt.Sprint("a", i)).Add(fmt.Sprint("b", i))
	}
	for i := range 110 {
		repo.Add(fmt.Sprint("plain", i))
	}
	w := &recorder{batch: 100}
	report, err := sweepAll(t, repo, w, policy.Delete)
	if err != nil || report.Deleted != 380 || len(w.calls) != 4 {
		t.Errorf("deleted %d images in %d calls, error %v; want 380 in 4", report.Deleted, len(w.calls), err)
	}
	for i := range 90 {
		if a, b := waveOf(w, fmt.Sprint("index", i)), waveOf(w, fmt.Sprint("a", i)); a >= b {
			t.Fatalf("index %d was deleted in call %d and what it lists in call %d", i, a, b)
		}
	}
}

func TestSweepLeavesWhatBelongsToAnImageThatStays(t *testing.T) {
	repo := func() *Repository {
		return New("r").Add("i", Lists("x")).Add("x").Add("sig", Subject("x")).Add("plain")
	}
	referenced := &registry.ReferencedError{Digest: D("i"), Parents: []image.Digest{D("new")}}
	for _, tt := range []struct {
		name            string
		writer          recorder
		deleted, failed int
	}{
		{"the index fails", recorder{images: map[image.Digest]error{D("i"): errors.New("KmsError")}}, 1, 1},
		{"a new index lists the index", recorder{images: map[image.Digest]error{D("i"): referenced}}, 1, 0},
		{"a new index lists the child", recorder{images: map[image.Digest]error{D("x"): referenced}}, 2, 0},
		{"the first call fails as a whole", recorder{whole: map[int]error{1: errors.New("connection reset")}}, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.writer
			w.batch = 100
			report, err := sweepAll(t, repo(), &w, policy.Delete)
			if err != nil {
				t.Fatal(err)
			}
			got := []int{report.Deleted, len(report.Failures)}
			if diff := cmp.Diff([]int{tt.deleted, tt.failed}, got); diff != "" {
				t.Errorf("deleted, failed (-want +got):\n%s", diff)
			}
			if waveOf(&w, "sig") > 0 {
				t.Error("the signature was to be deleted although what it is attached to stays")
			}
		})
	}
}

// TestSweepEndsEarly: when the credentials expire, what was asked for has failed,
// and nothing of it is said to have changed. When the run ends while a call waits
// for its turn, its images were left, and nobody says that what became of them is
// unknown.
func TestSweepEndsEarly(t *testing.T) {
	expired := &awsapi.CredentialsError{Expired: true, Err: errors.New("ExpiredTokenException")}
	lost := errors.New("the Lease was lost")
	unsent := &awsapi.UnsentError{Err: lost}
	for _, tt := range []struct {
		name           string
		answer, want   error
		action         policy.Action
		failures, left int
	}{
		{"credentials, delete", expired, expired, policy.Delete, 1, 1},
		{"credentials, archive", expired, expired, policy.Archive, 1, 1},
		{"never sent, delete", unsent, lost, policy.Delete, 0, 2},
		{"never sent, archive", unsent, lost, policy.Archive, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &recorder{batch: 1, whole: map[int]error{1: tt.answer}, images: map[image.Digest]error{D("a"): tt.answer, D("b"): tt.answer}}
			s, report := sweepOf(t, New("r").Add("a").Add("b"), w, tt.action)
			err := s.run(t.Context())
			if !errors.Is(err, tt.want) || len(w.calls) != 1 || len(report.Failures) != tt.failures || s.left() != tt.left {
				t.Errorf("error %v after %d calls, failures %v, %d left; want %v after 1 call, %d failures, %d left",
					err, len(w.calls), report.Failures, s.left(), tt.want, tt.failures, tt.left)
			}
		})
	}
}

func TestSweepArchivesWhatIsGone(t *testing.T) {
	w := &recorder{batch: 100, images: map[image.Digest]error{D("b"): &registry.ImageGoneError{Repository: "r", Digest: D("b")}}}
	report, err := sweepAll(t, New("r").Add("a").Add("b"), w, policy.Archive)
	if err != nil || report.Archived != 1 || len(report.Failures) != 0 {
		t.Errorf("archived %d, failures %v, error %v", report.Archived, report.Failures, err)
	}
}

func TestSweepArchives(t *testing.T) {
	w := &recorder{batch: 100, images: map[image.Digest]error{D("b"): errors.New("LimitExceeded")}}
	report, err := sweepAll(t, New("r").Add("a").Add("b"), w, policy.Archive)
	if err != nil || report.Archived != 1 || len(report.Failures) != 1 || report.Deleted != 0 {
		t.Errorf("archived %d, deleted %d, failures %v, error %v", report.Archived, report.Deleted, report.Failures, err)
	}
	for _, f := range report.Failures {
		if !f.Archive {
			t.Errorf("the failure %v is not one of archiving", f)
		}
	}
}

// TestSweepArchivesUntilDenied: no second call is made where one was denied.
func TestSweepArchivesUntilDenied(t *testing.T) {
	no := forbidden("ecr:UpdateImageStorageClass")
	w := &recorder{batch: 100, images: map[image.Digest]error{D("a"): no, D("b"): no, D("c"): no}}
	report, err := sweepAll(t, New("r").Add("a").Add("b").Add("c"), w, policy.Archive)
	if err != nil || len(w.calls) != 1 || report.Archived != 0 || len(report.Failures) != 3 {
		t.Errorf("%d calls, archived %d, failures %v, error %v", len(w.calls), report.Archived, report.Failures, err)
	}
	for _, f := range report.Failures {
		if f.Detail != report.Failures[0].Detail || f.Mark != "" || !f.Archive {
			t.Errorf("failure %+v, want all alike", f)
		}
	}
}
