package config_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/config"
)

func TestNext(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, test := range []struct {
		name       string
		controller config.Controller
		after      string
		want       []string // one after the other
	}{
		{"nothing", config.Controller{}, "2026-06-15T12:00:00Z", []string{"2026-06-15T18:00:00Z", "2026-06-16T00:00:00Z"}},
		{"interval", config.Controller{Interval: 90 * time.Minute}, "2026-06-15T12:00:00Z", []string{"2026-06-15T13:30:00Z"}},
		{"every day", config.Controller{Schedule: "0 3 * * *"}, "2026-06-15T12:00:00Z", []string{"2026-06-16T03:00:00Z", "2026-06-17T03:00:00Z"}},
		{"the moment itself is over", config.Controller{Schedule: "0 3 * * *"}, "2026-06-15T03:00:00Z", []string{"2026-06-16T03:00:00Z"}},
		{"time zone", config.Controller{Schedule: "0 3 * * *", TimeZone: "Europe/Berlin"}, "2026-06-15T12:00:00Z", []string{"2026-06-16T01:00:00Z"}},
		{"when clocks go back", config.Controller{Schedule: "30 1 * * *", TimeZone: "Europe/Berlin"}, "2026-10-24T12:00:00Z",
			[]string{"2026-10-24T23:30:00Z", "2026-10-26T00:30:00Z"}},
		{"leap day", config.Controller{Schedule: "0 0 29 2 *"}, "2026-06-15T12:00:00Z", []string{"2028-02-29T00:00:00Z"}},
		{"Sunday is 7", config.Controller{Schedule: "0 0 * * 7"}, "2026-06-15T12:00:00Z", []string{"2026-06-21T00:00:00Z", "2026-06-28T00:00:00Z"}},
		{"the weekend to 7", config.Controller{Schedule: "0 0 * * sat-7"}, "2026-06-15T12:00:00Z", []string{"2026-06-20T00:00:00Z", "2026-06-21T00:00:00Z", "2026-06-27T00:00:00Z"}},
		{"every other day to 7", config.Controller{Schedule: "0 0 * * 3-7/2"}, "2026-06-15T12:00:00Z", []string{"2026-06-17T00:00:00Z", "2026-06-19T00:00:00Z", "2026-06-21T00:00:00Z"}},
		{"every three days", config.Controller{Schedule: "10 6 */3 * *"}, "2026-06-15T12:00:00Z", []string{"2026-06-16T06:10:00Z", "2026-06-19T06:10:00Z"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			next := at(test.after)
			for range test.want {
				next = test.controller.Next(next)
				got = append(got, next.UTC().Format(time.RFC3339))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
