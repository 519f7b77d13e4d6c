package usage

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/image"
)

// Entry is a source as the configuration has it.
type Entry struct {
	Source Source
	// Covers are patterns of the repositories that the source can hold; empty
	// means all. They are carried to the source's gap.
	Covers []string
	// AtLeast is how many uses are expected; fewer are a gap.
	AtLeast int
}

// Options are the parts of a collection that do not belong to a source.
type Options struct {
	// IgnoreGaps are the names of the sources whose gaps do not count. A name
	// that no source has is an *UnknownSourceError.
	IgnoreGaps []string
	// CacheDir is the folder that remembers how many uses each source had, or ""
	// to remember nothing.
	CacheDir string
	// ConfigID tells the configurations apart that share a cache folder.
	ConfigID string
	// Now is the clock. It is required.
	Now func() time.Time
	// Read, where it is set, is told what each source answered and how long that
	// took, in the order of the sources, when all have.
	Read func(s Status, took time.Duration)
}

// Result is what a collection found.
type Result struct {
	Snapshot *Snapshot
	// Gaps are those that count, in the order of the sources.
	Gaps []Gap
	// Warnings are about the memory of earlier runs, and are for a log.
	Warnings []error
}

// Gap is a source that may have missed uses.
type Gap struct {
	image.Gap
	// Covers are the patterns of the repositories that it could hold; empty
	// means all.
	Covers []string
}

// UnknownSourceError says that a gap of a source is to be ignored which is not
// configured.
type UnknownSourceError struct {
	Name string
	// Known are the names of the sources that are configured.
	Known []string
}

func (e *UnknownSourceError) Error() string {
	text := fmt.Sprintf("ignore gaps of %q: there is no such usage source", e.Name)
	if len(e.Known) > 0 {
		text += ", only " + strings.Join(e.Known, ", ")
	}
	return text
}

// Collect runs all sources at once and joins what they saw. A source that fails
// is a gap and no error. An error means that nothing is known: the context
// ended, or the options or the sources make no sense. A panic of a source is
// raised again here, after the others have ended.
func Collect(ctx context.Context, entries []Entry, opts Options) (*Result, error) {
	if err := Check(entries, opts.IgnoreGaps); err != nil {
		return nil, err
	}
	started := opts.Now()
	outcomes := run(ctx, entries, opts.Now)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("collect what is in use: %w", context.Cause(ctx))
	}

	result := &Result{Snapshot: &Snapshot{CreatedAt: started.UTC().Truncate(time.Second)}}
	var last map[string]int
	var forgotten error // why nobody knows what the last run found
	if opts.CacheDir != "" {
		var c counts
		if c, forgotten = loadCounts(opts.CacheDir); forgotten != nil {
			result.Warnings = append(result.Warnings, fmt.Errorf("%w (%s; until then a source that finds nothing is a gap, and nothing is remembered)", forgotten, startAnew))
		}
		last = c[opts.ConfigID].Sources
	}
	found := map[string]int{}
	for i, entry := range entries {
		name := entry.Source.Name()
		t, err := tallyUp(name, outcomes[i].findings)
		if err != nil {
			return nil, err
		}
		causes := t.causes(name, outcomes[i].err, entry.AtLeast, last[name], forgotten)
		ignored := slices.Contains(opts.IgnoreGaps, name)
		status := t.status(name, causes, ignored, outcomes[i].findings.Notes)
		if opts.Read != nil {
			opts.Read(status, outcomes[i].took)
		}
		result.Snapshot.Sources = append(result.Snapshot.Sources, status)
		result.Snapshot.Uses = append(result.Snapshot.Uses, t.uses...)
		if len(causes) > 0 && !ignored {
			result.Gaps = append(result.Gaps, Gap{image.Gap{Source: name, Detail: strings.Join(causes, "; ")}, entry.Covers})
			continue
		}
		// A source that failed has shown no number, ignored or not.
		if outcomes[i].err == nil {
			found[name] = len(t.uses)
		}
	}
	slices.SortFunc(result.Snapshot.Uses, image.Use.Compare)
	if opts.CacheDir != "" && forgotten == nil {
		if err := saveCounts(opts.CacheDir, opts.ConfigID, found, started); err != nil {
			result.Warnings = append(result.Warnings, err)
		}
	}
	return result, nil
}

// Check refuses names of sources that occur twice, and gaps that are to be ignored
// of a source that does not occur: that is an *UnknownSourceError. Collect does it
// too; who changes something before does it first.
func Check(entries []Entry, ignoreGaps []string) error {
	var names []string
	for _, e := range entries {
		name := e.Source.Name()
		if slices.Contains(names, name) {
			return fmt.Errorf("two usage sources are called %q", name)
		}
		names = append(names, name)
	}
	for _, name := range ignoreGaps {
		if !slices.Contains(names, name) {
			return &UnknownSourceError{Name: name, Known: names}
		}
	}
	return nil
}

type outcome struct {
	findings Findings
	err      error
	// panicked is what the source panicked with, and where.
	panicked string
	took     time.Duration
}

