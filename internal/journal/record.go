// Package journal writes down what apply does, before and after each call that
// changes something, and reads it again: for history, for restore, and to finish
// what an interrupted run has begun.
//
// A journal is a series of records in JSON, one a line. See docs/journal.md.
package journal

import (
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
)

// Schema names the format. Fields are only ever added to it.
const Schema = "regsweep.journal/v1"

// Record is one line of a journal. One of Begin, Before, After, End and Settled
// is set, or none where a later version wrote something else.
type Record struct {
	// Run names the run; names sort by the time when the runs began.
	Run string `json:"run"`
	// Time is when the record was made.
	Time   time.Time `json:"time"`
	Begin  *Begin    `json:"begin,omitempty"`
	Before *Batch    `json:"before,omitempty"`
	After  *Result   `json:"after,omitempty"`
	End    *End      `json:"end,omitempty"`
	// Settled is written by a later run.
	Settled *Settled `json:"settled,omitempty"`
}

// Begin is the first record of a run.
type Begin struct {
	Schema string `json:"schema"`
	// Plan is the id of the plan that is applied, or what was called instead.
	Plan string `json:"plan"`
	// PlannedAt is when the plan was made.
	PlannedAt time.Time `json:"plannedAt,omitzero"`
	// Tool is the version of regsweep, and Config the hash of its configuration.
	Tool   string `json:"tool"`
	Config string `json:"config"`
	// Registries are those of the plan.
	Registries []Registry `json:"registries"`
}

// Registry is what a registry is called, and what it is.
type Registry struct {
	Name string `json:"name"`
	Host string `json:"host"`
}

// Action is what is done to images.
type Action string

// The actions. Untag takes a tag away and no image.
const (
	Delete  Action = "delete"
	Archive Action = "archive"
	Tag     Action = "tag"
	Untag   Action = "untag"
)

// Batch says what is to be done to images of one repository. It is written
// before the call is made.
type Batch struct {
	// Batch is the number of the batch in its run, from 1.
	Batch  int    `json:"batch"`
	Action Action `json:"action"`
	// Registry is the registry's name in the configuration.
	Registry   string  `json:"registry"`
	Repository string  `json:"repository"`
	Images     []Image `json:"images"`
}

// Image is one image of a batch, as it was then.
type Image struct {
	Digest   image.Digest `json:"digest"`
	Tags     []string     `json:"tags"`
	Kind     string       `json:"kind,omitempty"`
	Root     image.Digest `json:"root,omitzero"`
	PushedAt image.Time   `json:"pushedAt,omitzero"`
	Size     int64        `json:"size,omitempty"`
	// Tag is what a tagging is about: the tag that is added or taken away.
	Tag     string        `json:"tag,omitempty"`
	Rule    string        `json:"rule,omitempty"`
	Reasons []plan.Reason `json:"reasons,omitempty"`
	// Family is what goes with the image in later batches, so that a run that
	// ends in between can be finished. Only roots have one.
	Family []Member `json:"family,omitempty"`
	// MediaType and Manifest are the manifest, exactly as it was pushed.
	MediaType string `json:"mediaType,omitempty"`
	Manifest  []byte `json:"manifest,omitempty"`
	// NoManifest says why there is none, where an image is deleted.
	NoManifest string `json:"noManifest,omitempty"`
}

// Member is an image that goes with its root.
type Member struct {
	Digest   image.Digest `json:"digest"`
	Tags     []string     `json:"tags"`
	PushedAt image.Time   `json:"pushedAt,omitzero"`
}

// Result says what came of a batch. It is written when the answer is there.
type Result struct {
	// Batch is the number of the batch.
	Batch int `json:"batch"`
	// Images has one entry for each image of the batch, in its order.
	Images []Outcome `json:"images"`
}

// Outcome is what became of one image.
type Outcome struct {
	Digest  image.Digest `json:"digest"`
	Outcome State        `json:"outcome"`
	// Detail says why, where it is not done.
	Detail string `json:"detail,omitempty"`
}

// State is what came of an action on one image.
type State string

// The states.
const (
	// Done: an image that is deleted is gone, and so on.
	Done State = "done"
	// Failed: the registry says that it was not done, and why.
	Failed State = "failed"
	// Left: it was not tried in the end, since something had changed.
	Left State = "left"
	// Unknown: the call failed as a whole, so that it was done or was not.
	Unknown State = "unknown"
)

// End is the last record of a run that came to its end.
type End struct {
	// Settled says that nothing of the run is left half done: of no family the
	// root went and a member did not.
	Settled  bool `json:"settled"`
	Deleted  int  `json:"deleted"`
	Archived int  `json:"archived"`
	Failed   int  `json:"failed"`
	// Error is what ended the run early.
	Error string `json:"error,omitempty"`
	// NothingOf are interrupted runs of which nothing is left half done after this
	// one, as far as their journals went when it began.
	NothingOf []string `json:"nothingOf,omitempty"`
	// Answers say of interrupted runs what became of the images of which they wrote
	// no outcome.
	Answers []Answer `json:"answers,omitempty"`
}

// Answer says that a later run looked at all images that an interrupted run was
// about to delete, and of which that wrote no outcome. What is not among There is
// gone.
type Answer struct {
	// Run is the interrupted run.
	Run   string  `json:"run"`
	There []There `json:"there,omitempty"`
}

// There is an image that is still there.
type There struct {
	// Host is that of the registry.
	Host       string       `json:"host"`
	Repository string       `json:"repository"`
	Digest     image.Digest `json:"digest"`
}

// Settled says that another run found nothing left of this one, which was
// interrupted.
type Settled struct {
	// By is the name of the other run.
	By string `json:"by"`
}
