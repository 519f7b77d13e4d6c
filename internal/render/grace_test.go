package render

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// Marks of one run are a second apart. A repository of thousands of them is not
// shown as a group for each minute.
func TestTableOfCondemnedImages(t *testing.T) {
	day := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	var list plan.List
	add := func(name string, at time.Time, why string) {
		list = append(list, plan.Image{
			Digest: image.DigestOf([]byte(name)), Root: image.DigestOf([]byte(name)), Tags: []string{name}, Verdict: policy.VerdictHeld,
			CondemnedAt: image.At(at), Reasons: []plan.Reason{
				{Code: policy.CodeGrace, Detail: "condemned since " + at.Format("2006-01-02 15:04")}, {Code: policy.CodeNotKept, Detail: why},
			},
		})
	}
	for i := range 5 {
		add(fmt.Sprint("a", i), day.Add(time.Duration(4-i)*time.Minute), "rule a")
	}
	add("b", day, "rule b")
	add("c", day.AddDate(0, 0, 1), "rule a")
	doc := &plan.Plan{Totals: plan.Totals{Images: 7, Held: 7, Grace: 7}, Registries: []plan.Registry{{Name: "prod", Repositories: []plan.Repository{
		plan.NewRepository("r", plan.Totals{Images: 7, Held: 7, Grace: 7}, "", list),
	}}}}
	var b strings.Builder
	if err := Plan(&b, doc, Options{Currency: "USD", Now: image.At(day)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"held 5 roots  grace: condemned since 2026-06-15 12:00; not-kept: rule a (the first of them)\n",
		"held 1 root  grace: condemned since 2026-06-15 12:00; not-kept: rule b\n",
		"held 1 root  grace: condemned since 2026-06-16 12:00; not-kept: rule a\n",
		"would be deleted; 7 held by the grace period.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func TestQuestion(t *testing.T) {
	for _, tt := range []struct {
		totals plan.Totals
		want   string
	}{
		{plan.Totals{Delete: 1}, "Delete 1 image"},
		{plan.Totals{Delete: 2, Archive: 1}, "Delete 2 images and archive 1 image"},
		{plan.Totals{Archive: 3}, "Archive 3 images"},
		{plan.Totals{Condemn: 4}, "Mark 4 images as condemned"},
		{plan.Totals{Unmark: 1}, "Take the mark from 1 image"},
		{plan.Totals{Delete: 1, Archive: 2, Condemn: 3, Unmark: 4}, "Delete 1 image, archive 2 images, mark 3 images as condemned and take the mark from 4 images"},
		{plan.Totals{Held: 1}, "Change nothing"},
	} {
		if got := Question(tt.totals); got != tt.want {
			t.Errorf("Question(%+v) = %q, want %q", tt.totals, got, tt.want)
		}
	}
}
