package plan

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/regsweep/regsweep/internal/image"
)

// Report says what an apply did. Images are counted, not tags.
type Report struct {
	Schema string `json:"schema"`
	// Plan is the id of the plan, and Run the name of the run in the journal;
	// both are empty where nothing was to be done.
	Plan             string             `json:"plan,omitempty"`
	Run              string             `json:"run,omitempty"`
	Deleted          int                `json:"deleted"`
	Archived         int                `json:"archived"`
	Changed          int                `json:"changed"`
	Left             int                `json:"left,omitempty"`
	DoneBefore       int                `json:"doneBefore,omitempty"`
	Failed           int                `json:"failed"`
	Condemned        int                `json:"condemned,omitempty"`
	Unmarked         int                `json:"unmarked,omitempty"`
	BytesFreed       int64              `json:"bytesFreed"`
	BytesFreedAtMost int64              `json:"bytesFreedAtMost"`
	Repositories     []RepositoryReport `json:"repositories"`

	// Held says that something of the plan is held by now, by a gap or a limit.
	Held bool `json:"held"`
	// HeldBack says of images that gaps and limits held in the plan how many they
	// are, and why.
	HeldBack []HeldBack `json:"heldBack,omitempty"`
	// Gaps are the usage sources that could not be read for the deletion, or, where
	// nothing was to be done, for the plan, and repositories that could not be read.
	Gaps []string `json:"gaps,omitempty"`
}

// ReportSchema names the format of a report.
const ReportSchema = "regsweep.report/v1"

// RepositoryReport says what was done to one repository.
type RepositoryReport struct {
	Registry string `json:"registry"`
	Name     string `json:"name"`
	Deleted  int    `json:"deleted"`
	Archived int    `json:"archived"`
	// Changed are images of the plan that are left since they, their family or
	// what is in use is no longer as it was planned.
	Changed int `json:"changed"`
	// Left are images that are still condemned, and were not asked for: the run
	// ended before, or what lists them or what they are attached to is still there.
	Left int `json:"left,omitempty"`
	// DoneBefore are images of the plan that were gone already, or archived, such
	// as by a run of the same plan that was interrupted.
	DoneBefore int `json:"doneBefore,omitempty"`
	// Condemned are images that were marked for the grace period, and Unmarked
	// those that lost their mark since they are kept.
	Condemned int       `json:"condemned,omitempty"`
	Unmarked  int       `json:"unmarked,omitempty"`
	Failures  []Failure `json:"failures,omitempty"`
	// Images are those that were deleted, in the order of their deletion: a list
	// of Gone, kept elsewhere until it is written.
	Images json.Marshaler `json:"images,omitempty"`
	// ChangedImages are those that Changed counts, but where the repository is gone:
	// a list of LeftImage, kept elsewhere until it is written. FirstChanged are the
	// first of them, ShownChanged at most.
	ChangedImages json.Marshaler `json:"changedImages,omitempty"`
	FirstChanged  []LeftImage    `json:"-"`
	// Gap says why the repository could not be read again; nothing was done then.
	Gap string `json:"gap,omitempty"`

	// Held says that a gap or a limit holds what was planned.
	Held             bool  `json:"held"`
	BytesFreed       int64 `json:"bytesFreed"`
	BytesFreedAtMost int64 `json:"bytesFreedAtMost"`
}

// ShownChanged is how many images of a repository that changed since the plan are
// shown to people.
const ShownChanged = 5

// Gone is one image that was deleted.
type Gone struct {
	Digest image.Digest `json:"digest"`
	Tags   []string     `json:"tags"`
	Size   int64        `json:"size"`
}

// Failure is one image that should have gone and is still there, or with which
// something else failed.
type Failure struct {
	Digest image.Digest `json:"digest"`
	// Mark is what was to be done about its marks, where that failed.
	Mark Mark `json:"mark,omitempty"`
	// Archive says that it was to go into the archive, and not for ever.
	Archive bool   `json:"archive,omitempty"`
	Detail  string `json:"detail"`
}

// Undeleted is how many of the failures are images that should have gone.
func (r *RepositoryReport) Undeleted() (n int) {
	for _, f := range r.Failures {
		if f.Mark == "" {
			n++
		}
	}
	return n
}

// Finish sorts the repositories and sums them up.
func (r *Report) Finish() {
	slices.SortFunc(r.Repositories, func(a, b RepositoryReport) int {
		return cmp.Or(cmp.Compare(a.Registry, b.Registry), cmp.Compare(a.Name, b.Name))
	})
	for i := range r.Repositories {
		repo := &r.Repositories[i]
		slices.SortFunc(repo.Failures, func(a, b Failure) int { return a.Digest.Compare(b.Digest) })
		r.Deleted += repo.Deleted
		r.Archived += repo.Archived
		r.Changed += repo.Changed
		r.Left += repo.Left
		r.DoneBefore += repo.DoneBefore
		r.Failed += len(repo.Failures)
		r.Condemned += repo.Condemned
		r.Unmarked += repo.Unmarked
		r.BytesFreed += repo.BytesFreed
		r.BytesFreedAtMost += repo.BytesFreedAtMost
		r.Held = r.Held || repo.Held
	}
}
