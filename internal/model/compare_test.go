package model_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/oracle"
)

// compareMarks checks the marks of the grace period after an apply of which
// nothing came between.
func (r *trial) compareMarks(shown *forecast) {
	for n, marks := range shown.marks {
		for _, img := range r.worldOf(n, r.clock(), nil).Repository.Images {
			what := marks[img.Digest]
			if what != "" && oracle.Condemned(img) != (what == "condemn") {
				r.wrong("%s has the tags %q, and the oracle says %s", r.name(n, img.Digest), img.Tags, what)
			}
			if what != "" {
				r.seen.add(what, 1)
			}
		}
	}
}

// compareSent checks every deletion that was sent: it was condemned by plan and
// oracle, and nothing that regsweep must have seen by then speaks against it.
func (r *trial) compareSent(w *wire, before state, now *forecast) {
	for _, d := range w.sent {
		verdict := "delete"
		if d.archive {
			verdict = "archive"
		}
		for _, digest := range d.digests {
			if got := now.repos[d.repo][digest]; got != verdict {
				r.wrong("sent: %s %s, and the oracle says %q", verdict, r.name(d.repo, digest), got)
			}
			for _, s := range r.shelters {
				if s.repo == d.repo && s.digest == digest && !d.at.Before(s.from) && s.holds(d, before[s.repo][s.cause]) {
					r.wrong("sent: %s %s at %s, and since %s regsweep must know of: %s", verdict, r.name(d.repo, digest),
						d.at.Format(time.TimeOnly), s.from.Format(time.TimeOnly), s.why)
				}
			}
		}
		for _, tag := range d.tags {
			if !oracle.IsMark(tag) {
				r.wrong("sent: take the tag %q from an image of %s", tag, r.Repos[d.repo].Name)
			}
		}
	}
}

// holds reports whether a shelter still holds when a deletion is sent: both
// images are there and live together, and the cause is as the event left it. It
// was in the state was before the apply.
func (s shelter) holds(d deletion, was string) bool {
	if d.there[s.digest] == "" || d.there[s.cause] == "" || !oracle.Together(d.families, s.cause)[s.digest] {
		return false
	}
	_, tags, _ := strings.Cut(d.there[s.cause], " ")
	_, had, _ := strings.Cut(was, " ")
	if strings.HasSuffix(s.why, "tag") && was != "" {
		return tags != had // it may have come and gone
	}
	return s.tag == "" || slices.Contains(strings.Fields(tags), s.tag)
}

// compareDisturbed checks that nothing is gone or changed but what was to go and
// what others changed.
func (r *trial) compareDisturbed(before, after state, now *forecast) {
	for n := range before {
		for _, digest := range slices.Sorted(maps.Keys(before[n])) {
			was, is := before[n][digest], after[n][digest]
			switch v := now.repos[n][digest]; {
			case is == was, r.others[n][digest], v == "delete" && is == "":
			case v == "archive" && is == strings.Replace(was, "ACTIVE", "ARCHIVED", 1):
			default:
				r.wrong("%s is %q and was %q, and the oracle says %s", r.name(n, digest), is, was, v)
			}
		}
		for _, s := range r.shelters {
			if s.repo == n && after[n][s.digest] != "" && now.repos[n][s.digest] == "delete" {
				r.seen.add("sheltered", 1)
			}
		}
	}
}

// compareExit checks the exit code, and the report against what is gone.
func (r *trial) compareExit(out outcome, shown *forecast, direct bool, now *forecast, happened bool) {
	exit := done
	switch {
	case direct && shown.unread():
		exit = failed
	case direct && shown.held(), shown.back, now.gaps > 0, now.back:
		exit = held
	}
	// What somebody archives can be given no mark, and the report says so.
	if happened && r.Policy.Grace > 0 && out.exit == partial && slices.ContainsFunc(r.During, func(d during) bool { return d.What == "archive" }) {
		return
	}
	if out.exit != exit {
		r.wrong("apply: want exit code %d, got %s", exit, out)
		return
	}
	r.seen.add(fmt.Sprint("exit ", exit), 1)
	if exit == failed {
		return
	}
	if got, err := readReport(out); err != nil {
		r.wrong("the report cannot be read: %v", err)
	} else if got.Failed > 0 {
		r.wrong("the report has failures: %s", out.stdout)
	}
}
