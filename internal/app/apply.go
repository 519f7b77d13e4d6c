package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/registry"
)

// applyWidth is how many repositories are changed at the same time.
const applyWidth = 16

// OpenWriter opens the registry of this name for changing.
type OpenWriter func(ctx context.Context, registry string) (registry.Writer, error)

// MismatchError says that a saved plan does not belong to this run.
type MismatchError struct{ What, Planned, Now string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the saved plan was made with another %s (%s, and this is %s): make a new plan", e.What, e.Planned, e.Now)
}

// Check reports whether a saved plan belongs to this run: same format, version,
// configuration and registries. The error is a *MismatchError.
func (a *App) Check(p *plan.Plan) error {
	for _, c := range []MismatchError{
		{"format", p.Schema, plan.Schema}, {"version of regsweep", p.Tool, a.Version}, {"configuration", p.Config, a.ConfigHash},
	} {
		if c.Planned != c.Now {
			return &c
		}
	}
	for _, reg := range p.Registries {
		reader := a.reader(reg.Name)
		if reader == nil {
			return &MismatchError{"set of registries", reg.Name, "not among those of this run"}
		}
		if host := reader.Identity().Host; host != reg.Host {
			return &MismatchError{"registry " + reg.Name, reg.Host, host}
		}
	}
	return nil
}

func (a *App) reader(name string) registry.Reader {
	for _, r := range a.Readers {
		if r.Identity().Name == name {
			return r
		}
	}
	return nil
}

// Apply deletes and archives what the plan says, after reading usage and images
// again: what is no longer condemned, or whose digest, tags or family changed,
// is left. It marks what the plan would mark, and takes marks from what is kept.
// The report is there also where the error is not nil, and says what was done
// until then.
func (a *App) Apply(ctx context.Context, p *plan.Plan, open OpenWriter) (*plan.Report, error) {
	report := &plan.Report{Schema: plan.ReportSchema, Repositories: []plan.RepositoryReport{}}
	if !p.Totals.Acts() {
		return report, nil
	}
	if !a.remembers() {
		warnings, err := a.remember(ctx)
		if err != nil {
			return report, err
		}
		for _, warning := range warnings {
			a.Log.Warn(warning)
		}
	}
	w := &watch{app: a, turn: make(chan struct{}, 1)}
	var err error
	if w.run, err = a.begin(ctx, p); err != nil {
		return report, err
	}
	report.Plan, report.Run = w.run.Plan(), w.run.ID()
	k, err := w.current(ctx)
	if err != nil {
		return report, a.end(ctx, w.run, report, err)
	}
	report.Held = k.any
	for _, g := range k.gaps {
		report.Gaps = append(report.Gaps, g.String())
	}
	err = a.applyAll(ctx, p, open, w, report)
	report.Finish()
	return report, a.end(ctx, w.run, report, err)
}

// watch is what is in use while a plan is applied. It is read again when what is
// known is older than the recheck of the run, since deployments go on meanwhile.
type watch struct {
	app *App
	// run is the journal; it may be nil.
	run *journal.Run
	// turn is held by the one that reads, and by who looks.
	turn chan struct{}
	k    *known
	at   time.Time
}

// current returns what is in use, as of the last recheck at the earliest.
func (w *watch) current(ctx context.Context) (*known, error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-w.turn }()
	if w.k != nil && w.app.Now().Sub(w.at) < w.app.Recheck && (w.app.Fresh == nil || w.app.Fresh(w.at)) {
		return w.k, nil
	}
	at := w.app.Now()
	k, err := w.app.learn(ctx)
	if err != nil {
		return nil, err
	}
	w.k, w.at = k, at
	return k, nil
}

// applyAll applies the plan to all repositories, several at a time. It returns
// only when none is being changed any more.
func (a *App) applyAll(ctx context.Context, p *plan.Plan, open OpenWriter, w *watch, report *plan.Report) error {
	affected := 0
	for _, reg := range p.Registries {
		affected += len(acting(reg))
	}
	a.Progress.applying(affected, p.Totals.Delete+p.Totals.Archive+p.Totals.Condemn+p.Totals.Unmark)

	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(applyWidth)
	for _, reg := range p.Registries {
		planned := acting(reg)
		if len(planned) == 0 {
			continue
		}
		reader := a.reader(reg.Name)
		current, err := a.current(ctx, reader, planned)
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		writer, err := open(ctx, reg.Name)
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		for _, repo := range planned {
			group.Go(func() error {
				r := plan.RepositoryReport{Registry: reg.Name, Name: repo.Name}
				err := a.applyRepository(ctx, reader, writer, current[repo.Name], repo, w, &r)
				mu.Lock()
				report.Repositories = append(report.Repositories, r)
				mu.Unlock()
				a.Progress.finished()
				return err
			})
		}
	}
	return group.Wait()
}

// acting returns the repositories in which something is to be done.
func acting(reg plan.Registry) (list []*plan.Repository) {
	for i := range reg.Repositories {
		if reg.Repositories[i].Totals.Acts() {
			list = append(list, &reg.Repositories[i])
		}
	}
	return list
}

