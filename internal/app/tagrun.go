package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/tagging"
)

// tagRun marks what is in use of one repository.
type tagRun struct {
	app      *App
	spec     tagging.Spec
	repo     image.Repository
	reader   registry.Reader
	seen     *tagSeen
	gaps     []image.Gap                     // they could hide uses of the repository
	open     func() (registry.Tagger, error) // nil: nothing is changed
	tagger   registry.Tagger
	result   tagging.Repository
	warnings []string
	// noTag and noUntag say why tags cannot be given, or taken, in the repository:
	// the first such call was denied, and no other is tried.
	noTag, noUntag error
}

// all marks all images. The error ends the run; what concerns this repository
// alone is in the result.
func (r *tagRun) all(ctx context.Context, uses *policy.Uses) error {
	contents, err := r.reader.Read(ctx, r.repo, uses.NeedManifests(r.repo.Registry, r.repo.Name))
	if err != nil {
		return r.fail(ctx, err)
	}
	g := graph.Build(contents)
	r.app.Progress.judged(len(g.Images))
	named := uses.Naming(g)
	r.warn(g, named)
	r.result.Images = append(r.result.Images, r.spec.Decide(g, named, r.seen.deployed[place{r.repo.Registry, r.repo.Name}], image.At(r.app.Judge()))...)
	stays := r.stays()
	for i := range r.result.Images {
		img := &r.result.Images[i]
		if r.seen.part || stays != "" {
			// What is not known could be deployed by any of them.
			img.KeepMarks()
		}
		if img.Action == tagging.Move && img.Error == "" && stays != "" {
			img.Stay(stays)
		}
		if !img.Active() && img.Action != tagging.Leave && img.Action != tagging.Pass {
			r.failImage(img, &registry.ArchivedError{Digest: img.Digest, Status: img.Status()})
			img.Remove = nil
		}
	}
	if r.open == nil {
		r.foresee()
		return nil
	}
	if r.tagger, err = r.open(); err != nil {
		return r.fail(ctx, err)
	}
	for i := range r.result.Images {
		if err := ctx.Err(); err != nil {
			// What was not done is not reported as done.
			r.result.Images = r.result.Images[:i]
			return err
		}
		if err := r.image(ctx, &r.result.Images[i]); err != nil {
			r.result.Images = r.result.Images[:i+1]
			return err
		}
	}
	return nil
}

// stays says why no image may lose a name to another one, or "": what is not known
// could be the newest image that runs, and that image may have the name.
func (r *tagRun) stays() string {
	switch {
	case len(r.gaps) > 0:
		return "a usage source could not be read, and may see a newer one (" + r.gaps[0].String() + ")"
	case len(r.result.Unresolved) > 0:
		return "it is not known which image all of the uses mean (" + r.result.Unresolved[0] + ")"
	}
	return ""
}

// foresee says in a run that changes nothing which marks the registry will refuse,
// as far as what was read tells. One that changes something asks the registry.
func (r *tagRun) foresee() {
	for i := range r.result.Images {
		img := &r.result.Images[i]
		if img.Error != "" || img.Action != tagging.Write && img.Action != tagging.Move {
			continue
		}
		var err error
		switch {
		case img.Action == tagging.Move && !r.repo.Mutability.Movable(img.Tag):
			err = &registry.TagTakenError{Digest: img.Digest, Tag: img.Tag, Other: img.From, Immutable: true}
		case img.Full():
			err = &registry.TagLimitError{Digest: img.Digest, Tag: img.Tag}
		}
		if err != nil {
			r.failImage(img, err)
			img.Remove, _ = img.Surplus(false)
		}
	}
}

// warn tells what cannot be marked since it is not there or not known, and which
// indexes could not be read: then images of them are marked, and they are not.
func (r *tagRun) warn(g *graph.Graph, named policy.Naming) {
	warn := func(format string, args ...any) {
		r.warnings = append(r.warnings, r.repo.Registry+"/"+r.repo.Name+": "+fmt.Sprintf(format, args...))
	}
	for _, u := range named.Missing {
		warn("%s is in use by %s and is not there", u.Reference, u.Holder)
	}
	for _, u := range named.Guessed {
		warn("%s runs an image that cannot be found by its id; what has the tag of %s now is marked", u.Holder, u.Reference)
	}
	for _, u := range named.Unresolved {
		r.result.Unresolved = append(r.result.Unresolved, fmt.Sprintf("%s, in use by %s", u.Reference, u.Holder))
	}
	for i, why := range g.Unreadable {
		// One in the archive cannot be deployed.
		if len(named.Images) > 0 && g.Images[i].Status == image.Active {
			r.result.Unresolved = append(r.result.Unresolved, fmt.Sprintf("the index %s cannot be read (%s), and may list what is in use", g.Images[i].Digest, why))
			r.result.Retry = true
		}
	}
	slices.Sort(r.result.Unresolved)
}