// run runs all sources and waits for all of them.
func run(ctx context.Context, entries []Entry, now func() time.Time) []outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make([]outcome, len(entries))
	var wg sync.WaitGroup
	for i, entry := range entries {
		wg.Go(func() {
			began := now()
			defer func() { outcomes[i].took = now().Sub(began) }()
			// A source that ends its goroutine has not answered.
			outcomes[i].err = errors.New("the source ended without an answer")
			defer func() {
				if v := recover(); v != nil {
					outcomes[i].panicked = fmt.Sprintf("usage source %s: %v\n\n%s", entry.Source.Name(), v, debug.Stack())
					cancel()
				}
			}()
			outcomes[i].findings, outcomes[i].err = entry.Source.Collect(ctx)
		})
	}
	wg.Wait()
	for _, o := range outcomes {
		if o.panicked != "" {
			panic(o.panicked)
		}
	}
	return outcomes
}

// tally is what the findings of one source come to.
type tally struct {
	uses []image.Use
	// refused are strings that cannot be references; unplaced are image ids
	// without a repository.
	refused, unplaced map[string]struct{}
}

// tallyUp turns observations into uses.
func tallyUp(source string, f Findings) (tally, error) {
	t := tally{refused: map[string]struct{}{}, unplaced: map[string]struct{}{}}
	// Many pods of many holders run few images.
	joints := map[[2]string]joint{}
	for _, o := range f.Observations {
		if !knownState(o.State) {
			return tally{}, fmt.Errorf("usage source %s: %s has the unknown state %q", source, o.Holder, o.State)
		}
		key := [2]string{o.Asked, o.Got}
		j, ok := joints[key]
		if !ok {
			j = join(o.Asked, o.Got)
			joints[key] = j
			for _, s := range j.refused {
				t.refused[s] = struct{}{}
			}
		}
		holder := source
		if o.Holder != "" {
			holder += "/" + o.Holder
		}
		for _, n := range j.uses {
			t.uses = append(t.uses, image.Use{Source: source, State: o.State, Reference: n.reference, ImageID: n.imageID, Holder: holder})
			if j.unplaced {
				t.unplaced[n.reference] = struct{}{}
			}
		}
	}
	slices.SortFunc(t.uses, image.Use.Compare)
	t.uses = slices.Compact(t.uses)
	// One entry for each reference, holder and state; but where nodes of several
	// architectures report several image ids, each of them is needed.
	last := len(t.uses) - 1
	kept := t.uses[:0]
	for i, use := range t.uses {
		if i < last && use.ImageID == "" && sameEntry(use, t.uses[i+1]) {
			continue
		}
		kept = append(kept, use)
	}
	t.uses = kept
	return t, nil
}

// startAnew says what to do about a memory of earlier runs that cannot be read.
const startAnew = "repair that file, or delete it to start anew"

// causes says why the source is a gap, and is empty where it is none. last is
// how many uses it had in the last run, or forgotten why that is not known.
func (t tally) causes(name string, err error, atLeast, last int, forgotten error) []string {
	var causes []string
	switch n := len(t.uses); {
	case err != nil:
		causes = append(causes, oneLine(strings.ReplaceAll(err.Error(), "\n", "; "), maxError))
	case n < atLeast:
		causes = append(causes, fmt.Sprintf("it found %s, and atLeast expects %d", count(n, "use"), atLeast))
	case n == 0 && last > 0:
		causes = append(causes, fmt.Sprintf("it found nothing, and the last run found %s (if nothing is right, go on once with --ignore-gap %s on the command line, or take the source out of the configuration; atLeast says what it must find)", count(last, "use"), name))
	case n == 0 && forgotten != nil:
		causes = append(causes, fmt.Sprintf("it found nothing, and what earlier runs found is not known: %v (%s; --ignore-gap %s on the command line goes on once without the source)", forgotten, startAnew, name))
	}
	if n := len(t.unplaced); n > 0 {
		causes = append(causes, fmt.Sprintf("%s without a repository can be any image: %s", count(n, "image id"), examples(t.unplaced)))
	}
	return causes
}

// status puts together what there is to say of the source.
func (t tally) status(name string, causes []string, ignored bool, notes []string) Status {
	s := Status{Name: name, Uses: len(t.uses), Status: StatusOK}
	if len(causes) > 0 {
		s.Status = StatusGap
		s.Detail = strings.Join(causes, "; ")
		if ignored {
			s.Detail += " (ignored by --ignore-gap)"
		}
	}
	for _, note := range notes {
		s.Detail = addDetail(s.Detail, oneLine(note, maxNote))
	}
	if n := len(t.refused); n > 0 {
		what := "image references"
		if n == 1 {
			what = "an image reference"
		}
		s.Detail = addDetail(s.Detail, fmt.Sprintf("%s cannot be %s: %s", count(n, "string"), what, examples(t.refused)))
	}
	return s
}

// sameEntry reports whether two uses differ by their image id at most.
func sameEntry(a, b image.Use) bool {
	a.ImageID = b.ImageID
	return a == b
}