// current lists the planned repositories as they are now, with their tags.
func (a *App) current(ctx context.Context, reader registry.Reader, planned []*plan.Repository) (map[string]image.Repository, error) {
	names := map[string]bool{}
	for _, r := range planned {
		names[r.Name] = true
	}
	list, err := reader.Repositories(ctx, func(name string) bool { return names[name] }, a.Policy.NeedsRepositoryTags())
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", reader.Identity().Name, err)
	}
	now := map[string]image.Repository{}
	for _, r := range list {
		now[r.Name] = r
	}
	return now, nil
}

// stillFresh is how old the reading of a repository may be when something of it
// is deleted. Most repositories are done within it.
const stillFresh = 30 * time.Second

// rechecker returns what a sweep calls before each deletion: it reads usage and
// images again where what is known is too old, and spares what has changed. k is
// what was known, and readAt when the repository was read, at the judgement.
func (a *App) rechecker(reader registry.Reader, repo image.Repository, w *watch, k *known, readAt time.Time, s *sweep) func(context.Context) error {
	return func(ctx context.Context) error {
		now, err := w.current(ctx)
		if err != nil {
			return err
		}
		if now != k {
			if gaps := now.covering(repo.Name); len(gaps) > 0 {
				return &gapError{gaps[0].String()}
			}
			k = now
			s.judged.Spare(k.uses)
		}
		at := a.Now()
		if at.Sub(readAt) < stillFresh {
			return nil
		}
		contents, err := reader.Read(ctx, repo, false)
		if err != nil {
			if fatal(ctx, err) {
				return fmt.Errorf("repository %s: %w", repo.Name, err)
			}
			return &gapError{err.Error()}
		}
		s.judged.SpareChanged(graph.Build(contents), func(i int32) bool { return s.gone[i] })
		readAt = at
		return nil
	}
}

// gapError says that something could not be read again while the plan was
// applied, so that the repository is left as it is by then.
type gapError struct{ detail string }

func (e *gapError) Error() string {
	return "stopped, since it could not be read again: " + e.detail
}

// applyRepository judges one repository anew and deletes what both the plan and
// the new judgement condemn. What concerns this repository alone is in r.
func (a *App) applyRepository(ctx context.Context, reader registry.Reader, writer registry.Writer, repo image.Repository, planned *plan.Repository, w *watch, r *plan.RepositoryReport) error {
	total := planned.Totals.Delete + planned.Totals.Archive
	if repo.Name == "" {
		r.Changed, r.Gap = total, "the repository is gone"
		return nil
	}
	k, err := w.current(ctx)
	if err != nil {
		r.Left = total
		return err
	}
	readAt := a.Now()
	judged, _, err := a.judgeOne(ctx, reader, repo, func() (*known, error) { return k, nil })
	if err != nil {
		if fatal(ctx, err) {
			r.Left = total
			return fmt.Errorf("repository %s: %w", repo.Name, err)
		}
		r.Gap, r.Held = err.Error(), true
		return nil
	}
	if err := judged.Confirm(planned, a.Policy.Limits()); err != nil {
		return fmt.Errorf("repository %s: %w", repo.Name, err)
	}
	l := &ledger{run: w.run, registry: r.Registry, judged: judged, writer: writer, guard: a.guard}
	l.noManifests = func(err error) {
		a.Log.Warn("manifests not in the journal, so regsweep restore cannot put these images back", "registry", r.Registry, "repository", repo.Name, "error", err)
	}
	l.families()
	defer w.run.Finished(r.Registry, repo.Name)
	s := sweep{writer: writer, ledger: l, judged: judged, report: r, progress: a.Progress, gone: make([]bool, len(judged.Verdicts)), asked: make([]bool, len(judged.Verdicts))}
	s.recheck = a.rechecker(reader, repo, w, k, readAt, &s)
	r.Held = judged.HeldBack()
	marks := newMarker(tagged{writer, l}, judged, r, a.Progress, a.Now)
	// What is kept comes first: whatever ends this run, it needs its mark no more.
	if err = marks.revoke(ctx); err == nil {
		err = s.run(ctx)
	}
	if err == nil {
		err = marks.condemn(ctx)
	}
	var gap *gapError
	if errors.As(err, &gap) {
		r.Gap, r.Held, err = gap.Error(), true, nil
	}
	if host := reader.Identity().Host; a.unfinished.Follows(host, repo.Name) {
		for _, i := range s.deleted {
			a.unfinished.Gone(host, repo.Name, judged.Graph.Images[i].Digest)
		}
	}
	if len(s.deleted) > 0 {
		document, storeErr := a.Store.PutList(s.list)
		if storeErr != nil {
			return errors.Join(err, storeErr)
		}
		r.Images = document
	}
	// Of what is neither gone nor failed, it, its family or what is in use is not as
	// it was planned, or it was not its turn.
	r.DoneBefore = judged.DoneBefore()
	if r.Gap == "" {
		r.Left = s.left()
	}
	r.Changed = total - r.DoneBefore - r.Deleted - r.Archived - r.Undeleted() - r.Left
	r.BytesFreed, r.BytesFreedAtMost = judged.Freed(func(i int) bool { return s.gone[i] })
	return errors.Join(err, s.listChanged(planned, a.Store))
}
