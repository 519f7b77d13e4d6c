package usage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// Schema names the JSON form of a Snapshot.
const Schema = "regsweep.usage/v1"

// Snapshot is everything that was found to be in use at one time.
type Snapshot struct {
	// CreatedAt is when the collection began: what came into use later may be
	// missing.
	CreatedAt time.Time
	// Sources are in the order of the configuration.
	Sources []Status
	// Uses are sorted by reference, holder and state.
	Uses []image.Use
}

// Status says how it went with one source.
type Status struct {
	Name string `json:"name"`
	// Uses is how many entries of the snapshot are this source's.
	Uses int `json:"uses"`
	// Status is StatusOK or StatusGap.
	Status string `json:"status"`
	// Detail says why the source is a gap, and what else there is to tell.
	Detail string `json:"detail"`
}

// The states of a source. A gap that was ignored is still a gap.
const (
	StatusOK  = "ok"
	StatusGap = "gap"
)

// Encode writes the snapshot as JSON of Schema. The same snapshot gives the
// same bytes.
func (s *Snapshot) Encode(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Schema    string      `json:"schema"`
		CreatedAt string      `json:"createdAt"`
		Sources   []Status    `json:"sources"`
		Uses      []image.Use `json:"uses"`
	}{
		Schema,
		s.CreatedAt.UTC().Format(time.RFC3339),
		append([]Status{}, s.Sources...),
		append([]image.Use{}, s.Uses...),
	})
	if err != nil {
		return fmt.Errorf("write the usage snapshot: %w", err)
	}
	return nil
}

// Listed returns the snapshot as people want to read it: without the uses that
// can protect nothing in the given registries. Those are the uses by tag alone
// of a host that is no configured registry's; a digest protects wherever it is.
// The sources count what is listed and say how much is not.
func (s *Snapshot) Listed(registries []registry.Identity) *Snapshot {
	listed := &Snapshot{CreatedAt: s.CreatedAt, Sources: append([]Status{}, s.Sources...)}
	left := map[string]int{}
	for _, use := range s.Uses {
		if protects(use, registries) {
			listed.Uses = append(listed.Uses, use)
		} else {
			left[use.Source]++
		}
	}
	for i := range listed.Sources {
		source := &listed.Sources[i]
		if n := left[source.Name]; n > 0 {
			source.Uses -= n
			source.Detail = addDetail(source.Detail, count(n, "use")+" by tag of hosts that are not configured left out, --all lists them")
		}
	}
	return listed
}

// protects reports whether a use can protect an image of the registries.
func protects(use image.Use, registries []registry.Identity) bool {
	ref, err := image.ParseReference(use.Reference)
	if err != nil || use.ImageID != "" || ref.IsBare() || hasDigest(ref) {
		return true
	}
	for _, r := range registries {
		if r.Holds(ref) {
			return true
		}
	}
	return false
}

// Findings returns what a snapshot holds as the findings of one source: that is
// how the uses of another account or cluster come into a run. The error names
// the sources that were gaps when the snapshot was written, ignored or not, and
// those of which there are more or fewer uses than they say: somebody edited or
// joined snapshots, and uses may be lost.
func (s *Snapshot) Findings() (Findings, error) {
	var f Findings
	var gaps []error
	for _, use := range s.Uses {
		f.Observations = append(f.Observations, Observation{Holder: use.Holder, State: use.State, Asked: use.Reference, Got: use.ImageID})
	}
	gaps = append(gaps, s.miscounted()...)
	for _, source := range s.Sources {
		switch {
		case source.Status != StatusOK:
			gaps = append(gaps, fmt.Errorf("its source %s is a gap: %s", source.Name, source.Detail))
		case source.Detail != "":
			f.Notes = append(f.Notes, source.Name+": "+source.Detail)
		}
	}
	if len(s.Sources) == 0 && len(s.Uses) == 0 {
		gaps = append(gaps, errors.New("it has no sources: nothing was looked at when it was written"))
	}
	return f, errors.Join(gaps...)
}

// miscounted compares how many uses the sources say they have with those that
// are there.
func (s *Snapshot) miscounted() (errs []error) {
	listed, there := map[string]int{}, map[string]int{}
	for _, source := range s.Sources {
		listed[source.Name] += source.Uses
	}
	for _, use := range s.Uses {
		there[use.Source]++
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if listed[name] != there[name] {
			errs = append(errs, fmt.Errorf("its source %s says that it has %s, and %d are listed", name, count(listed[name], "use"), there[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if _, ok := listed[name]; !ok {
			errs = append(errs, fmt.Errorf("it has %s of the source %s, which is not among its sources", count(there[name], "use"), name))
		}
	}
	return errs
}

// FormatError says that something is no usage snapshot.
type FormatError struct {
	// Field is where the mistake is, for example "uses[3].state", or "" for the
	// text as a whole.
	Field string
	Err   error
}

func (e *FormatError) Error() string {
	if e.Field == "" {
		return "not a usage snapshot: " + e.Err.Error()
	}
	return fmt.Sprintf("not a usage snapshot: %s: %v", e.Field, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

var errMissing = errors.New("missing")

// IsJSON reports whether text can only be meant as a JSON object, which no list
// of references starts like.
func IsJSON(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{"))
}
