package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// sweep takes the condemned images of one repository away.
type sweep struct {
	writer   registry.Writer
	ledger   *ledger
	judged   *plan.Judged
	report   *plan.RepositoryReport
	progress *Progress
	// recheck is called before each call that changes something, and again when
	// that gets its turn. It may spare images that came into use, and an error ends
	// the sweep.
	recheck func(context.Context) error
	// deleted lists what was deleted, in order.
	deleted []int32
	// gone has, by image, whether it was deleted, and asked whether the registry was
	// asked to delete or to archive it.
	gone, asked []bool
	// refused has, by image, why it was left although the registry was asked.
	refused map[int32]string
}

// run deletes roots before what they list and what is attached to them, and so
// on down: a registry refuses to delete an image while an index lists it, and
// an image whose parent could not be deleted must stay. So an image is asked for
// only in a call after the one that deleted the last of its parents. Roots that
// hold others go first, so that the calls after them are full.
func (s *sweep) run(ctx context.Context) error {
	g := s.judged.Graph
	waiting := make([]int32, len(g.Images)) // condemned parents that are still there
	var ready, alone, archive []int32
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
		switch {
		case !condemned(int32(i)) || waiting[i] > 0:
		case len(g.Members(int32(i))) > 0:
			ready = append(ready, int32(i))
		default:
			alone = append(alone, int32(i))
		}
	}
	ready = append(ready, alone...)
	for len(ready) > 0 {
		if ready = slices.DeleteFunc(ready, func(i int32) bool { return !condemned(i) }); len(ready) == 0 {
			break
		}
		n := min(len(ready), s.writer.MaxBatch())
		deleted, err := s.delete(ctx, ready[:n])
		if err != nil {
			return err
		}
		ready = ready[n:]
		for _, i := range deleted {
			for _, m := range g.Members(i) {
				if waiting[m]--; waiting[m] == 0 && condemned(m) {
					ready = append(ready, m)
				}
			}
		}
	}
	return s.archive(ctx, archive)
}

// list visits what was deleted, for the report.
func (s *sweep) list(yield func(any) bool) {
	for _, i := range s.deleted {
		img := &s.judged.Graph.Images[i]
		tags := img.Tags
		if tags == nil {
			tags = []string{}
		}
		if !yield(plan.Gone{Digest: img.Digest, Tags: tags, Size: img.Size}) {
			return
		}
	}
}

// notSent returns why a call was never sent, or nil. A run can come to its end, or
// images can change, while a call waits for its turn.
func notSent(err error) error {
	if unsent, ok := errors.AsType[*awsapi.UnsentError](err); ok {
		return unsent.Err
	}
	return nil
}

// next says whether the next call may be made. A call that was sent is always
// waited for, so that the report says what it did; a run that is to end, or that
// has failed elsewhere, ends before the next.
func (s *sweep) next(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.recheck(ctx); err != nil {
		return err
	}
	return s.ledger.allowed()
}

// delete writes down one batch, deletes what of it is still condemned then, and
// returns the images that are gone.
func (s *sweep) delete(ctx context.Context, batch []int32) (deleted []int32, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	manifests, err := s.ledger.manifests(ctx, batch)
	if err != nil {
		return nil, err
	}
	number, err := s.ledger.before(ctx, journal.Delete, batch, manifests)
	if err != nil {
		return nil, err
	}
	outcomes := make([]journal.Outcome, len(batch))
	for n, i := range batch {
		outcomes[n] = journal.Outcome{Digest: s.judged.Graph.Images[i].Digest, Outcome: journal.Left, Detail: spared}
	}
	deleted, err = s.send(ctx, batch, outcomes)
	return deleted, errors.Join(err, s.ledger.after(ctx, number, outcomes))
}

// spared is why an image that was written down as about to go was not asked for.
const spared = "it is no longer condemned, or the run ended"

// errSpared is why a call is not sent: one of its images is no longer condemned.
var errSpared = errors.New("an image was spared while the call waited for its turn")

// unbroken returns a context for a call that takes images away. It can wait long
// for its turn, and be sent again, so what is known is looked at once more right
// before each attempt: where verdicts are then other than the one of the call, it
// is not sent.
func (s *sweep) unbroken(ctx context.Context, verdict policy.Verdict, images ...int32) context.Context {
	return awsapi.Unbroken(ctx, func() error {
		if err := s.next(ctx); err != nil {
			return err
		}
		if slices.ContainsFunc(images, func(i int32) bool { return s.judged.Verdicts[i] != verdict }) {
			return errSpared
		}
		return nil
	})
}

