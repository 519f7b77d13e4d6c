package app

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/tagging"
	"github.com/regsweep/regsweep/internal/usage"
)

// tagWidth is how many repositories are tagged at the same time. ECR takes 10
// tags a second of all of them together.
const tagWidth = 16

// OpenTagger opens the registry of this name for giving and taking tags.
type OpenTagger func(ctx context.Context, registry string) (registry.Tagger, error)

// Tagging is what a run marks, and how.
type Tagging struct {
	tagging.Spec
	// Sources and Namespaces narrow the run to usage sources and to namespaces
	// whose names match one of these globs; none means all. What is in no
	// namespace matches no glob of namespaces.
	Sources, Namespaces []string
	// Open opens the registries that have something to tag. Without it nothing is
	// changed, and the report says what would be.
	Open OpenTagger
}

// ErrNothingSeen says that there is nothing to tag by.
var ErrNothingSeen = errors.New("what the usage sources see is tagged, and the configuration says that there are none (usage: none)")

// NarrowError says that a glob that narrows a run matches nothing.
type NarrowError struct {
	// Flag is what was to be narrowed, "source" or "namespace".
	Flag, Glob string
	// Known are the names of the sources that could be meant.
	Known []string
}

func (e *NarrowError) Error() string {
	if e.Flag == "namespace" {
		return fmt.Sprintf("--namespace %s: no usage source that is read has namespaces, only %s", e.Glob, strings.Join(e.Known, ", "))
	}
	return fmt.Sprintf("--source %s: there is no such usage source, only %s", e.Glob, strings.Join(e.Known, ", "))
}

// Tag marks every image that is in use. The report is there also where the error
// is not nil, and says what was done until then. gap says that a source could not
// be read completely, so that something may be in use without a mark.
func (a *App) Tag(ctx context.Context, t Tagging) (report *tagging.Report, gap bool, err error) {
	report = a.newTagReport(t)
	narrowed, err := a.narrow(t)
	if err != nil {
		return report, false, err
	}
	result, err := narrowed.CollectUsage(ctx)
	if err != nil {
		return report, false, err
	}
	for _, warning := range result.Warnings {
		a.Log.Warn("memory of earlier runs", "error", warning)
	}
	report.Sources = planSources(result)
	report.Warnings = narrowed.emptyNamespaces(result.Snapshot.Uses, t.Namespaces)
	seen, err := a.tagSeen(t, result)
	seen.part = len(narrowed.Sources) < len(a.Sources)
	uses := slices.DeleteFunc(result.Snapshot.Uses, func(u image.Use) bool { return !narrowed.inNamespaces(u, t.Namespaces) })
	if err == nil {
		err = a.tagUses(ctx, t, uses, seen, nil, report)
	}
	return report, len(result.Gaps) > 0, err
}

// tagSeen is what is known beside the uses that are to be marked.
type tagSeen struct {
	// gaps could hide others.
	gaps []coveredGap
	// deployed are the marks, and tags that look like marks, by which something is
	// deployed, whether it is to be marked or not, and by whom.
	deployed map[place]map[string]string
	// part says that not all uses were looked at, so that any mark may be such a tag.
	part bool
}

// tagSeen returns what a reading of the sources knows.
func (a *App) tagSeen(t Tagging, result *usage.Result) (seen tagSeen, err error) {
	seen.deployed = map[place]map[string]string{}
	a.addDeployed(seen.deployed, t.Tag, result.Snapshot.Uses)
	seen.gaps, err = coveredGaps(result)
	return seen, err
}

// addDeployed adds the marks by which something is deployed.
func (a *App) addDeployed(deployed map[place]map[string]string, mark policy.Tag, uses []image.Use) {
	for _, u := range uses {
		ref, err := image.ParseReference(u.Reference)
		if err != nil || ref.Tag == "" {
			continue // it names no tag
		}
		if _, dated := mark.UsedAt(ref.Tag); !dated && ref.Tag != mark.Name {
			continue
		}
		for _, name := range a.holders(ref) {
			at := place{name, ref.Repository}
			if deployed[at] == nil {
				deployed[at] = map[string]string{}
			}
			if holder, ok := deployed[at][ref.Tag]; !ok || u.Holder < holder {
				deployed[at][ref.Tag] = u.Holder
			}
		}
	}
}

func (a *App) newTagReport(t Tagging) *tagging.Report {
	return &tagging.Report{Schema: tagging.Schema, CreatedAt: image.At(a.Now()) / 1000 * 1000, DryRun: t.Open == nil}
}

// narrow returns the run over the sources that are meant.
func (a *App) narrow(t Tagging) (*App, error) {
	switch {
	case len(a.Sources) == 0 && a.UsageNone:
		return nil, ErrNothingSeen
	case len(a.Sources) == 0:
		return nil, ErrNoUsage
	}
	narrowed := *a
	narrowed.Sources = nil
	var names []string
	for _, s := range a.Sources {
		names = append(names, s.Source.Name())
		if len(t.Sources) == 0 || matchesGlob(t.Sources, s.Source.Name()) {
			narrowed.Sources = append(narrowed.Sources, s)
		}
	}
	for _, glob := range t.Sources {
		if !slices.ContainsFunc(names, func(name string) bool { return matchesGlob([]string{glob}, name) }) {
			return nil, &NarrowError{"source", glob, names}
		}
	}
	if len(t.Namespaces) > 0 && !slices.ContainsFunc(narrowed.Sources, func(e usage.Entry) bool { _, ok := e.Source.(usage.Namespaced); return ok }) {
		return nil, &NarrowError{"namespace", t.Namespaces[0], names}
	}
	// The gap of a source that is not read does not matter.
	narrowed.Usage.IgnoreGaps = slices.DeleteFunc(slices.Clone(a.Usage.IgnoreGaps), func(name string) bool {
		return slices.Contains(names, name) &&
			!slices.ContainsFunc(narrowed.Sources, func(e usage.Entry) bool { return e.Source.Name() == name })
	})
	return &narrowed, nil
}

