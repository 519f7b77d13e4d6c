package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// sweep takes the condemned images of one repository away.
type sweep struct {
	writer   registry.Writer
	judged   *plan.Judged
	report   *plan.RepositoryReport
	progress *Progress
	// gone has, by image, whether it was deleted.
	gone []bool
}

// run deletes in waves: first the roots, then what they list and what is
// attached to them, and so on down. A registry refuses to delete an image while
// an index lists it, and an image whose parent could not be deleted must stay:
// so a wave starts only when the one above is done.
func (s *sweep) run(ctx context.Context) error {
	g := s.judged.Graph
	waiting := make([]int, len(g.Images)) // condemned parents that are still there
	var wave, archive []int32
	condemned := func(i int32) bool { return s.judged.Verdicts[i] == policy.VerdictDelete }
	for i := range g.Images {
		if condemned(int32(i)) {
			for _, m := range g.Members(int32(i)) {
				waiting[m]++
			}
		}
		if s.judged.Verdicts[i] == policy.VerdictArchive {
			archive = append(archive, int32(i))
		}
	}
	for i := range g.Images {
		if condemned(int32(i)) && waiting[i] == 0 {
			wave = append(wave, int32(i))
		}
	}
	for len(wave) > 0 {
		var next []int32
		for len(wave) > 0 {
			n := min(len(wave), s.writer.MaxBatch())
			deleted, err := s.delete(ctx, wave[:n])
			if err != nil {
				return err
			}
			wave = wave[n:]
			for _, i := range deleted {
				for _, m := range g.Members(i) {
					if waiting[m]--; waiting[m] == 0 && condemned(m) {
						next = append(next, m)
					}
				}
			}
		}
		wave = next
	}
	s.left(waiting)
	return s.archive(ctx, archive)
}

// left counts what was not tried since something above it is still there.
func (s *sweep) left(waiting []int) {
	for i := range waiting {
		if waiting[i] > 0 && s.judged.Verdicts[i] == policy.VerdictDelete {
			s.report.Changed++
		}
	}
}

// delete deletes one batch and returns the images that are gone.
func (s *sweep) delete(ctx context.Context, batch []int32) (deleted []int32, err error) {
	g := s.judged.Graph
	digests := make([]image.Digest, len(batch))
	for n, i := range batch {
		digests[n] = g.Images[i].Digest
	}
	results, err := s.writer.Delete(ctx, g.Repository.Name, digests)
	if err != nil {
		if fatal(ctx, err) {
			return nil, fmt.Errorf("repository %s: %w", g.Repository.Name, err)
		}
		for _, i := range batch {
			s.fail(i, err)
		}
		return nil, nil
	}
	for n, i := range batch {
		var referenced *registry.ReferencedError
		switch err := results[n]; {
		case err == nil:
			s.gone[i] = true
			s.report.Deleted++
			deleted = append(deleted, i)
		case errors.As(err, &referenced):
			// An index that was pushed since the repository was read lists it.
			s.report.Changed++
		default:
			s.fail(i, err)
		}
	}
	s.progress.removed(len(deleted))
	return deleted, nil
}

// archive archives images, one call each.
func (s *sweep) archive(ctx context.Context, images []int32) error {
	g := s.judged.Graph
	for _, i := range images {
		err := s.writer.Archive(ctx, g.Repository.Name, g.Images[i].Digest)
		switch {
		case err == nil:
			s.report.Archived++
			s.progress.removed(1)
		case fatal(ctx, err):
			return fmt.Errorf("repository %s: %w", g.Repository.Name, err)
		default:
			s.fail(i, err)
		}
	}
	return nil
}

func (s *sweep) fail(i int32, err error) {
	s.report.Failures = append(s.report.Failures, plan.Failure{Digest: s.judged.Graph.Images[i].Digest, Detail: err.Error()})
}
