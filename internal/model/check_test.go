package model_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/oracle"
)

// verdicts are those on the images of one repository, by digest.
type verdicts map[string]string

func (v verdicts) count(what ...string) (n int) {
	for _, verdict := range v {
		if slices.Contains(what, verdict) {
			n++
		}
	}
	return n
}

// forecast is what the oracle says of a run.
type forecast struct {
	// repos are the verdicts by repository; nil is one that cannot be read.
	repos  []verdicts
	images []map[string]oracle.Image
	// marks is what an apply does about the marks of the grace period.
	marks []map[string]string
	gaps  int
	// back says that something else than the grace period holds something.
	back bool
}

// acts reports whether an apply does something to a repository.
func (f *forecast) acts(n int) bool {
	return f.repos[n].count("delete", "archive") > 0 || len(f.marks[n]) > 0
}

func (f *forecast) count(what ...string) (n int) {
	for _, v := range f.repos {
		n += v.count(what...)
	}
	return n
}

// held reports whether something is held, so that the exit code is 4.
func (f *forecast) held() bool {
	return f.gaps > 0 || f.back || slices.ContainsFunc(f.repos, func(v verdicts) bool { return v == nil })
}

// unread reports whether no repository can be read.
func (f *forecast) unread() bool {
	return !slices.ContainsFunc(f.repos, func(v verdicts) bool { return v != nil })
}

// clock is the time of judgement.
func (a *account) clock() time.Time {
	if a.Now == givenPast {
		return start
	}
	return time.Now()
}

// foresee asks the oracle what a plan says now.
func (a *account) foresee() *forecast {
	gaps := a.gaps()
	f := &forecast{gaps: len(gaps)}
	for n := range a.Repos {
		images := map[string]oracle.Image{}
		for _, img := range a.familiesOf(n).Repository.Images {
			images[img.Digest] = img
		}
		f.images = append(f.images, images)
		f.marks = append(f.marks, map[string]string{})
		if a.Repos[n].Unreadable {
			f.repos = append(f.repos, nil)
			continue
		}
		v, w := verdicts{}, a.worldOf(n, a.clock(), gaps)
		for digest, j := range oracle.Judge(w) {
			v[digest] = j.Verdict
			if j.Mark != "" {
				f.marks[n][digest] = j.Mark
			}
		}
		f.repos = append(f.repos, v)
		f.back = f.back || oracle.HeldBack(w)
	}
	most := a.MaxDeletes
	if most == 0 {
		most = 10_000
	}
	if f.count("delete", "archive") > most {
		f.back = true
		for _, v := range f.repos {
			for digest, verdict := range v {
				if verdict != "keep" {
					v[digest] = "held"
				}
			}
		}
	}
	return f
}

// confirm asks the oracle what an apply of a plan does now. Only repositories
// of which something is to go are looked at.
func (a *account) confirm(planned *forecast) *forecast {
	f := &forecast{}
	for range a.Repos {
		f.repos = append(f.repos, verdicts{})
	}
	if !slices.ContainsFunc(a.numbers(), planned.acts) {
		return f
	}
	gaps := a.gaps()
	f.gaps = len(gaps)
	for n := range a.Repos {
		if !planned.acts(n) {
			continue
		}
		earlier := map[string]oracle.Planned{}
		for digest, verdict := range planned.repos[n] {
			if verdict != "keep" {
				img := planned.images[n][digest]
				earlier[digest] = oracle.Planned{Verdict: verdict, Tags: img.Tags, Pushed: img.Pushed}
			}
		}
		w := a.worldOf(n, a.clock(), gaps)
		f.repos[n] = oracle.Confirm(w, earlier)
		f.back = f.back || oracle.HeldBack(w)
	}
	return f
}

// numbers are the positions of all repositories.
func (a *account) numbers() (list []int) {
	for n := range a.Repos {
		list = append(list, n)
	}
	return list
}

