package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
)

// TestPropertyGrace runs applies for weeks over a repository whose images come
// into use and go out of it, and in each run one call may fail. An image goes
// only more than the period after the last run that found it kept and could say
// so, or the first run; a mark goes only from what has a tag that stays; and when
// nothing is in use any more all of it goes.
func TestPropertyGrace(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	rapid.Check(t, func(rt *rapid.T) {
		now := Now.Time()
		clock := func() time.Time { return now }
		repo := New("r")
		for _, name := range names {
			options := []Option{Age(50 * Day)}
			if rapid.Bool().Draw(rt, "tagged") {
				options = append(options, Tags("v-"+name))
			}
			repo.Add(name, options...)
		}
		c := &clerk{recorder: recorder{batch: 2}, repo: repo}
		keptAt, there := map[string]time.Time{}, slices.Clone(names)
		run := func(fails int, used ...string) *plan.Report {
			calls := 0
			c.fails, c.log = map[string]error{}, nil
			c.ends = func(call string) {
				if calls++; calls == fails {
					c.fails[call] = errors.New("dropped")
				}
			}
			a := graced(t, repo, clock, used...)
			outcome, err := a.Plan(t.Context())
			if err != nil {
				rt.Fatal(err)
			}
			report, err := a.Apply(t.Context(), outcome.Plan, func(context.Context, string) (registry.Writer, error) { return c, nil })
			if err != nil {
				rt.Fatal(err)
			}
			if err := a.Store.Close(); err != nil {
				rt.Fatal(err)
			}
			for _, name := range slices.Clone(there) {
				at := slices.IndexFunc(repo.Images, func(i image.Image) bool { return i.Digest == D(name) })
				if at >= 0 {
					continue
				}
				there = slices.DeleteFunc(there, func(n string) bool { return n == name })
				if slices.Contains(used, name) {
					rt.Fatalf("%s is in use and gone", name)
				}
				if after := now.Sub(keptAt[name]); after <= 7*Day {
					rt.Fatalf("%s is gone %s after it was kept", name, after)
				}
			}
			for _, call := range c.log {
				f := strings.Fields(call) // untag NAME TAG, and ANCHOR stays
				if f[0] != "untag" {
					continue
				}
				if tags := c.find(D(f[1])).Tags; !slices.Contains(tags, f[4]) {
					rt.Fatalf("%s, and the image has the tags %v", call, tags)
				}
			}
			return report
		}
		for _, name := range names {
			keptAt[name] = now
		}
		for range rapid.IntRange(3, 12).Draw(rt, "runs") {
			now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, Day, 3 * Day, 4 * Day, 7 * Day, 7*Day + time.Second}).Draw(rt, "later"))
			var used []string
			for _, name := range there {
				if rapid.IntRange(0, 2).Draw(rt, "used") == 0 {
					used = append(used, name)
				}
			}
			fails := rapid.IntRange(0, 6).Draw(rt, "fails")
			report := run(fails, used...)
			for _, name := range used {
				img := c.find(D(name))
				condemned := slices.ContainsFunc(img.Tags, func(t string) bool { return strings.HasPrefix(t, policy.CondemnedPrefix) })
				if condemned && report.Failed == 0 {
					rt.Fatalf("%s is in use and has the tags %v", name, img.Tags)
				}
				if !condemned || counts(img.Tags) == "" {
					keptAt[name] = now
				}
			}
		}
		for range 4 {
			now = now.Add(8 * Day)
			run(0)
		}
		if len(there) > 0 {
			rt.Fatalf("%v stay, with %v", there, fmt.Sprint(repo.Images))
		}
	})
}

// counts returns the latest time that condemns an image, if it was not kept then
// or since. All times of the test have as many digits.
func counts(tags []string) (latest string) {
	kept := ""
	for _, tag := range tags {
		if at, ok := strings.CutPrefix(tag, policy.CondemnedPrefix); ok {
			latest = max(latest, at)
		}
		if at, ok := strings.CutPrefix(tag, policy.KeptPrefix); ok {
			kept = max(kept, at)
		}
	}
	if kept >= latest {
		return ""
	}
	return latest
}
