package lambdarun

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
)

// maxAge is how old a snapshot may be that stands for the sources. It is of the
// same run, which takes hours at most; an older one is a mistake. What is deleted
// is checked against the sources themselves in any case.
const maxAge = 24 * time.Hour

// replayed returns sources of the same names that say what the snapshot has of
// each. What each covers, and how much is expected of it, stays as it is
// configured.
func replayed(entries []usage.Entry, snapshot *usage.Snapshot, now time.Time) []usage.Entry {
	uses := map[string][]image.Use{}
	for _, u := range snapshot.Uses {
		uses[u.Source] = append(uses[u.Source], u)
	}
	age := now.Sub(snapshot.CreatedAt)
	replayed := make([]usage.Entry, len(entries))
	for i, e := range entries {
		s := &replay{name: e.Source.Name()}
		s.findings, s.err = said(s.name, uses[s.name], snapshot.Sources)
		if age > maxAge || age < -maxAge {
			s.err = errors.Join(s.err, fmt.Errorf("the snapshot is of %s, and this run is another one", snapshot.CreatedAt.Format(time.RFC3339)))
		}
		replayed[i] = usage.Entry{Source: s, Covers: e.Covers, AtLeast: e.AtLeast}
	}
	return replayed
}

// said returns what a source said when the snapshot was made.
func said(name string, uses []image.Use, sources []usage.Status) (f usage.Findings, err error) {
	for _, u := range uses {
		f.Observations = append(f.Observations, usage.Observation{
			Holder: strings.TrimPrefix(u.Holder, name+"/"), State: u.State, Asked: u.Reference, Got: u.ImageID,
		})
	}
	for _, s := range sources {
		switch {
		case s.Name != name:
			continue
		case s.Status != usage.StatusOK:
			return f, errors.New(s.Detail)
		case s.Uses != len(uses):
			return f, fmt.Errorf("the snapshot says that it has %d uses, and %d are listed", s.Uses, len(uses))
		case s.Detail != "":
			f.Notes = append(f.Notes, s.Detail)
		}
		return f, nil
	}
	return f, errors.New("the snapshot has nothing of this source")
}

// replay is a source that was read before.
type replay struct {
	name     string
	findings usage.Findings
	err      error
}

// Name implements usage.Source.
func (r *replay) Name() string { return r.name }

// Collect implements usage.Source.
func (r *replay) Collect(context.Context) (usage.Findings, error) { return r.findings, r.err }
