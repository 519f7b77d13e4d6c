package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/registry"
)

// NotFoundError says that no image of this name is in the registries.
type NotFoundError struct {
	Name string
	// Repository says that a digest alone is no name here.
	Repository bool
	// Flag is the flag that leaves out where the image may be, or "", and LeftOut
	// the repository that was named and is left out, or "".
	Flag, LeftOut string
}

func (e *NotFoundError) Error() string {
	if e.LeftOut != "" {
		return fmt.Sprintf("%s: %s leaves out %s", e.Name, e.Flag, e.LeftOut)
	}
	where := "the configured registries"
	if e.Flag != "" {
		where = "the repositories that " + e.Flag + " leaves"
	}
	bare, gone := ", sha256:…", fmt.Sprintf("; regsweep history %s tells whether it was deleted", e.Name)
	if e.Repository {
		bare, gone = "", ""
	}
	return fmt.Sprintf("%s: no such image in %s; name it as repository:tag, repository@sha256:…%s or with the registry's host%s", e.Name, where, bare, gone)
}

// MalformedError says that no image can have this name.
type MalformedError struct{ Name string }

func (e *MalformedError) Error() string {
	return fmt.Sprintf("%q is no name of an image: write repository:tag, repository@sha256:… or sha256:…, with %d digits of the digest at least, in lower case, or a URI", e.Name, fewest)
}

// formed refuses what can be no name of an image, whatever the registries hold,
// with a *MalformedError.
func formed(name string) error {
	asked := name
	name = spelled(name)
	repository, _, cut := beginning(name)
	if cut && repository == "" {
		return nil
	}
	if cut {
		name = repository
	}
	_, err := image.ParseReference(name)
	if err != nil && !strings.HasPrefix(name, algorithm) { // it may need a host
		_, err = image.ParseReference("registry.example.com/" + name)
	}
	if err != nil {
		return &MalformedError{asked}
	}
	return nil
}

// AmbiguousError says that several images have digests that begin as was asked.
type AmbiguousError struct {
	Name string
	// Images are those that could be meant, as repository@digest, sorted.
	Images []string
}

func (e *AmbiguousError) Error() string {
	const shown = 10
	list := e.Images[:min(shown, len(e.Images))]
	more := ""
	if n := len(e.Images) - len(list); n > 0 {
		more = fmt.Sprintf("\n  and %d more", n)
	}
	return fmt.Sprintf("%s could be any of %d images, give more of the digest:\n  %s%s", e.Name, len(e.Images), strings.Join(list, "\n  "), more)
}

// Explain tells everything of images, each named by a URI, by repository and
// tag or digest, or by digest alone. Of a digest its first digits do, as tables
// print them, where they mean one image: several are an *AmbiguousError. An
// unknown image is a *NotFoundError. The images of the other names are returned
// beside these two errors. What can be no name is a *MalformedError, and nothing
// is read.
func (a *App) Explain(ctx context.Context, names []string) ([]plan.Explanation, error) {
	for _, name := range names {
		if err := formed(name); err != nil {
			return nil, err
		}
	}
	warnings, err := a.remember(ctx)
	if err != nil {
		return nil, err
	}
	for _, warning := range warnings {
		a.Log.Warn(warning)
	}
	k, err := a.learn(ctx)
	if err != nil {
		return nil, err
	}
	var all []plan.Explanation
	var unclear []error
	for _, name := range names {
		missing := &NotFoundError{Name: name}
		if a.Scope.Registry != "" {
			missing.Flag = "--registry"
		}
		found, err := a.explain(ctx, name, k, missing)
		if err != nil {
			return nil, err
		}
		switch err := ambiguous(name, found); {
		case err != nil:
			unclear = append(unclear, err)
		case len(found) == 0:
			unclear = append(unclear, missing)
		default:
			all = append(all, found...)
		}
	}
	return all, errors.Join(unclear...)
}

// explain tells of the images of one name, and notes in missing what was not
// looked at.
func (a *App) explain(ctx context.Context, name string, k *known, missing *NotFoundError) (found []plan.Explanation, err error) {
	for _, reader := range a.Readers {
		wanted, ok := meaning(name, reader.Identity())
		if !ok {
			continue
		}
		repositories, err := reader.Repositories(ctx, func(repo string) bool {
			if !wanted.everywhere && repo != wanted.repository {
				return false
			}
			selected := a.selects(reader.Identity().Name, repo)
			if !selected {
				missing.LeftOut, missing.Flag = wanted.repository, "--shard"
				if !a.Repositories.Match(repo) {
					missing.Flag = "--repository"
				}
			}
			return selected
		}, a.Policy.NeedsRepositoryTags())
		if err != nil {
			return nil, fmt.Errorf("registry %s: %w", reader.Identity().Name, err)
		}
		for _, repo := range repositories {
			judged, _, err := a.judgeOne(ctx, reader, repo, func() (*known, error) { return k, nil })
			if err != nil {
				return nil, fmt.Errorf("repository %s: %w", repo.Name, err)
			}
			for _, i := range wanted.find(judged) {
				found = append(found, judged.Explain(reader.Identity().Name, reader.Identity().Host, i))
			}
		}
	}
	return found, nil
}

