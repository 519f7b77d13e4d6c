package app

import (
	"context"
	"errors"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// denial returns the part of an error that says that the caller may not make a
// call, or nil. Rights are those of a repository, so each further call like it in
// the same repository would be denied too.
func denial(err error) error {
	if denied, ok := errors.AsType[*awsapi.DeniedError](err); ok {
		return denied
	}
	return nil
}

// outcomeOfCall is what became of the images of a call that failed as a whole: it
// did nothing where the registry says so or each attempt at it was denied, and
// else may have been carried out.
func outcomeOfCall(err error) journal.State {
	var uncertain interface{ OutcomeUnknown() bool }
	var missing *registry.ImageGoneError
	var archived *registry.ArchivedError
	var taken *registry.TagTakenError
	var full *registry.TagLimitError
	var last *registry.LastTagError
	switch {
	case errors.As(err, &uncertain):
		if uncertain.OutcomeUnknown() {
			return journal.Unknown
		}
		return journal.Failed
	case denial(err) != nil, errors.As(err, &missing), errors.As(err, &archived), errors.As(err, &taken), errors.As(err, &full), errors.As(err, &last):
		return journal.Failed
	}
	return journal.Unknown
}

// denied counts images whose marks could not be changed for want of a right, of
// which only the first was tried.
func (m *marker) denied(images []int32, what plan.Mark, err error) {
	for _, i := range images {
		m.fail(i, what, err)
	}
	m.progress.removed(len(images))
}

// denied counts images that could not be archived for want of a right, of which
// only the first was tried. Those that came into use by now are left.
func (s *sweep) denied(ctx context.Context, images []int32, err error) error {
	if err := s.next(ctx); err != nil {
		return err
	}
	for _, i := range images {
		if s.judged.Verdicts[i] == policy.VerdictArchive {
			s.asked[i] = true
			s.fail(i, policy.VerdictArchive, err)
		}
	}
	return nil
}
