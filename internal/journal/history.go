package journal

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
)

// HistorySchema names the format of a history.
const HistorySchema = "regsweep.history/v1"

// History is what journals tell.
type History struct {
	Schema string `json:"schema"`
	// Place is where the journals are.
	Place string       `json:"place"`
	Runs  []RunHistory `json:"runs"`
	// Unread says of journals that were passed over why, and what to do.
	Unread []string `json:"unread,omitempty"`
	// Journals is how many there are in the place, read or not.
	Journals int `json:"-"`
	// MarksLeftOut says that nothing was asked of the tags of the grace period, and
	// that there is something to tell of them.
	MarksLeftOut bool `json:"-"`
}

// RunHistory is what one run did.
type RunHistory struct {
	Run       string    `json:"run"`
	Plan      string    `json:"plan"`
	PlannedAt time.Time `json:"plannedAt,omitzero"`
	Tool      string    `json:"tool"`
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended,omitzero"`
	// Interrupted says that the run wrote no last record: it was killed, or is
	// still going on.
	Interrupted bool `json:"interrupted,omitempty"`
	// Torn says that the last record is not whole.
	Torn bool `json:"torn,omitempty"`
	// FinishedBy is the later run that found nothing of this one half done.
	FinishedBy string `json:"finishedBy,omitempty"`
	// Unfinished is how many members of families may be there although their
	// roots are gone, as far as neither this run nor a later one deleted them or
	// found that they are not there.
	Unfinished int `json:"unfinished,omitempty"`
	// Error is what ended the run early.
	Error string `json:"error,omitempty"`
	// Source is the file, or the folder in Amazon S3.
	Source string  `json:"source"`
	Events []Event `json:"events"`
}

// Event is what was done to one image.
type Event struct {
	// Time is when the outcome was written down, or when the call was about to be
	// made, where none was.
	Time       time.Time     `json:"time"`
	Action     Action        `json:"action"`
	Registry   string        `json:"registry"`
	Host       string        `json:"host"`
	Repository string        `json:"repository"`
	Digest     image.Digest  `json:"digest"`
	Tags       []string      `json:"tags"`
	Tag        string        `json:"tag,omitempty"`
	Kind       string        `json:"kind,omitempty"`
	Root       image.Digest  `json:"root,omitzero"`
	Size       int64         `json:"size,omitempty"`
	Rule       string        `json:"rule,omitempty"`
	Reasons    []plan.Reason `json:"reasons,omitempty"`
	// Outcome is unknown where the run ended before it was written down, and no
	// later run looked.
	Outcome State  `json:"outcome"`
	Detail  string `json:"detail,omitempty"`
}

// Filter selects from histories.
type Filter struct {
	// Since leaves out runs that began before it.
	Since time.Time
	// Event reports whether an event is wanted.
	Event func(*Event) bool
	// Interrupted are runs that are wanted without an event too: those that did
	// not end as they should.
	Interrupted bool
}

// History reads the journals of a place, oldest first. One that cannot be read is
// passed over; the error is that of the first where none can.
func (p *Place) History(ctx context.Context, f Filter) (*History, error) {
	h := &History{Schema: HistorySchema, Place: p.path, Runs: []RunHistory{}}
	sources, err := p.Sources(ctx)
	if err != nil {
		return nil, err
	}
	h.Journals = len(sources)
	var first error
	var told []*telling
	for _, s := range sources {
		runs, err := s.history(ctx, f)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			if first == nil {
				first = err
			}
			h.Unread = append(h.Unread, (&UnreadError{s.String(), err}).Error())
			continue
		}
		told = append(told, runs...)
	}
	told = once(told)
	// A file may be called anything, and have several runs.
	slices.SortStableFunc(told, func(a, b *telling) int { return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Run, b.Run)) })
	settle(told)
	for _, r := range told {
		if !r.Began.Before(f.Since) && (len(r.Events) > 0 || f.Interrupted && (r.Interrupted || r.Error != "")) {
			h.Runs = append(h.Runs, r.RunHistory)
		}
	}
	if len(sources) > 0 && len(h.Unread) == len(sources) {
		return nil, first
	}
	return h, nil
}

// once leaves out runs of which there is more than one journal: files are copied,
// also while their run goes on. The one that says most stays.
func once(runs []*telling) (list []*telling) {
	at := map[string]int{}
	for _, r := range runs {
		i, known := at[r.Run]
		switch {
		case !known:
			at[r.Run] = len(list)
			list = append(list, r)
		case cmp.Or(cmp.Compare(r.images, list[i].images), cmp.Compare(r.records, list[i].records)) > 0:
			list[i] = r
		}
	}
	return list
}