// matchesGlob reports whether a name matches one of the globs, in which "*"
// stands for anything and a name without a part stands for all its parts:
// "kubernetes" for "kubernetes/prod".
func matchesGlob(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		whole := name
		if first, _, ok := strings.Cut(name, "/"); ok && !strings.Contains(glob, "/") {
			whole = first
		}
		ok, err := path.Match(glob, whole)
		return err == nil && ok
	})
}

// inNamespaces reports whether a use is in one of the namespaces that are meant.
func (a *App) inNamespaces(u image.Use, globs []string) bool {
	if len(globs) == 0 {
		return true
	}
	for _, e := range a.Sources {
		if e.Source.Name() != u.Source {
			continue
		}
		s, ok := e.Source.(usage.Namespaced)
		if !ok {
			return false
		}
		namespace := s.Namespace(strings.TrimPrefix(u.Holder, u.Source+"/"))
		return slices.ContainsFunc(globs, func(glob string) bool {
			ok, err := path.Match(glob, namespace)
			return err == nil && ok && namespace != ""
		})
	}
	return false
}

// emptyNamespaces warns of globs of namespaces in which nothing is in use: one
// that is misspelt would leave everything without a mark.
func (a *App) emptyNamespaces(uses []image.Use, globs []string) (warnings []string) {
	for _, glob := range globs {
		if !slices.ContainsFunc(uses, func(u image.Use) bool { return a.inNamespaces(u, []string{glob}) }) {
			warnings = append(warnings, fmt.Sprintf("--namespace %s: nothing is in use in such a namespace", glob))
		}
	}
	return warnings
}

// place is a repository of a registry.
type place struct{ registry, repository string }

// tagUses marks what the uses name. only narrows it to these repositories, which
// are not looked for in a list of all; nil is all that they name.
func (a *App) tagUses(ctx context.Context, t Tagging, uses []image.Use, seen tagSeen, only map[place]bool, report *tagging.Report) error {
	indexed, err := policy.NewUses(uses, a.holders)
	if err != nil {
		return err
	}
	defer report.Finish()
	var mu sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(tagWidth)
	var there []string // the repositories of all registries that are read
	for _, reader := range a.Readers {
		name := reader.Identity().Name
		if !indexed.NamesAny(name) {
			continue
		}
		repositories, warnings, err := a.repositories(ctx, reader, indexed, only, func(repo string) { there = append(there, repo) })
		if err != nil {
			return errors.Join(fmt.Errorf("registry %s: %w", name, err), group.Wait())
		}
		at := len(report.Registries)
		mu.Lock()
		report.Registries = append(report.Registries, tagging.Registry{Name: name, Host: reader.Identity().Host, Repositories: []tagging.Repository{}})
		report.Warnings = append(report.Warnings, warnings...)
		mu.Unlock()
		open := sync.OnceValues(func() (registry.Tagger, error) { return t.Open(ctx, name) })
		a.Progress.found(len(repositories))
		for _, repo := range repositories {
			group.Go(func() error {
				run := &tagRun{app: a, spec: t.Spec, repo: repo, reader: reader, seen: &seen, gaps: covering(seen.gaps, repo.Name), result: tagging.Repository{Name: repo.Name, Images: []tagging.Image{}}}
				if t.Open != nil {
					run.open = open
				}
				err := run.all(groupCtx, indexed)
				mu.Lock()
				defer mu.Unlock()
				report.Registries[at].Repositories = append(report.Registries[at].Repositories, run.result)
				report.Warnings = append(report.Warnings, run.warnings...)
				return err
			})
		}
	}
	if len(there) > 0 && len(report.Registries) == len(a.Readers) && !slices.ContainsFunc(there, a.Repositories.Match) {
		mu.Lock()
		report.Warnings = append(report.Warnings, "--repository matches no repository")
		mu.Unlock()
	}
	return group.Wait()
}

// repositories returns those that the uses name, and warnings of those that are
// not there. seen gets the names of all that are.
func (a *App) repositories(ctx context.Context, reader registry.Reader, uses *policy.Uses, only map[place]bool, seen func(repository string)) (list []image.Repository, warnings []string, err error) {
	name := reader.Identity().Name
	if only != nil {
		for p := range only {
			if p.registry == name && a.selects(name, p.repository) {
				list = append(list, image.Repository{Registry: name, Name: p.repository})
			}
		}
		return list, nil, nil
	}
	exists := map[string]bool{}
	list, err = reader.Repositories(ctx, func(repo string) bool {
		exists[repo] = true
		seen(repo)
		return uses.Names(name, repo) && a.selects(name, repo)
	}, false)
	return list, gone(uses, name, exists, a.selects), err
}

// gone warns of uses of repositories that are not there.
func gone(uses *policy.Uses, name string, exists map[string]bool, selects func(registry, repository string) bool) (warnings []string) {
	for _, u := range uses.Unplaced(func(registry, repository string) bool {
		return registry != name || exists[repository] || !selects(registry, repository)
	}) {
		warnings = append(warnings, fmt.Sprintf("%s is in use by %s, and its repository is not there", u.Reference, u.Holder))
	}
	return warnings
}