// comparePlan compares a saved plan with the forecast.
func (a *account) comparePlan(d *document, f *forecast) (problems []string) {
	found := map[string]bool{}
	for _, reg := range d.Registries {
		for _, repo := range reg.Repositories {
			n := slices.IndexFunc(a.Repos, func(r repoSpec) bool { return r.Name == repo.Name && r.Region == reg.Name })
			if n < 0 {
				problems = append(problems, "the plan has a repository "+repo.Name)
				continue
			}
			found[repo.Name] = true
			got := verdicts{}
			for digest := range f.repos[n] {
				got[digest] = "keep"
			}
			for _, img := range repo.Images {
				got[img.Digest] = img.Verdict
				if tags := f.images[n][img.Digest].Tags; strings.Join(tags, " ") != strings.Join(img.Tags, " ") {
					problems = append(problems, fmt.Sprintf("the plan has %s with the tags %q, and it has %q", a.name(n, img.Digest), img.Tags, tags))
				}
			}
			if repo.Totals.Images != len(f.repos[n]) {
				problems = append(problems, fmt.Sprintf("the plan has %d images in %s, and there are %d", repo.Totals.Images, repo.Name, len(f.repos[n])))
			}
			for _, digest := range slices.Sorted(maps.Keys(got)) {
				if want := f.repos[n][digest]; got[digest] != want {
					problems = append(problems, fmt.Sprintf("the plan says %s of %s, and the oracle %s", got[digest], a.name(n, digest), want))
				}
			}
		}
	}
	if len(found) != len(a.Repos) {
		problems = append(problems, fmt.Sprintf("the plan has %d repositories, and there are %d", len(found), len(a.Repos)))
	}
	return problems
}

// name names an image for people.
func (a *account) name(n int, digest string) string {
	if k := slices.Index(a.digests[n], digest); k >= 0 {
		return fmt.Sprintf("image %d of %s", k, a.Repos[n].Name)
	}
	return fmt.Sprintf("%.19s of %s", digest, a.Repos[n].Name)
}

// state is what there is: the status and the tags of each image, without the
// marks of the grace period.
type state []map[string]string

func (a *account) state() (s state) {
	for n := range a.Repos {
		s = append(s, a.stateOf(n))
	}
	return s
}

func (a *account) stateOf(n int) map[string]string {
	images := map[string]string{}
	for _, img := range a.repo(n).Images() {
		tags := slices.DeleteFunc(slices.Clone(img.Tags), oracle.IsMark)
		images[img.Digest] = strings.Join(append([]string{img.Status}, tags...), " ")
	}
	return images
}

// after returns what there is when what goes has gone.
func (a *account) after(before state, f *forecast) state {
	s := state{}
	for n := range before {
		images := maps.Clone(before[n])
		left := a.refused(n, f.repos[n])
		for digest, verdict := range f.repos[n] {
			switch {
			case left[digest]:
			case verdict == "delete":
				delete(images, digest)
			case verdict == "archive":
				images[digest] = strings.Replace(images[digest], "ACTIVE", "ARCHIVED", 1)
			}
		}
		s = append(s, images)
	}
	return s
}

// refused returns which of the condemned images of a repository stay. Deletion
// goes from the roots down, and an image goes only when everything is gone that
// holds it. So images that hold each other stay, and so does what an index lists
// that regsweep could not read, since ECR refuses to delete it.
func (a *account) refused(n int, v verdicts) map[string]bool {
	left := map[string]bool{}
	for digest, verdict := range v {
		if verdict == "delete" {
			left[digest] = true
		}
	}
	w := a.worldOf(n, a.clock(), nil)
	images := a.repo(n).Images()
	for again := true; again; {
		again = false
		for digest := range left {
			held := slices.ContainsFunc(oracle.Parents(w, digest), func(p string) bool { return left[p] }) ||
				slices.ContainsFunc(images, func(i embedded.Image) bool {
					return slices.Contains(i.Children, digest) && (v[i.Digest] != "delete" || left[i.Digest])
				})
			if !held {
				delete(left, digest)
				again = true
			}
		}
	}
	return left
}

// difference returns where two states differ.
func (a *account) difference(want, got state) (problems []string) {
	for n := range want {
		all := maps.Clone(want[n])
		maps.Copy(all, got[n])
		for _, digest := range slices.Sorted(maps.Keys(all)) {
			if w, g := want[n][digest], got[n][digest]; w != g {
				problems = append(problems, fmt.Sprintf("%s is %q, and should be %q", a.name(n, digest), g, w))
			}
		}
	}
	return problems
}

// report is what this test reads of a report.
type report struct {
	Deleted, Archived, Changed, Failed int
	Held                               bool
}

func readReport(o outcome) (r report, err error) {
	return r, json.Unmarshal([]byte(o.stdout), &r)
}