// send deletes what of a batch is still condemned, in one call, and says in
// outcomes what became of it.
func (s *sweep) send(ctx context.Context, batch []int32, outcomes []journal.Outcome) (deleted []int32, err error) {
	// Each time one more of them is spared, until none is left to ask for.
	for range len(batch) + 1 {
		if deleted, err = s.sendOnce(ctx, batch, outcomes); !errors.Is(err, errSpared) {
			break
		}
	}
	return deleted, err
}

// sendOnce is send, but for errSpared where something was spared meanwhile.
func (s *sweep) sendOnce(ctx context.Context, batch []int32, outcomes []journal.Outcome) (deleted []int32, err error) {
	if err := s.next(ctx); err != nil {
		return nil, err
	}
	g := s.judged.Graph
	digests := make([]image.Digest, 0, len(batch))
	condemned := make([]int32, 0, len(batch))
	asked := make([]int, 0, len(batch)) // positions in the batch
	for n, i := range batch {
		if s.judged.Verdicts[i] == policy.VerdictDelete {
			s.asked[i] = true
			digests = append(digests, g.Images[i].Digest)
			condemned = append(condemned, i)
			asked = append(asked, n)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	results, err := s.writer.Delete(s.unbroken(ctx, policy.VerdictDelete, condemned...), g.Repository.Name, digests)
	if unsent := notSent(err); unsent != nil {
		for _, i := range condemned {
			s.asked[i] = false
		}
		return nil, unsent
	}
	if err != nil {
		for _, n := range asked {
			outcomes[n].Outcome, outcomes[n].Detail = outcomeOfCall(err), err.Error()
		}
		for _, n := range asked {
			s.fail(batch[n], policy.VerdictDelete, err)
		}
		if fatal(ctx, err) {
			return nil, fmt.Errorf("repository %s: %w", g.Repository.Name, err)
		}
		return nil, nil
	}
	for k, n := range asked {
		i := batch[n]
		outcomes[n] = outcomeOf(digests[k], results[k])
		switch outcomes[n].Outcome {
		case journal.Done:
			s.gone[i] = true
			s.report.Deleted++
			s.deleted = append(s.deleted, i)
			deleted = append(deleted, i)
		case journal.Left:
			// An index that was pushed since the repository was read lists it; it is
			// counted with what changed.
			s.refuse(i, results[k])
		default:
			s.fail(i, policy.VerdictDelete, results[k])
		}
	}
	s.progress.removed(len(deleted))
	return deleted, nil
}

// archive archives images, one call each, until one is denied.
func (s *sweep) archive(ctx context.Context, images []int32) error {
	g := s.judged.Graph
	for n, i := range images {
		if err := s.next(ctx); err != nil {
			return err
		}
		if s.judged.Verdicts[i] != policy.VerdictArchive {
			continue
		}
		number, err := s.ledger.before(ctx, journal.Archive, []int32{i}, nil)
		if err != nil {
			return err
		}
		s.asked[i] = true
		err = s.writer.Archive(s.unbroken(ctx, policy.VerdictArchive, i), g.Repository.Name, g.Images[i].Digest)
		outcome, denied := outcomeOfOne(g.Images[i].Digest, err), denial(err)
		var missing *registry.ImageGoneError
		switch unsent := notSent(err); {
		case unsent != nil:
			s.asked[i] = false
			outcome.Outcome, outcome.Detail, err = journal.Left, spared, unsent
			if errors.Is(err, errSpared) {
				err = nil
			}
		case err == nil:
			s.report.Archived++
			s.progress.removed(1)
		case errors.As(err, &missing):
			// Somebody deleted it since the repository was read; it is counted with
			// what changed.
			s.refuse(i, err)
			err = nil
		case fatal(ctx, err):
			s.fail(i, policy.VerdictArchive, err)
			err = fmt.Errorf("repository %s: %w", g.Repository.Name, err)
		case denied != nil:
			s.fail(i, policy.VerdictArchive, denied)
			err = nil
		default:
			s.fail(i, policy.VerdictArchive, err)
			err = nil
		}
		if err := errors.Join(err, s.ledger.after(ctx, number, []journal.Outcome{outcome})); err != nil {
			return err
		}
		if denied != nil {
			return s.denied(ctx, images[n+1:], denied)
		}
	}
	return nil
}

// left is how many images are still condemned and were not asked for.
func (s *sweep) left() (n int) {
	for i, v := range s.judged.Verdicts {
		if (v == policy.VerdictDelete || v == policy.VerdictArchive) && !s.asked[i] {
			n++
		}
	}
	return n
}

// fail notes that an image is still there, and what was asked for.
func (s *sweep) fail(i int32, asked policy.Verdict, err error) {
	s.report.Failures = append(s.report.Failures, plan.Failure{
		Digest: s.judged.Graph.Images[i].Digest, Archive: asked == policy.VerdictArchive, Detail: err.Error(),
	})
}
