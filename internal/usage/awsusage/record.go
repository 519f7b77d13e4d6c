package awsusage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/regsweep/regsweep/internal/usage"
)

// shown is how many errors of one kind are spelled out. One missing permission
// can fail thousands of calls, and the first three tell all there is to know.
const shown = 3

// Record gathers what one reading of a source saw, and what it could not read.
// It is safe for concurrent use; the zero value is empty.
type Record struct {
	mu       sync.Mutex
	seen     []usage.Observation
	notes    []string
	failures map[string][]failure // by what was being done
}

type failure struct {
	of  string
	err error
}

// See records observations.
func (r *Record) See(observations ...usage.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, observations...)
}

// Note records something to tell that is no gap.
func (r *Record) Note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// Fail records that something could not be read, which makes the source a gap.
// doing names the kind of call ("list tasks"), and of what it was about
// ("cluster web"), which may be "".
func (r *Record) Fail(doing, of string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures == nil {
		r.failures = map[string][]failure{}
	}
	r.failures[doing] = append(r.failures[doing], failure{of, err})
}

// Findings returns what was recorded, sorted and each observation once, and
// the joined errors of what could not be read. The context is the one that the
// calls were made with: its end is an error too.
func (r *Record) Findings(ctx context.Context) (usage.Findings, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.seen, func(a, b usage.Observation) int {
		return cmp.Or(cmp.Compare(a.Asked, b.Asked), cmp.Compare(a.Got, b.Got),
			cmp.Compare(a.Holder, b.Holder), cmp.Compare(a.State, b.State))
	})
	slices.Sort(r.notes)
	found := usage.Findings{Observations: slices.Compact(r.seen), Notes: slices.Compact(r.notes)}
	return found, errors.Join(append(r.errors(), ctx.Err())...)
}

// errors returns the failures in a fixed order, the first few of each kind.
func (r *Record) errors() []error {
	var all []error
	for _, doing := range sortedKeys(r.failures) {
		failures := r.failures[doing]
		slices.SortFunc(failures, func(a, b failure) int {
			return cmp.Or(cmp.Compare(a.of, b.of), cmp.Compare(a.err.Error(), b.err.Error()))
		})
		for i, f := range failures {
			if i == shown {
				all = append(all, fmt.Errorf("%s: and %d more errors like these", doing, len(failures)-shown))
				break
			}
			what := doing
			if f.of != "" {
				what += " of " + f.of
			}
			all = append(all, fmt.Errorf("%s: %w", what, f.err))
		}
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
