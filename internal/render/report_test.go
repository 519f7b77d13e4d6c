package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
)

// TestReportFailures has one line for all images that failed alike, and ends a
// list that is long.
func TestReportFailures(t *testing.T) {
	digest := func(n int) image.Digest {
		d, err := image.ParseDigest(fmt.Sprintf("sha256:%064x", n))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	r := plan.RepositoryReport{Registry: "prod", Name: "apps/web"}
	for i := range 3 {
		r.Failures = append(r.Failures, plan.Failure{Digest: digest(i), Detail: "may not delete"})
	}
	for i := range 2 {
		d := digest(i)
		r.Failures = append(r.Failures, plan.Failure{Digest: d, Mark: plan.Condemn, Detail: fmt.Sprintf("tag %s with regsweep-condemned-%d: may not", d, i)})
	}
	r.Failures = append(r.Failures, plan.Failure{Digest: digest(3), Archive: true, Detail: "may not delete"})
	for i := range 12 {
		r.Failures = append(r.Failures, plan.Failure{Digest: digest(i), Detail: fmt.Sprintf("code %c", 'a'+i)})
	}
	p := &page{}
	p.failures(&r)
	want := []string{
		"not deleted: prod/apps/web " + digest(0).String() + " and 2 more: may not delete",
		"not marked: prod/apps/web " + digest(0).String() + " and 1 more: tag " + digest(0).String() + " with regsweep-condemned-0: may not",
		"not archived: prod/apps/web " + digest(3).String() + ": may not delete",
	}
	for i := range 7 {
		want = append(want, fmt.Sprintf("not deleted: prod/apps/web %s: code %c", digest(i), 'a'+i))
	}
	want = append(want, "… and 5 failures of prod/apps/web more (-o json lists all)", "")
	if diff := cmp.Diff(want, strings.Split(p.b.String(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReportChanged names the first images that were left, with why.
func TestReportChanged(t *testing.T) {
	digest, err := image.ParseDigest(fmt.Sprintf("sha256:%064x", 1))
	if err != nil {
		t.Fatal(err)
	}
	p := &page{}
	p.changed(&plan.RepositoryReport{Registry: "prod", Name: "apps/web", Changed: 3, FirstChanged: []plan.LeftImage{
		{Digest: digest, Tags: []string{"v1"}, Reasons: []plan.Reason{{Code: "family", Detail: "it stays with its root"}, {Code: "in-use", Detail: "by a\x1bb"}}},
	}})
	p.changed(&plan.RepositoryReport{Registry: "prod", Name: "gone", Changed: 3})
	want := []string{
		"left: prod/apps/web v1 " + digest.String() + ": family: it stays with its root; in-use: by a" + clean("\x1b") + "b",
		"… and 2 images of prod/apps/web more that were left (-o json lists all)", "",
	}
	if diff := cmp.Diff(want, strings.Split(p.b.String(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReportCountsMarks tells marks that failed from images that did.
func TestReportCountsMarks(t *testing.T) {
	failures := []plan.Failure{{Detail: "a"}, {Mark: plan.Condemn, Detail: "b"}, {Mark: plan.Unmark, Detail: "c"}}
	for want, failed := range map[string][]plan.Failure{
		"Deleted 0 images; 1 failed; 2 marks failed.\n": failures,
		"Deleted 0 images; 2 marks failed.\n":           failures[1:],
		"Deleted 0 images; 1 failed.\n":                 failures[:1],
	} {
		r := plan.Report{Repositories: []plan.RepositoryReport{{Registry: "prod", Name: "a", Failures: failed}}}
		r.Finish()
		var b strings.Builder
		if err := Report(&b, &r, Options{}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(b.String(), "\n"+want) {
			t.Errorf("got %q, want it to end in %q", b.String(), want)
		}
	}
}

// TestReportHeld says how many images are held and by what, and ends a list that
// is long.
func TestReportHeld(t *testing.T) {
	var held []plan.HeldBack
	for i := range 12 {
		held = append(held, plan.HeldBack{Images: 2, Repository: "prod/apps/web", Repositories: 1, Reason: plan.Reason{Code: "gap", Detail: fmt.Sprintf("source %d", i)}})
	}
	held[1].Repository, held[1].Repositories = "", 3
	var b strings.Builder
	if err := Report(&b, &plan.Report{HeldBack: held}, Options{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	want := []string{
		"held: 2 images of prod/apps/web: gap: source 0",
		"held: 2 images of 3 repositories: gap: source 1",
		"… and 4 images that are held for other reasons (-o json lists all)",
		"Deleted 0 images; 24 held by a gap or a limit.", "",
	}
	if diff := cmp.Diff(want, append(lines[:2:2], lines[10:]...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
