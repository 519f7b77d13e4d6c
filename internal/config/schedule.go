package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// DefaultInterval is the time between runs where the configuration says nothing.
const DefaultInterval = 6 * time.Hour

// Next returns when the run after a time is due.
func (c Controller) Next(after time.Time) time.Time {
	if c.Schedule == "" {
		if c.Interval > 0 {
			return after.Add(c.Interval)
		}
		return after.Add(DefaultInterval)
	}
	schedule, err := parseSchedule(c.Schedule)
	if err != nil {
		// It was checked when the configuration was read.
		return after.Add(DefaultInterval)
	}
	zone, err := time.LoadLocation(c.TimeZone) // "" is UTC
	if err != nil {
		zone = time.UTC
	}
	return schedule.Next(after.In(zone))
}

// parseSchedule parses a cron expression that was checked.
func parseSchedule(text string) (cron.Schedule, error) {
	fields := strings.Fields(text)
	fields[4] = sunday(fields[4])
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	return parser.Parse(strings.Join(fields, " "))
}

// sunday writes the days of a week from 0 to 6: 7, as POSIX does not have it but
// most crontabs do, is Sunday too.
func sunday(field string) string {
	parts := strings.Split(field, ",")
	for i, part := range parts {
		days, step, _ := strings.Cut(part, "/")
		from, to, isRange := strings.Cut(days, "-")
		switch {
		case from == "7" && (!isRange || to == "7"):
			parts[i] = "0"
		case isRange && to == "7":
			first, err := strconv.Atoi(from)
			if err != nil {
				first = slices.Index(scheduleFields[4].names, strings.ToLower(from))
			}
			every, err := strconv.Atoi(step)
			if err != nil {
				every = 1
			}
			var list []string
			for day := first; day <= 7; day += every {
				list = append(list, strconv.Itoa(day%7))
			}
			parts[i] = strings.Join(list, ",")
		}
	}
	return strings.Join(parts, ",")
}

// leap is a time before a 29 February. A schedule that fires at all fires within
// five years of it.
var leap = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// scheduleFields are the five fields of a cron expression (POSIX crontab).
var scheduleFields = []struct {
	name        string
	least, most int
	names       []string // from least on
}{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// checkSchedule says what is wrong with a cron expression.
func checkSchedule(text string) error {
	fields := strings.Fields(text)
	if len(fields) != len(scheduleFields) {
		return fmt.Errorf("the schedule %q has %d fields and needs five: minute, hour, day of the month, month, day of the week", text, len(fields))
	}
	for i, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			if !validPart(i, part) {
				f := scheduleFields[i]
				return fmt.Errorf("%q is no %s: write *, a number from %d to %d, a range such as %d-%d, or steps such as */2",
					part, f.name, f.least, f.most, f.least, f.most)
			}
		}
	}
	schedule, err := parseSchedule(text)
	if err != nil {
		return fmt.Errorf("the schedule %q: %w", text, err)
	}
	if schedule.Next(leap).IsZero() {
		return fmt.Errorf("the schedule %q never fires: no such month has such a day", text)
	}
	return nil
}

// validPart reports whether a part is *, a number, a range or one of them with
// steps.
func validPart(field int, part string) bool {
	f := scheduleFields[field]
	part, step, hasStep := strings.Cut(part, "/")
	if hasStep {
		if n, err := strconv.Atoi(step); err != nil || n < 1 || n > f.most {
			return false
		}
	}
	if part == "*" {
		return true
	}
	number := func(s string) int {
		if i := slices.Index(f.names, strings.ToLower(s)); i >= 0 {
			return f.least + i
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < f.least || n > f.most {
			return -1
		}
		return n
	}
	from, to, isRange := strings.Cut(part, "-")
	if !isRange {
		return number(from) >= 0
	}
	return number(from) >= 0 && number(to) >= number(from)
}
