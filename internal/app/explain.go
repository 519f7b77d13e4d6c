package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/registry"
)

// NotFoundError says that no image of this name is in the registries.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s: no such image in the configured registries; name it as repository:tag, repository@sha256:…, sha256:… or with the registry's host", e.Name)
}

// Explain tells everything of images, each named by a URI, by repository and
// tag or digest, or by digest alone. An unknown one is a *NotFoundError.
func (a *App) Explain(ctx context.Context, names []string) ([]plan.Explanation, error) {
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
	for _, name := range names {
		found, err := a.explain(ctx, name, k)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, &NotFoundError{name}
		}
		all = append(all, found...)
	}
	return all, nil
}

func (a *App) explain(ctx context.Context, name string, k *known) (found []plan.Explanation, err error) {
	for _, reader := range a.Readers {
		ref, ok := target(name, reader.Identity())
		if !ok {
			continue
		}
		digest := ref.Digest
		if ref.IsBare() {
			digest = ref.ImageID
		}
		repositories, err := reader.Repositories(ctx, func(repo string) bool {
			return (ref.IsBare() || repo == ref.Repository) && a.selects(reader.Identity().Name, repo)
		}, a.Policy.NeedsRepositoryTags())
		if err != nil {
			return nil, fmt.Errorf("registry %s: %w", reader.Identity().Name, err)
		}
		for _, repo := range repositories {
			judged, _, err := a.judgeOne(ctx, reader, repo, func() (*known, error) { return k, nil })
			if err != nil {
				return nil, fmt.Errorf("repository %s: %w", repo.Name, err)
			}
			if i, ok := find(judged, ref.TagOrLatest(), digest); ok {
				found = append(found, judged.Explain(reader.Identity().Name, reader.Identity().Host, i))
			}
		}
	}
	return found, nil
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

func find(j *plan.Judged, tag string, digest image.Digest) (int32, bool) {
	if !digest.IsZero() {
		return j.Graph.Find(digest)
	}
	i := slices.IndexFunc(j.Graph.Images, func(img image.Image) bool { return slices.Contains(img.Tags, tag) })
	return int32(i), i >= 0
}
