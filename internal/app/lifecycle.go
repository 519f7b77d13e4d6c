package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/lifecycle"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// lifecycleWidth is how many repositories are previewed at the same time.
const lifecycleWidth = 16

// OpenLifecycle opens the lifecycle policies of the registry of this name.
type OpenLifecycle func(ctx context.Context, registry string) (registry.LifecycleReader, error)

// Previewing is which lifecycle policies a run evaluates, and how.
type Previewing struct {
	// Open opens the policies of a registry.
	Open OpenLifecycle
	// Text is the policy of every repository; "" means that which each has.
	Text string
	// Compile has, by registry and repository, what takes the place of Text; it
	// may be nil.
	Compile map[[2]string]string
	// Uncompiled has, in the same way, what could not be read to compile one.
	Uncompiled map[[2]string]error
	// Native asks the registry for its own preview too.
	Native bool
}

// PreviewLifecycle evaluates lifecycle policies on the images of the registries.
// A repository of which something cannot be read has an error in the report. gaps
// says that something may be in use, unknown, where a policy acts.
func (a *App) PreviewLifecycle(ctx context.Context, p Previewing) (report *lifecycle.Report, gaps bool, err error) {
	k, err := a.learn(ctx)
	if err != nil {
		return nil, false, err
	}
	report = &lifecycle.Report{Schema: lifecycle.ReportSchema, Repositories: []lifecycle.RepositoryReport{}}
	for _, reader := range a.Readers {
		id := reader.Identity()
		policies, err := p.Open(ctx, id.Name)
		if err != nil {
			return nil, false, err
		}
		repositories, err := a.lifecycleRepositories(ctx, reader)
		if err != nil {
			return nil, false, err
		}
		reports := make([]lifecycle.RepositoryReport, len(repositories))
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(lifecycleWidth)
		for i, repo := range repositories {
			group.Go(func() error {
				reports[i] = lifecycle.RepositoryReport{Registry: id.Name, Host: id.Host, Name: repo.Name}
				err := a.previewOne(groupCtx, reader, policies, repo, k, p, &reports[i])
				if err != nil && fatal(groupCtx, err) {
					return fmt.Errorf("repository %s: %w", repo.Name, err)
				}
				if err != nil {
					reports[i].Error = err.Error()
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return nil, false, err
		}
		report.Repositories = append(report.Repositories, reports...)
	}
	for i := range report.Repositories {
		r := &report.Repositories[i]
		report.Totals.Add(r.Totals)
		gaps = gaps || len(r.Gaps) > 0 && r.Totals.Expire+r.Totals.Archive > 0
	}
	return report, gaps, nil
}

// lifecycleRepositories lists the repositories that the run is about.
func (a *App) lifecycleRepositories(ctx context.Context, reader registry.Reader) ([]image.Repository, error) {
	name := reader.Identity().Name
	list, err := reader.Repositories(ctx, func(repo string) bool { return a.selects(name, repo) }, false)
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", name, err)
	}
	a.Progress.found(len(list))
	return list, nil
}

// previewOne evaluates the policy of one repository.
func (a *App) previewOne(ctx context.Context, reader registry.Reader, policies registry.LifecycleReader, repo image.Repository, k *known, p Previewing, out *lifecycle.RepositoryReport) error {
	if err := p.Uncompiled[[2]string{repo.Registry, repo.Name}]; err != nil {
		return err
	}
	text := p.Text
	if compiled, ok := p.Compile[[2]string{repo.Registry, repo.Name}]; ok {
		text = compiled
	}
	current, err := policies.LifecyclePolicy(ctx, repo.Name)
	if err != nil {
		return err
	}
	own := text == "" && p.Compile == nil
	if own {
		text = current
	}
	out.Text, out.Replaces = text, !own && current != "" && current != text
	if text == "" {
		a.Progress.judged(0)
		return nil
	}
	parsed, mistakes := lifecycle.Parse([]byte(text))
	if len(mistakes) > 0 {
		return &PolicyError{Mistakes: mistakes}
	}
	for i := range parsed.Rules {
		out.Rules = append(out.Rules, fmt.Sprintf("%d: %s", parsed.Rules[i].Priority, parsed.Rules[i].Describe()))
	}
	g, err := a.lifecycleGraph(ctx, reader, repo, k)
	if err != nil {
		return err
	}
	in := lifecycle.ReportInput{
		Input:  lifecycle.Input{Graph: g, Now: image.At(a.Judge()), Times: map[image.Digest]lifecycle.Times{}},
		Policy: parsed, UsesOf: k.uses.Of(g), All: a.All,
	}
	times, err := policies.StorageTimes(ctx, repo.Name)
	if err != nil {
		return err
	}
	for d, t := range times {
		in.Times[d] = lifecycle.Times(t)
	}
	if p.Native {
		if in.Native, err = native(ctx, policies, repo.Name, text); err != nil {
			return err
		}
	}
	for _, gap := range k.covering(repo.Name) {
		out.Gaps = append(out.Gaps, gap.String())
	}
	for _, i := range slices.Sorted(maps.Keys(g.Unreadable)) {
		out.Gaps = append(out.Gaps, fmt.Sprintf("the index %s cannot be read, so what it lists is not known: %s", g.Images[i].Digest, g.Unreadable[i]))
	}
	out.Images, out.Totals = lifecycle.Images(in)
	a.Progress.judged(len(g.Images))
	return nil
}

// PolicyError says that the policy of a repository cannot be read.
type PolicyError struct{ Mistakes []lifecycle.Mistake }

func (e *PolicyError) Error() string {
	text := "its lifecycle policy cannot be read: " + e.Mistakes[0].String()
	if more := len(e.Mistakes) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// lifecycleGraph reads the images of a repository, with what is needed to find
// those in use.
func (a *App) lifecycleGraph(ctx context.Context, reader registry.Reader, repo image.Repository, k *known) (*graph.Graph, error) {
	contents, err := reader.Read(ctx, repo, k.uses.NeedManifests(repo.Registry, repo.Name))
	if err != nil {
		return nil, err
	}
	return graph.Build(contents), nil
}

// native asks the registry what a policy would do.
func native(ctx context.Context, policies registry.LifecycleReader, repository, text string) (map[image.Digest]lifecycle.Action, error) {
	actions, err := policies.PreviewLifecyclePolicy(ctx, repository, text)
	if err != nil {
		return nil, err
	}
	found := map[image.Digest]lifecycle.Action{}
	for _, action := range actions {
		found[action.Digest] = lifecycle.Expire
		if action.Archive {
			found[action.Digest] = lifecycle.Transition
		}
	}
	return found, nil
}

// CompiledRepository is what became of the rules for one repository.
type CompiledRepository struct {
	Registry, Name string
	lifecycle.Compiled
	// Withheld says why there is no policy although the rules could be expressed,
	// or is "".
	Withheld string
	// Unread is why the images could not be read, where that is the reason.
	Unread error
}

// CompileLifecycle compiles the rules of a configuration for each repository. It
// tries each policy on the images that are there: one that would expire, now or
// when they are older, what the rules keep is withheld. open opens the policies of
// a registry; with Plain they say what was restored from the archive.
func (a *App) CompileLifecycle(ctx context.Context, spec policy.Spec, o lifecycle.CompileOptions, open OpenLifecycle) ([]CompiledRepository, error) {
	check, err := newLifecycleCheck(spec)
	if err != nil {
		return nil, err
	}
	var all []CompiledRepository
	for _, reader := range a.Readers {
		// The tags of repositories are read: rules go by them.
		name := reader.Identity().Name
		list, err := reader.Repositories(ctx, func(repo string) bool { return a.selects(name, repo) }, a.Policy.NeedsRepositoryTags())
		if err != nil {
			return nil, fmt.Errorf("registry %s: %w", name, err)
		}
		policies, err := open(ctx, name)
		if err != nil {
			return nil, err
		}
		a.Progress.found(len(list))
		compiled := make([]CompiledRepository, len(list))
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(lifecycleWidth)
		for i, repo := range list {
			group.Go(func() error {
				c := CompiledRepository{Registry: name, Name: repo.Name, Compiled: lifecycle.Compile(spec, repo.Name, o)}
				defer func() { compiled[i] = c }()
				if c.Policy == nil {
					a.Progress.judged(0)
					return nil
				}
				contents, err := reader.Read(groupCtx, repo, false)
				var times map[image.Digest]registry.StorageTimes
				if err == nil && o.Plain && c.Policy.Counts() {
					times, err = policies.StorageTimes(groupCtx, repo.Name)
				}
				if err != nil && fatal(groupCtx, err) {
					return fmt.Errorf("repository %s: %w", repo.Name, err)
				}
				if err != nil {
					c.Unread = err
					c.Withheld = fmt.Sprintf("its images cannot be read, so that the policy was not tried on them: %v", err)
				} else {
					c.Withheld = check.of(c.Policy, contents, times, image.At(a.Judge()), o)
					a.Progress.judged(len(contents.Images))
				}
				if c.Withheld != "" {
					c.Policy = nil
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		all = append(all, compiled...)
	}
	return all, nil
}

// lifecycleCheck tries compiled policies on images.
type lifecycleCheck struct {
	policy *policy.Policy
	limits policy.Limits
	none   *policy.Uses
}

// newLifecycleCheck compiles the rules alone: no uses, no limits, no grace.
func newLifecycleCheck(spec policy.Spec) (*lifecycleCheck, error) {
	const unlimited = 1 << 30
	spec.Limits, spec.Grace = policy.Limits{MaxDeletes: unlimited, MaxShare: 1}, 0
	compiled, problems := policy.Compile(spec)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	none, err := policy.NewUses(nil, func(image.Reference) []string { return nil })
	return &lifecycleCheck{compiled, spec.Limits, none}, err
}

// of says which image that is there a policy would expire although the rules keep
// it, now or in a hundred years; "" means none. With Plain it also says what is
// no plain image.
func (c *lifecycleCheck) of(p *lifecycle.Policy, contents *image.Contents, times map[image.Digest]registry.StorageTimes, now image.Time, o lifecycle.CompileOptions) string {
	g := graph.Build(contents)
	if o.Plain {
		if why := notPlain(g, times, p.Counts()); why != "" {
			return "--plain says that there are plain images only, and " + why
		}
	}
	const later = 100 * 365 * 24 * time.Hour
	for _, at := range []image.Time{now, now + image.Time(later.Milliseconds())} {
		result := c.policy.Evaluate(policy.Input{Graph: g, Now: at, Uses: c.none})
		verdicts := plan.Judge(g, result, c.limits).Verdicts
		for i, fate := range lifecycle.Evaluate(p, lifecycle.Input{Graph: g, Now: at}, lifecycle.Most) {
			fine := fate.Action == lifecycle.Keep || verdicts[i] == policy.VerdictDelete ||
				fate.Action == lifecycle.Transition && verdicts[i] == policy.VerdictArchive
			if !fine {
				return fmt.Sprintf("the policy would %s %s %v sooner or later, which the rules keep", fate.Action, g.Images[i].Digest, g.Images[i].Tags)
			}
		}
	}
	return ""
}

// notPlain says what contradicts --plain, or "". Push times, and restoring, which
// may count as a push, matter where a policy counts.
func notPlain(g *graph.Graph, times map[image.Digest]registry.StorageTimes, counts bool) string {
	pushed := map[image.Time]image.Digest{}
	for i := range g.Images {
		img := &g.Images[i]
		other, same := pushed[img.PushedAt]
		pushed[img.PushedAt] = img.Digest
		switch {
		case img.IsIndex():
			return fmt.Sprintf("%s is an index", img.Digest)
		case g.Kinds[i] == graph.Referrer:
			return fmt.Sprintf("%s is attached to an image", img.Digest)
		case counts && (img.Status == image.Activating || times[img.Digest].ActivatedAt.Known()):
			return fmt.Sprintf("%s was restored from the archive", img.Digest)
		case same && counts:
			return fmt.Sprintf("%s and %s were pushed at one moment", other, img.Digest)
		}
	}
	return ""
}

// PutLifecycle puts the policies of a report, one repository after the other, and
// returns the repositories that have them now, also with an error.
func (a *App) PutLifecycle(ctx context.Context, report *lifecycle.Report, open func(ctx context.Context, registry string) (registry.LifecycleWriter, error)) (done []string, err error) {
	writers := map[string]registry.LifecycleWriter{}
	var failed []error
	for i := range report.Repositories {
		r := &report.Repositories[i]
		if r.Text == "" || r.Error != "" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return done, errors.Join(append(failed, err)...)
		}
		w := writers[r.Registry]
		if w == nil {
			if w, err = open(ctx, r.Registry); err != nil {
				return done, errors.Join(append(failed, err)...)
			}
			writers[r.Registry] = w
		}
		if err := w.PutLifecyclePolicy(ctx, r.Name, r.Text); err != nil {
			if fatal(ctx, err) {
				return done, errors.Join(append(failed, err)...)
			}
			failed = append(failed, err)
			continue
		}
		done = append(done, r.Registry+"/"+r.Name)
	}
	return done, errors.Join(failed...)
}
