package strict

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// units are the units of durations, largest first. Months and years are none,
// since they have no fixed length.
var units = []struct {
	name  string
	value time.Duration
}{
	{"w", 7 * 24 * time.Hour},
	{"d", 24 * time.Hour},
	{"h", time.Hour},
	{"m", time.Minute},
	{"s", time.Second},
}

// Unit returns the length of a unit: s, m, h, d or w.
func Unit(name string) (time.Duration, bool) {
	for _, u := range units {
		if u.name == name {
			return u.value, true
		}
	}
	return 0, false
}

// maxDuration leaves room for sums with other durations.
const maxDuration = 36500 * 24 * time.Hour

var (
	durationPart = regexp.MustCompile(`^([0-9]+)([smhdw])`)
	looseParts   = regexp.MustCompile(`^(-?)\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]*)$`)
)

// ParseDuration reads whole numbers with units, the larger unit first:
// "14d", "1d12h", "0s".
func ParseDuration(text string) (time.Duration, error) {
	total, last := time.Duration(0), -1
	for rest := text; ; {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, durationError(text)
		}
		n, err := strconv.ParseInt(m[1], 10, 64)
		at := unitIndex(m[2])
		if err != nil || n > int64((maxDuration-total)/units[at].value) {
			return 0, fmt.Errorf("the duration %q is too long: 36500d are the most", text)
		}
		if at <= last {
			return 0, fmt.Errorf("the duration %q must have the larger unit first and each unit once, such as 1d12h", text)
		}
		total += time.Duration(n) * units[at].value
		last = at
		if rest = rest[len(m[0]):]; rest == "" {
			return total, nil
		}
	}
}

// durationError says what is wrong with a text that is no duration.
func durationError(text string) error {
	m := looseParts.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return fmt.Errorf("%q is not a duration: write a whole number and a unit (s, m, h, d or w), such as 14d", text)
	}
	minus, n, unit := m[1], m[2], m[3]
	switch {
	case minus != "":
		return fmt.Errorf("the duration %q is negative", text)
	case unit == "":
		return fmt.Errorf("the duration %q has no unit: write %sd, or another of s, m, h, d and w", text, n)
	case strings.Contains(n, "."):
		return fmt.Errorf("the duration %q is not a whole number: write it in a smaller unit or in two, such as 1d12h", text)
	}
	if unit == "M" {
		return fmt.Errorf("the duration %q has an unknown unit: m is minutes; months vary in length, write d or w", text)
	}
	switch lower := strings.ToLower(unit); strings.TrimSuffix(lower, "s") {
	case "y", "yr", "year", "mo", "mth", "month":
		return fmt.Errorf("the duration %q is in months or years, which vary in length: write d or w, such as 30d or 365d", text)
	case "w", "wk", "week", "d", "day", "h", "hr", "hour", "min", "minute", "sec", "second":
		return fmt.Errorf("the duration %q must be written %s%s", text, n, lower[:1])
	case "", "m", "u", "µ", "n":
		if len(unit) == 1 {
			return fmt.Errorf("the duration %q must be written %s%s", text, n, lower)
		}
		return fmt.Errorf("the duration %q is too fine: s is the smallest unit", text)
	}
	return fmt.Errorf("the duration %q has an unknown unit: there are s, m, h, d and w", text)
}

func unitIndex(name string) int {
	for i, u := range units {
		if u.name == name {
			return i
		}
	}
	return -1
}

// FormatDuration writes a duration as ParseDuration reads it, in days and
// smaller units.
func FormatDuration(d time.Duration) string {
	if d <= 0 || d%time.Second != 0 {
		if d == 0 {
			return "0s"
		}
		return d.String()
	}
	var b strings.Builder
	for _, u := range units[1:] {
		if n := d / u.value; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.value
		}
	}
	return b.String()
}
