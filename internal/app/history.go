package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// HistoryQuery selects from journals.
type HistoryQuery struct {
	// Since leaves out runs that began before it.
	Since time.Time
	// Registry narrows to one of this name; "" matches all.
	Registry string
	// Repositories narrows to matching names; the zero value matches all.
	Repositories policy.Repositories
	// Images narrows to images, each named as for Explain, and to those of a
	// repository, where neither tag nor digest is named; none means all.
	Images []string
	// Marks are wanted too: the tags of the grace period.
	Marks bool
	// Interrupted are runs that are wanted too where they did nothing of that.
	Interrupted bool
}

// History reads what journals tell of what was done, oldest first. It needs no
// configuration: a journal says itself which registries it is about. A name that
// no image can have is a *MalformedError.
func History(ctx context.Context, place *journal.Place, q HistoryQuery) (*journal.History, error) {
	for _, name := range q.Images {
		if err := formed(name); err != nil {
			return nil, err
		}
	}
	marks := false
	h, err := place.History(ctx, journal.Filter{Since: q.Since, Interrupted: q.Interrupted, Event: func(e *journal.Event) bool {
		if q.Registry != "" && q.Registry != e.Registry || !q.Repositories.Match(e.Repository) ||
			len(q.Images) > 0 && !slices.ContainsFunc(q.Images, func(name string) bool { return isOf(name, e) }) {
			return false
		}
		if q.Marks || e.Action == journal.Delete || e.Action == journal.Archive {
			return true
		}
		marks = marks || !e.Time.Before(q.Since)
		return false
	}})
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	h.MarksLeftOut = marks
	return h, nil
}

// isOf reports whether an event is about the image of a name, or about one of the
// repository, where the name has neither tag nor digest.
func isOf(name string, e *journal.Event) bool {
	id := registry.Identity{Host: e.Host}
	w, ok := meaning(name, id)
	if !ok || !w.everywhere && w.repository != e.Repository {
		return false
	}
	if ref, ok := target(spelled(name), id); ok && ref.Tag == "" && ref.TagOrLatest() != "" {
		return true
	}
	return w.means(e.Digest, e.Tags)
}
