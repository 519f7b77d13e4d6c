package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

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
