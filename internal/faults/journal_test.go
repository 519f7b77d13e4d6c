package faults_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
)

// journaled are the settings of runs with a journal in Amazon S3.
func journaled(t *testing.T) setting {
	t.Helper()
	return setting{config: parse(t), recheck: recheck, journal: "s3://journals/runs"}
}

// ofJournal reports whether a call is for the journal: in Amazon S3, or for a
// manifest that goes into it.
func ofJournal(c seen) bool {
	return strings.HasPrefix(c.request, "/journals") || c.action == "ecr:BatchGetImage" && c.phase == applying
}

// calls returns those of the run that are chosen, in an order that does not
// depend on the run.
func (ref reference) callsOf(chosen func(seen) bool) (calls []seen) {
	for _, c := range ref.calls {
		if chosen(c) {
			calls = append(calls, c)
		}
	}
	slices.SortFunc(calls, func(a, b seen) int {
		return cmp.Or(strings.Compare(a.action, b.action), strings.Compare(a.request, b.request), cmp.Compare(a.nth, b.nth))
	})
	return calls
}

// writing returns what must come of a fault of one call for the journal that a run
// writes.
func writing(k kind, c seen) want {
	switch {
	case k.passes:
		return all
	case c.action == "ecr:BatchGetImage":
		// Images go without their manifests in the journal, but nothing else can be
		// called without credentials.
		if k.name != "expired token" {
			return all
		}
		return want{exit: stopped, extent: between}
	case c.phase == planning:
		return all // what an interrupted run left is not known, and there is none
	case strings.Contains(c.request, ".end.json"):
		return want{exit: partial, extent: finished}
	case c.action == "s3:ListObjectsV2", strings.Contains(c.request, "/00000001.json"):
		return ended
	}
	return want{exit: stopped, extent: between}
}

// TestEveryCallOfTheJournalFails lets each call for a journal in Amazon S3 fail
// once, in every way. What is not written down is not done, and the next run, which
// reads what the first has written, does the rest.
func TestEveryCallOfTheJournalFails(t *testing.T) {
	t.Parallel()
	set := journaled(t)
	ref := clean(t, set)
	sweepJournal(t, set, ref, ref.callsOf(ofJournal), writing)
}

// TestEveryCallThatReadsAJournalFails lets each call fail by which a run reads the
// journal of one that ended within a family. What was left then goes, or stays
// where nobody knows of it and no rule speaks of it.
func TestEveryCallThatReadsAJournalFails(t *testing.T) {
	t.Parallel()
	set := journaled(t)
	set.before = func(w *world) func(seen) embedded.Fault {
		record := `"digest":"` + w.digest("gone-amd64") + `","tags":[],"kind"`
		return func(c seen) (f embedded.Fault) {
			if c.action == "s3:PutObject" && strings.Contains(c.body, `"before"`) && strings.Contains(c.body, record) {
				f = embedded.Fault{Kind: embedded.FaultError, Code: "AccessDenied", Status: 403}
			}
			return f
		}
	}
	ref := clean(t, set)
	calls := ref.callsOf(func(c seen) bool { return ofJournal(c) && c.phase == planning })
	if len(calls) < 5 {
		t.Fatalf("%d calls read the journal", len(calls))
	}
	sweepJournal(t, set, ref, calls, func(kind, seen) want { return all })
}

func sweepJournal(t *testing.T, set setting, ref reference, calls []seen, wanted func(kind, seen) want) {
	t.Helper()
	count := tally{exit: map[int]int{}}
	t.Run("fault", func(t *testing.T) {
		for n, k := range faultKinds {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				for _, c := range some(calls, n) {
					if k.applies(c) {
						count.add(trial{
							setting: set, ref: ref, name: k.name + " at " + c.String(), want: wanted(k, c), once: true, rerun: true, fault: k.at(c),
						}.run(t))
					}
				}
			})
		}
	})
	t.Logf("%d calls, %d kinds of faults: %s", len(calls), len(faultKinds), &count)
}

// interrupt makes the run before the one that is looked at, over one repository so
// that it ends at the same place each time.
func (s setting) interrupt(t *testing.T, w *world, dir string) {
	t.Helper()
	if s.before == nil {
		return
	}
	fault := s.before(w)
	s.repositories = []string{"apps/web"}
	wire := newWire(w.server, fault)
	if out := run(t.Context(), wire, s, dir); out.exit != partial || wire.hit != 1 {
		t.Fatalf("the run before ended with exit code %d, error %v, after %d faults", out.exit, out.err, wire.hit)
	}
	now := w.now()
	if _, root := now["apps/web/gone"]; root || now["apps/web/gone-amd64"] == "" {
		t.Fatalf("the run before did not end within the family: %v", now)
	}
	synctest.Wait()
	time.Sleep(time.Minute)
}