// ambiguous returns an error where the beginning of a digest is that of several
// images. A tag may well be that of one image in each registry.
func ambiguous(name string, found []plan.Explanation) error {
	if _, _, cut := beginning(spelled(name)); !cut {
		return nil
	}
	several := slices.ContainsFunc(found, func(x plan.Explanation) bool { return x.Image.Digest != found[0].Image.Digest })
	if !several {
		return nil
	}
	e := &AmbiguousError{Name: name}
	for _, x := range found {
		e.Images = append(e.Images, x.Repository+"@"+x.Image.Digest.String())
	}
	slices.Sort(e.Images)
	e.Images = slices.Compact(e.Images)
	return e
}

// wanted is what a name means in one registry.
type wanted struct {
	// everywhere says that it may be in any repository; otherwise it is in this.
	everywhere bool
	repository string
	// One of them is set: a digest, the beginning of one, or a tag.
	digest image.Digest
	prefix string
	tag    string
}

// algorithm is what digests begin with, fewest how many digits of one are taken
// for the beginning of a digest, printed how many tables print, and hexDigits what
// they are.
const (
	algorithm = "sha256:"
	fewest    = 6
	printed   = 12
	hexDigits = "0123456789abcdef"
)

// spelled puts "sha256:" before the digits of a digest that stand without it:
// after an "@", or alone. Alone fewer than tables print may be a repository.
func spelled(name string) string {
	at := strings.LastIndexByte(name, '@') + 1
	digits := name[at:]
	if (at > 0 || len(digits) >= printed) && strings.Trim(digits, hexDigits) == "" {
		return name[:at] + algorithm + digits
	}
	return name
}

// beginning splits what ends with the beginning of a digest.
func beginning(name string) (repository, prefix string, ok bool) {
	at := strings.LastIndex(name, algorithm)
	if at < 0 || at > 0 && name[at-1] != '@' {
		return "", "", false
	}
	digits := name[at+len(algorithm):]
	if len(digits) < fewest || len(digits) >= 2*len(image.Digest{}) || strings.Trim(digits, hexDigits) != "" {
		return "", "", false
	}
	return strings.TrimSuffix(name[:at], "@"), name[at:], true
}

// meaning reads what a name means in one registry.
func meaning(name string, id registry.Identity) (wanted, bool) {
	name = spelled(name)
	repository, prefix, cut := beginning(name)
	switch {
	case cut && repository == "":
		return wanted{everywhere: true, prefix: prefix}, true
	case cut:
		ref, ok := target(repository, id)
		return wanted{repository: ref.Repository, prefix: prefix}, ok && !ref.IsBare()
	}
	ref, ok := target(name, id)
	switch {
	case !ok:
		return wanted{}, false
	case ref.IsBare():
		return wanted{everywhere: true, digest: ref.ImageID}, true
	}
	return wanted{repository: ref.Repository, digest: ref.Digest, tag: ref.TagOrLatest()}, true
}

// target reads a name as a reference into one registry. A name without a host
// means every registry.
func target(name string, id registry.Identity) (image.Reference, bool) {
	ref, err := image.ParseReference(name)
	if err == nil && (ref.IsBare() || id.Holds(ref)) {
		return ref, true
	}
	first, _, hasPath := strings.Cut(name, "/")
	if hasPath && strings.ContainsAny(first, ".:") {
		return image.Reference{}, false // the host of another registry
	}
	ref, err = image.ParseReference(id.Host + "/" + name)
	return ref, err == nil
}

// find returns the images of a repository that are meant.
func (w *wanted) find(j *plan.Judged) (found []int32) {
	if !w.digest.IsZero() {
		if i, ok := j.Graph.Find(w.digest); ok {
			found = append(found, i)
		}
		return found
	}
	for i := range j.Graph.Images {
		if w.means(j.Graph.Images[i].Digest, j.Graph.Images[i].Tags) {
			found = append(found, int32(i))
		}
	}
	return found
}

// means reports whether an image with these tags is meant, of a repository that is.
func (w *wanted) means(digest image.Digest, tags []string) bool {
	switch {
	case !w.digest.IsZero():
		return digest == w.digest
	case w.prefix != "":
		return strings.HasPrefix(digest.String(), w.prefix)
	}
	return slices.Contains(tags, w.tag)
}
