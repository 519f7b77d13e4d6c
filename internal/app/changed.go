package app

import (
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/policy"
)

// refuse notes why an image is left that the registry was asked to take away.
func (s *sweep) refuse(i int32, err error) {
	if s.refused == nil {
		s.refused = map[int32]string{}
	}
	s.refused[i] = err.Error()
}

// changed visits the images of the plan that are left since something is not as
// it was planned, each with the reason: what RepositoryReport.Changed counts.
func (s *sweep) changed(planned *plan.Repository, visit func(plan.LeftImage)) error {
	j := s.judged
	takes := func(v policy.Verdict) bool { return v == policy.VerdictDelete || v == policy.VerdictArchive }
	return planned.Each(func(p *plan.Image) error {
		i, there := j.Graph.Find(p.Digest)
		if !takes(p.Verdict) || !there {
			return nil
		}
		why, refused := s.refused[i]
		switch {
		case refused:
			visit(j.Left(i, plan.Reason{Code: policy.CodeChanged, Detail: why}))
		case s.asked[i], p.Verdict == policy.VerdictArchive && j.Graph.Images[i].Status == image.Archived:
		case !takes(j.Verdicts[i]):
			visit(j.Left(i, plan.Reason{}))
		case s.report.Gap != "":
			visit(j.Left(i, plan.Reason{Code: policy.CodeGap, Detail: s.report.Gap}))
		}
		return nil
	})
}

// listChanged puts the images of the plan that changed into the report.
func (s *sweep) listChanged(planned *plan.Repository, store *planfile.Store) error {
	if s.report.Changed == 0 {
		return nil
	}
	var readErr error
	list, err := store.PutList(func(yield func(any) bool) {
		stopped := false
		readErr = s.changed(planned, func(img plan.LeftImage) {
			if len(s.report.FirstChanged) < plan.ShownChanged {
				s.report.FirstChanged = append(s.report.FirstChanged, img)
			}
			stopped = stopped || !yield(img)
		})
	})
	if readErr != nil {
		return readErr
	}
	if err != nil {
		return err
	}
	s.report.ChangedImages = list
	return nil
}
