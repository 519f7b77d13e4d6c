package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// marker writes and removes the marks of the grace period in one repository.
type marker struct {
	tagger   registry.Tagger
	judged   *plan.Judged
	report   *plan.RepositoryReport
	progress *Progress
	// now is the clock, and not the time of judgement: a mark says when it was
	// put, also in a run that judges as of the past.
	now func() time.Time
	// taken are the tags of the grace period that are in the repository.
	taken map[string]bool
}

func newMarker(tagger registry.Tagger, judged *plan.Judged, report *plan.RepositoryReport, progress *Progress, now func() time.Time) *marker {
	m := &marker{tagger: tagger, judged: judged, report: report, progress: progress, now: now, taken: map[string]bool{}}
	for i := range judged.Graph.Images {
		marks := judged.Result.Marks(int32(i))
		for _, mark := range marks.Condemned {
			m.taken[mark.Tag] = true
		}
		for _, mark := range marks.Kept {
			m.taken[mark.Tag] = true
		}
	}
	return m
}

// revoke takes the marks from what is kept. It ends early with an error that ends
// the run, and at a call that is denied.
func (m *marker) revoke(ctx context.Context) error {
	list := m.judged.Revocations()
	for n, r := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := m.revokeOne(context.WithoutCancel(ctx), r)
		if denied := denial(err); denied != nil && !fatal(ctx, err) {
			var rest []int32
			for _, r := range list[n:] {
				rest = append(rest, r.Image)
			}
			m.denied(rest, plan.Unmark, denied)
			return nil
		}
		if err := m.done(ctx, r.Image, plan.Unmark, err); err != nil {
			return err
		}
	}
	return nil
}

// revokeOne takes the marks from one image. The anchor comes first, and voids
// them: whatever happens after it, they do not count. What was marked last goes
// last, so that what is left of a revocation that ends in between says nothing
// else than before.
func (m *marker) revokeOne(ctx context.Context, r plan.Revocation) error {
	repository, digest := m.judged.Graph.Repository.Name, m.judged.Graph.Images[r.Image].Digest
	anchor := r.Anchor
	if anchor == "" {
		var err error
		if anchor, err = m.put(ctx, digest, policy.KeptPrefix, r.After); err != nil {
			return err
		}
	}
	for _, mark := range r.Marks {
		if err := m.tagger.Untag(ctx, repository, digest, mark.Tag, anchor); err != nil {
			return err
		}
	}
	return nil
}

// condemn marks what the plan and the new judgement want marked. It ends early
// with an error that ends the run, and at a call that is denied.
func (m *marker) condemn(ctx context.Context) error {
	list := m.judged.ToCondemn()
	for n, i := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		after := m.judged.Result.Marks(i).CountsFrom()
		_, err := m.put(context.WithoutCancel(ctx), m.judged.Graph.Images[i].Digest, policy.CondemnedPrefix, after)
		if denied := denial(err); denied != nil && !fatal(ctx, err) {
			m.denied(list[n:], plan.Condemn, denied)
			return nil
		}
		if err := m.done(ctx, i, plan.Condemn, err); err != nil {
			return err
		}
	}
	return nil
}

// attempts is how many tags are tried for one image where others take them.
const attempts = 100

// put gives an image a tag of a prefix and a time, the first that no image of
// the repository has: now, or after if that is later.
func (m *marker) put(ctx context.Context, digest image.Digest, prefix string, after image.Time) (string, error) {
	// Rounded up: a mark never says that it is older than it is.
	second := (max(int64(image.At(m.now())), int64(after)) + 999) / 1000
	var err error
	for range attempts {
		tag := fmt.Sprintf("%s%d", prefix, second)
		for m.taken[tag] {
			second++
			tag = fmt.Sprintf("%s%d", prefix, second)
		}
		m.taken[tag] = true
		err = m.tagger.Tag(ctx, m.judged.Graph.Repository.Name, digest, tag)
		var taken *registry.TagTakenError
		if !errors.As(err, &taken) {
			return tag, err
		}
	}
	return "", err
}

// done counts what became of one image. The error ends the run.
func (m *marker) done(ctx context.Context, i int32, what plan.Mark, err error) error {
	var gone *registry.ImageGoneError
	var guarded *GuardError
	var unwritten *journal.WriteError
	switch {
	case err == nil && what == plan.Condemn:
		m.report.Condemned++
	case err == nil:
		m.report.Unmarked++
	case errors.As(err, &guarded), errors.As(err, &unwritten): // the call was not made
		return fmt.Errorf("repository %s: %w", m.judged.Graph.Repository.Name, err)
	case fatal(ctx, err):
		m.fail(i, what, err)
		return fmt.Errorf("repository %s: %w", m.judged.Graph.Repository.Name, err)
	case !errors.As(err, &gone): // who deletes an image needs no mark on it
		m.fail(i, what, err)
	}
	m.progress.removed(1)
	return nil
}

func (m *marker) fail(i int32, what plan.Mark, err error) {
	m.report.Failures = append(m.report.Failures, plan.Failure{
		Digest: m.judged.Graph.Images[i].Digest, Mark: what, Detail: err.Error(),
	})
}
