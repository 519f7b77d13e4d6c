package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// judgement is what became of one repository.
type judgement struct {
	repository *plan.Repository
	warnings   []string
	// followers is how many images follow an index although its rule does not
	// select their tags, and follower one of them.
	followers int
	follower  string
	err       error
}

// judgeAll lists the repositories of all registries and judges them, many at a
// time. They are read while the usage sources still are; a judgement waits for
// those.
func (a *App) judgeAll(ctx context.Context, wait func() (*known, error), out *Outcome) error {
	lists := make([][]image.Repository, len(a.Readers))
	names := make([][]string, len(a.Readers)) // of all repositories, selected or not
	readers := make([]*timed, len(a.Readers))
	group, listCtx := errgroup.WithContext(ctx)
	for i, reader := range a.Readers {
		readers[i] = newTimed(reader, a.Now)
		group.Go(func() (err error) {
			registry := reader.Identity().Name
			lists[i], err = reader.Repositories(listCtx, func(name string) bool {
				names[i] = append(names[i], name)
				return a.selects(registry, name)
			}, a.Policy.NeedsRepositoryTags())
			if err != nil {
				return fmt.Errorf("registry %s: %w", registry, err)
			}
			a.Progress.found(len(lists[i]))
			a.unfinished.Listed(reader.Identity().Host, func(name string) bool { return slices.Contains(names[i], name) })
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}

	results := make([][]judgement, len(a.Readers))
	group, readCtx := errgroup.WithContext(ctx)
	group.SetLimit(readAhead)
	for i, reader := range readers {
		results[i] = make([]judgement, len(lists[i]))
		for n, repo := range lists[i] {
			group.Go(func() error {
				j, err := a.judge(readCtx, reader, repo, wait)
				results[i][n] = j
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, reader := range readers {
		a.readOf(reader, len(names[i]))
	}
	k, err := wait()
	if err != nil {
		return err
	}
	out.Plan.Warnings = append(out.Plan.Warnings, a.unmatched(names)...)
	out.Plan.Warnings = append(out.Plan.Warnings, a.unplaced(k, names)...)
	return a.collect(lists, results, out)
}

// selects reports whether the run is about a repository.
func (a *App) selects(registry, repository string) bool {
	return a.Repositories.Match(repository) && a.Shard.Has(registry, repository)
}

// unplaced warns of uses of repositories that are not there.
func (a *App) unplaced(k *known, names [][]string) (warnings []string) {
	there := map[[2]string]bool{}
	for i, list := range names {
		for _, name := range list {
			there[[2]string{a.Readers[i].Identity().Name, name}] = true
		}
	}
	for _, u := range k.uses.Unplaced(func(registry, repository string) bool { return there[[2]string{registry, repository}] }) {
		warnings = append(warnings, fmt.Sprintf("%s is in use by %s, and its repository is not there", u.Reference, u.Holder))
	}
	return warnings
}

// judge reads and judges one repository. The error ends the run; what concerns
// this repository alone is in the judgement.
func (a *App) judge(ctx context.Context, reader registry.Reader, repo image.Repository, wait func() (*known, error)) (judgement, error) {
	judged, k, err := a.judgeOne(ctx, reader, repo, wait)
	if err != nil {
		if fatal(ctx, err) {
			return judgement{}, fmt.Errorf("repository %s: %w", repo.Name, err)
		}
		a.Log.Warn("repository not read", "registry", repo.Registry, "repository", repo.Name, "error", err)
		return judgement{err: err}, nil
	}
	a.Progress.judged(len(judged.Graph.Images))
	j := judgement{repository: judged.Repository(a.All)}
	if err := j.repository.Move(a.Store.Put); err != nil {
		return judgement{}, fmt.Errorf("repository %s: %w", repo.Name, err)
	}
	if n, img, rule := judged.Followers(); n > 0 {
		tag := a.Policy.Ordinary(img.Tags)[0]
		j.followers, j.follower = n, fmt.Sprintf("%s/%s:%s, by rule %s", repo.Registry, repo.Name, tag, rule)
	}
	for _, u := range judged.Result.Missing {
		j.warnings = append(j.warnings, fmt.Sprintf("%s/%s: %s is in use by %s and is not there", repo.Registry, repo.Name, u.Reference, u.Holder))
	}
	j.warnings = append(j.warnings, archivedInUse(judged.Graph, k.uses, reader.Identity().Host)...)
	for _, g := range judged.Result.Gaps {
		if g.Source == "" {
			j.warnings = append(j.warnings, fmt.Sprintf("%s/%s: %s", repo.Registry, repo.Name, g.Detail))
		}
	}
	return j, nil
}

// judgeOne reads and judges one repository, and returns by what uses.
func (a *App) judgeOne(ctx context.Context, reader registry.Reader, repo image.Repository, wait func() (*known, error)) (*plan.Judged, *known, error) {
	contents, err := reader.Read(ctx, repo, a.ExactSizes)
	if err != nil {
		return nil, nil, err
	}
	k, err := wait()
	if err != nil {
		return nil, nil, err
	}
	if !a.ExactSizes && k.uses.NeedManifests(repo.Registry, repo.Name) {
		if contents, err = reader.Read(ctx, repo, true); err != nil {
			return nil, nil, err
		}
	}
	g, host := graph.Build(contents), reader.Identity().Host
	a.unfinished.Look(host, repo.Name, func(d image.Digest) bool {
		_, there := g.Find(d)
		return there
	})
	result := a.Policy.Evaluate(policy.Input{
		Graph: g, Now: image.At(a.Judge()), Uses: k.uses, Gaps: k.covering(repo.Name), Unfinished: a.unfinished.Of(host, repo.Name),
	})
	return plan.Judge(g, result, a.Policy.Limits()), k, nil
}

// fatal reports whether an error concerns more than one repository.
func fatal(ctx context.Context, err error) bool {
	var credentials *awsapi.CredentialsError
	var unwritten *journal.WriteError
	var guarded *GuardError
	return ctx.Err() != nil || errors.As(err, &credentials) || errors.As(err, &unwritten) || errors.As(err, &guarded)
}

// GuardError says that a run may change nothing any more.
type GuardError struct{ Err error }

// Error tells why.
func (e *GuardError) Error() string { return e.Err.Error() }

// Unwrap returns what the guard said.
func (e *GuardError) Unwrap() error { return e.Err }

// guard asks whether the next call that changes something may be made.
func (a *App) guard() error {
	if a.Guard == nil {
		return nil
	}
	if err := a.Guard(); err != nil {
		return &GuardError{err}
	}
	return nil
}

// collect puts the judgements into the plan.
func (a *App) collect(lists [][]image.Repository, results [][]judgement, out *Outcome) error {
	total, unread, followers, follower := 0, 0, 0, ""
	var first error
	for i, reader := range a.Readers {
		id := reader.Identity()
		reg := plan.Registry{Name: id.Name, Host: id.Host, Repositories: []plan.Repository{}}
		for n, j := range results[i] {
			total++
			name := lists[i][n].Name
			out.Plan.Warnings = append(out.Plan.Warnings, j.warnings...)
			if followers += j.followers; follower == "" {
				follower = j.follower
			}
			if j.err != nil {
				unread++
				first = cmpFirst(first, fmt.Errorf("repository %s: %w", name, j.err))
				out.Gaps = true
				reg.Repositories = append(reg.Repositories, plan.Unread(name, j.err.Error()))
				continue
			}
			reg.Repositories = append(reg.Repositories, *j.repository)
		}
		out.Plan.Registries = append(out.Plan.Registries, reg)
	}
	if followers > 0 {
		out.Plan.Warnings = append(out.Plan.Warnings, fmt.Sprintf(
			"images that go with an index although its rule does not select their own tags: %d, such as %s. Rules look at the index alone; protect the tags of what is to stay",
			followers, follower))
	}
	if unread > 0 && unread == total {
		return first
	}
	return nil
}

// unmatched warns of patterns that match no repository. A mistyped exclusion
// protects nothing, and a mistyped "covers" holds nothing when its source fails.
func (a *App) unmatched(names [][]string) []string {
	all := slices.Concat(names...)
	warnings := a.Policy.Unmatched(all)
	if !slices.ContainsFunc(all, a.Repositories.Match) && len(all) > 0 {
		warnings = append(warnings, "--repository matches no repository")
	}
	for _, s := range a.Sources {
		for _, glob := range s.Covers {
			r, errs := policy.CompileRepositories([]string{strings.TrimPrefix(glob, "!")})
			if len(errs) == 0 && !slices.ContainsFunc(all, r.Match) {
				warnings = append(warnings, fmt.Sprintf("covers of usage source %s: %q matches no repository", s.Source.Name(), glob))
			}
		}
	}
	return warnings
}

func cmpFirst(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