// telling is a run while its records are read.
type telling struct {
	RunHistory
	// records and images are how many there are, wanted or not.
	records, images int
	hosts           map[string]string
	// batches has what is known of the batches without a result: the first event
	// of each, and whether each image has one.
	batches map[int]told
	follow  *interrupted
	// settled says that a later run found nothing left of it.
	settled bool
	// asked is what it was about to delete, and whether that is gone. left is what
	// of its families may be there after all runs.
	asked, left map[lost]bool
	// unknown are the events of deletions whose outcome nobody knows yet.
	unknown []int
	// end is its last record, or nil.
	end *End
}

// told are the events of a batch: where the first is, and which images of the
// batch have one.
type told struct {
	at     int
	wanted []bool
	// action is what is done, and repository where, by host.
	action     Action
	repository repository
}

func (s Source) history(ctx context.Context, f Filter) ([]*telling, error) {
	runs := map[string]*telling{}
	var list []*telling
	var last *telling
	for e, err := range s.Records(ctx, false) {
		if err != nil {
			return nil, err
		}
		if e.Torn {
			if last != nil {
				last.Torn = true
			}
			continue
		}
		if e.Begin != nil {
			runs[e.Run] = begun(&e, s.String())
			list = append(list, runs[e.Run])
		}
		if r := runs[e.Run]; r != nil {
			last = r
			r.add(&e, f)
		}
	}
	return list, nil
}

func begun(e *Entry, source string) *telling {
	r := &telling{
		RunHistory: RunHistory{
			Run: e.Run, Plan: e.Begin.Plan, PlannedAt: e.Begin.PlannedAt, Tool: e.Begin.Tool, Began: e.Time,
			Interrupted: true, Source: source, Events: []Event{},
		},
		hosts: map[string]string{}, batches: map[int]told{}, follow: follow(e.Begin), asked: map[lost]bool{},
	}
	for _, reg := range e.Begin.Registries {
		r.hosts[reg.Name] = reg.Host
	}
	return r
}

func (r *telling) add(e *Entry, f Filter) {
	r.records++
	if e.Settled == nil {
		r.follow.last = e.Time
	}
	switch {
	case e.Before != nil:
		r.follow.before(e.Before)
		r.images += len(e.Before.Images)
		r.settled, r.FinishedBy = false, "" // it went on
		t := told{
			at: len(r.Events), wanted: make([]bool, len(e.Before.Images)),
			action: e.Before.Action, repository: repository{r.hosts[e.Before.Registry], e.Before.Repository},
		}
		for i := range e.Before.Images {
			event := r.event(e, &e.Before.Images[i])
			if t.action == Delete {
				r.asked[lost{t.repository, event.Digest}] = false
			}
			if t.wanted[i] = f.Event(&event); t.wanted[i] {
				r.Events = append(r.Events, event)
			}
		}
		r.batches[e.Before.Batch] = t
	case e.After != nil:
		r.follow.after(e.After)
		t := r.batches[e.After.Batch]
		delete(r.batches, e.After.Batch)
		r.deletes(t, e.After.Images)
		at := t.at
		for i, wanted := range t.wanted {
			if !wanted {
				continue
			}
			if i < len(e.After.Images) {
				event := &r.Events[at]
				event.Time, event.Outcome, event.Detail = e.Time, e.After.Images[i].Outcome, e.After.Images[i].Detail
			}
			at++
		}
	case e.Settled != nil:
		r.settled, r.FinishedBy = true, e.Settled.By
	case e.End != nil:
		r.Interrupted, r.Ended, r.Error = false, e.Time, e.End.Error
		r.end = e.End
	}
}

// noAnswer is why the outcome of an image is unknown.
const noAnswer = "the run ended before the answer was written down"

// event is what is known of an image of a batch before its result is.
func (r *telling) event(e *Entry, img *Image) Event {
	return Event{
		Time: e.Time, Action: e.Before.Action, Registry: e.Before.Registry, Host: r.hosts[e.Before.Registry], Repository: e.Before.Repository,
		Digest: img.Digest, Tags: slices.Clip(img.Tags), Tag: img.Tag, Kind: img.Kind, Root: img.Root, Size: img.Size,
		Rule: img.Rule, Reasons: img.Reasons,
		Outcome: Unknown, Detail: noAnswer,
	}
}
