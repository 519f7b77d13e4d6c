package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/registry"
)

// remember reads what interrupted runs have left half done, and returns what is
// to be said of it. What cannot be read is not known: then the rules decide,
// which let no more go.
func (a *App) remember(ctx context.Context) (warnings []string, err error) {
	if a.Journal == nil {
		return nil, nil
	}
	left, errs := a.Journal.Unfinished(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.unfinished, a.remembered = left, a.Now()
	a.Log.Debug("journals read", "place", a.Journal.String(), "journals", left.Looked, "readWhole", left.Read, "unfinished", left.Runs())
	for _, err := range errs {
		warnings = append(warnings, fmt.Sprintf("a journal cannot be read, so what an interrupted run left of families is not known: %v", err))
	}
	return warnings, nil
}

// remembers reports whether the journals were read a moment ago, for the plan.
func (a *App) remembers() bool {
	return a.unfinished != nil && a.Now().Sub(a.remembered) < a.Recheck
}

// begin begins the journal of an apply.
func (a *App) begin(ctx context.Context, p *plan.Plan) (*journal.Run, error) {
	if a.Journal == nil {
		return nil, nil
	}
	id, err := planfile.ID(p)
	if err != nil {
		return nil, err
	}
	b := journal.Begin{Plan: id, PlannedAt: p.CreatedAt, Tool: p.Tool, Config: p.Config, Registries: []journal.Registry{}}
	for _, reg := range p.Registries {
		b.Registries = append(b.Registries, journal.Registry{Name: reg.Name, Host: reg.Host})
	}
	return a.Journal.Begin(ctx, b, a.Now)
}

// end writes the last record of the journal of an apply, and into journals of
// which nothing is left that it is so.
func (a *App) end(ctx context.Context, run *journal.Run, report *plan.Report, err error) error {
	if a.Journal != nil && err == nil {
		if err := a.Journal.Settle(ctx, a.unfinished, run.ID(), a.Now()); err != nil {
			a.Log.Warn("journals of earlier runs are read again next time", "error", err)
		}
	}
	e := journal.End{Deleted: report.Deleted, Archived: report.Archived, Failed: report.Failed, NothingOf: a.unfinished.NothingOf(), Answers: a.unfinished.Answers()}
	if err != nil {
		e.Error = Why(ctx, err).Error()
	}
	return errors.Join(err, run.End(ctx, e))
}

// Why returns an error for people: where it is only that the context was ended,
// that is why it was, such as the signal that was received. A journal that could
// not be written is named beside it.
func Why(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	if unwritten, ok := errors.AsType[*journal.WriteError](err); ok && !errors.Is(unwritten, context.Canceled) {
		return errors.Join(cause, unwritten)
	}
	return cause
}

// ledger writes down what is done to one repository.
type ledger struct {
	run      *journal.Run
	registry string
	judged   *plan.Judged
	writer   registry.Writer
	// guard is asked before each call that changes something.
	guard func() error
	// noManifests is told once that manifests could not be read, so that what goes
	// cannot be put back from the journal. It may be nil.
	noManifests func(error)
	// members has, by root, what goes with it.
	members map[int32][]int32
}

// allowed asks whether the next call may be made.
func (l *ledger) allowed() error {
	if l.guard == nil {
		return nil
	}
	return l.guard()
}

// families notes what is to go with which root, as it was judged in the
// beginning: what is spared later is in the journal all the same, and no run
// that comes after takes it without asking again.
func (l *ledger) families() {
	if l.run == nil {
		return
	}
	l.members = map[int32][]int32{}
	l.judged.Families(func(root int32, members []int32) {
		if len(members) > 0 {
			l.members[root] = members
		}
	})
}

// entry is an image as the journal has it.
func (l *ledger) entry(i int32) journal.Image {
	img := l.judged.Image(i)
	e := journal.Image{
		Digest: img.Digest, Tags: img.Tags, Kind: img.Kind, Root: img.Root, PushedAt: img.PushedAt, Size: img.Size,
		Rule: img.Rule, Reasons: img.Reasons,
	}
	for _, m := range l.members[i] {
		member := &l.judged.Graph.Images[m]
		tags := member.Tags
		if tags == nil {
			tags = []string{}
		}
		e.Family = append(e.Family, journal.Member{Digest: member.Digest, Tags: tags, PushedAt: member.PushedAt})
	}
	return e
}

// before writes down what is about to be done to images. Manifests are those of
// images that are to be deleted, or nil.
func (l *ledger) before(ctx context.Context, action journal.Action, images []int32, manifests []registry.Fetched) (batch int, err error) {
	if l.run == nil {
		return 0, nil
	}
	b := journal.Batch{Action: action, Registry: l.registry, Repository: l.judged.Graph.Repository.Name, Images: make([]journal.Image, len(images))}
	for n, i := range images {
		b.Images[n] = l.entry(i)
		if manifests == nil {
			continue
		}
		if f := manifests[n]; f.Err != nil {
			b.Images[n].NoManifest = f.Err.Error()
		} else {
			b.Images[n].MediaType, b.Images[n].Manifest = f.MediaType, f.Content
		}
	}
	return l.run.Before(ctx, b)
}

// after writes down what came of a batch.
func (l *ledger) after(ctx context.Context, batch int, outcomes []journal.Outcome) error {
	return l.run.After(ctx, batch, outcomes)
}

// manifests reads the manifests of images that are about to be deleted, in one
// call. What cannot be read is no reason to keep an image; the journal says why
// it has no manifest.
func (l *ledger) manifests(ctx context.Context, images []int32) ([]registry.Fetched, error) {
	if l.run == nil {
		return nil, nil
	}
	asked := make([]image.Image, len(images))
	for n, i := range images {
		asked[n] = l.judged.Graph.Images[i]
	}
	fetched, err := l.writer.Manifests(ctx, l.judged.Graph.Repository.Name, asked)
	if err == nil {
		return fetched, nil
	}
	if fatal(ctx, err) {
		return nil, fmt.Errorf("repository %s: %w", l.judged.Graph.Repository.Name, err)
	}
	if l.noManifests != nil {
		l.noManifests(err)
		l.noManifests = nil
	}
	fetched = make([]registry.Fetched, len(images))
	for n := range fetched {
		fetched[n].Err = err
	}
	return fetched, nil
}

// outcomeOfOne says what became of an image that a call was about alone.
func outcomeOfOne(digest image.Digest, err error) journal.Outcome {
	if err == nil {
		return journal.Outcome{Digest: digest, Outcome: journal.Done}
	}
	return journal.Outcome{Digest: digest, Outcome: outcomeOfCall(err), Detail: err.Error()}
}

// outcomeOf says what became of an image, of those that a call was about, by what
// the registry answered for it.
func outcomeOf(digest image.Digest, err error) journal.Outcome {
	o := journal.Outcome{Digest: digest, Outcome: journal.Done}
	var referenced *registry.ReferencedError
	var uncertain interface{ OutcomeUnknown() bool }
	switch {
	case err == nil:
		return o
	case errors.As(err, &referenced):
		o.Outcome = journal.Left
	case errors.As(err, &uncertain) && uncertain.OutcomeUnknown():
		o.Outcome = journal.Unknown
	default:
		o.Outcome = journal.Failed
	}
	o.Detail = err.Error()
	return o
}

// tagged is the Tagger of one repository, which writes down what it does.
type tagged struct {
	registry.Tagger
	ledger *ledger
}

// Tag implements registry.Tagger.
func (t tagged) Tag(ctx context.Context, repository string, digest image.Digest, tag string) error {
	return t.note(ctx, journal.Tag, digest, tag, func() error { return t.Tagger.Tag(ctx, repository, digest, tag) })
}

// Untag implements registry.Tagger.
func (t tagged) Untag(ctx context.Context, repository string, digest image.Digest, tag, anchor string) error {
	return t.note(ctx, journal.Untag, digest, tag, func() error { return t.Tagger.Untag(ctx, repository, digest, tag, anchor) })
}

// note writes down what is done to one image, before and after.
func (t tagged) note(ctx context.Context, action journal.Action, digest image.Digest, tag string, do func() error) error {
	l := t.ledger
	e := journal.Image{Digest: digest, Tag: tag, Tags: []string{}}
	if i, ok := l.judged.Graph.Find(digest); ok && l.run != nil {
		e = l.entry(i)
		e.Tag, e.Family = tag, nil
	}
	batch, err := l.run.Before(ctx, journal.Batch{
		Action: action, Registry: l.registry, Repository: l.judged.Graph.Repository.Name, Images: []journal.Image{e},
	})
	if err != nil {
		return err
	}
	outcome := journal.Outcome{Digest: digest, Outcome: journal.Left, Detail: spared}
	if err = l.allowed(); err == nil {
		err = do()
		outcome = outcomeOfOne(digest, err)
	}
	// A journal that cannot be written ends the run, whatever else there is.
	if writeErr := l.run.After(ctx, batch, []journal.Outcome{outcome}); writeErr != nil {
		return writeErr
	}
	return err
}