// fail records why nothing can be done in the repository.
func (r *tagRun) fail(ctx context.Context, err error) error {
	r.result.Images = r.result.Images[:0]
	if fatal(ctx, err) {
		return fmt.Errorf("repository %s: %w", r.repo.Name, err)
	}
	var gone *registry.RepositoryGoneError
	r.result.Error, r.result.Retry = err.Error(), !errors.As(err, &gone)
	return nil
}

// image marks one image and then takes its surplus marks away.
func (r *tagRun) image(ctx context.Context, img *tagging.Image) error {
	// A call that was sent is always waited for, so that the report says what it
	// did.
	sent := context.WithoutCancel(ctx)
	written := false
	img.Remove = nil
	defer func() { slices.Reverse(img.Remove) }() // the oldest went first
	if img.Error != "" {
		return nil
	}
	if img.Action == tagging.Write || img.Action == tagging.Move {
		err := r.noTag
		if err == nil {
			err = r.write(sent, img)
			r.noTag = denial(err)
		}
		if err != nil {
			r.failImage(img, err)
			if fatal(ctx, err) {
				return fmt.Errorf("repository %s: %w", r.repo.Name, err)
			}
		}
		written = err == nil
	}
	remove, anchor := img.Surplus(written)
	for _, tag := range slices.Backward(remove) { // the oldest first
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.untag(sent, img, tag, anchor); err != nil {
			if fatal(ctx, err) {
				return fmt.Errorf("repository %s: %w", r.repo.Name, err)
			}
			img.Error = joinText(img.Error, "the mark "+tag+" stays: "+brief(err))
			r.result.Retry = r.result.Retry || passes(err)
			continue
		}
		img.Remove = append(img.Remove, tag)
	}
	return nil
}

// untag takes a mark from an image.
func (r *tagRun) untag(ctx context.Context, img *tagging.Image, tag, anchor string) error {
	if r.noUntag != nil {
		return r.noUntag
	}
	err := r.tagger.Untag(ctx, r.repo.Name, img.Digest, tag, anchor)
	r.noUntag = denial(err)
	return err
}

// tries is how many seconds are tried for a mark that somebody else takes.
const tries = 10

// write gives an image its mark.
func (r *tagRun) write(ctx context.Context, img *tagging.Image) error {
	if img.Action == tagging.Move {
		return r.tagger.MoveTag(ctx, r.repo.Name, img.Digest, img.Tag)
	}
	roomMade := false
	for try := 1; ; try++ {
		err := r.tagger.Tag(ctx, r.repo.Name, img.Digest, img.Tag)
		var taken *registry.TagTakenError
		var limit *registry.TagLimitError
		switch {
		case errors.As(err, &taken) && r.spec.Tag.Name != "" && r.stays() != "":
			return err
		case errors.As(err, &taken) && r.spec.Tag.Name != "":
			// Somebody gave it to another image since it was looked for.
			return r.tagger.MoveTag(ctx, r.repo.Name, img.Digest, img.Tag)
		case errors.As(err, &taken) && try < tries:
			img.Tag = r.spec.Next(img.Tag)
		case errors.As(err, &limit) && !roomMade:
			roomMade = true
			if !r.makeRoom(ctx, img) {
				return err
			}
		default:
			return err
		}
	}
}

// makeRoom takes marks that are older than another one from an image that has as
// many tags as it may have.
func (r *tagRun) makeRoom(ctx context.Context, img *tagging.Image) (made bool) {
	remove, anchor := img.Room()
	for _, tag := range slices.Backward(remove) {
		if r.untag(ctx, img, tag, anchor) == nil {
			img.Forget(tag)
			img.Remove = append(img.Remove, tag)
			made = true
		}
	}
	return made
}

// failImage records that an image did not get its mark.
func (r *tagRun) failImage(img *tagging.Image, err error) {
	img.Error, img.Tag = joinText(img.Error, brief(err)), ""
	r.result.Retry = r.result.Retry || passes(err)
}

// passes reports whether an error may pass by itself.
func passes(err error) bool {
	var taken *registry.TagTakenError
	var limit *registry.TagLimitError
	var archived *registry.ArchivedError
	var missing *registry.ImageGoneError
	return !errors.As(err, &taken) && !errors.As(err, &limit) && !errors.As(err, &archived) && !errors.As(err, &missing)
}

// brief is the text of an error without what the report says beside it.
func brief(err error) string {
	var taken *registry.TagTakenError
	var limit *registry.TagLimitError
	var archived *registry.ArchivedError
	var denied *awsapi.DeniedError
	switch {
	case errors.As(err, &taken):
		return taken.Error()
	case errors.As(err, &limit):
		return limit.Error()
	case errors.As(err, &archived):
		return archived.Error()
	case errors.As(err, &denied):
		return denied.Error()
	}
	return err.Error()
}

func joinText(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
