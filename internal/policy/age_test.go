package policy

import (
	"testing"
	"time"
)

// The value of a resource tag is a number of units or a duration, and nothing
// else: what cannot be read is a gap.
func TestParseAge(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		value string
		unit  time.Duration
		want  time.Duration
		ok    bool
	}{
		{"30", day, 30 * day, true},
		{"30", time.Hour, 30 * time.Hour, true},
		{" 30 ", day, 30 * day, true},
		{"0", day, 0, true},
		{"007", day, 7 * day, true},
		{"45s", day, 45 * time.Second, true},
		{"45m", day, 45 * time.Minute, true},
		{"45h", day, 45 * time.Hour, true},
		{"45d", time.Hour, 45 * day, true},
		{"45w", day, 45 * 7 * day, true},
		{"36500", day, 36500 * day, true},
		{"36501", day, 0, false},
		{"99999999999999999999", day, 0, false},
		{"", day, 0, false},
		{"d", day, 0, false},
		{"-1", day, 0, false},
		{"+1", day, 0, false},
		{"1.5", day, 0, false},
		{"1 d", day, 0, false},
		{"1y", day, 0, false},
		{"30D", day, 0, false},
		{"3 0", day, 0, false},
		{"0x10", day, 0, false},
		{"1h30m", day, 0, false},
		{"thirty", day, 0, false},
		{"٣", day, 0, false},
	} {
		t.Run(tt.value, func(t *testing.T) {
			got, err := parseAge(tt.value, tt.unit)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("parseAge(%q, %v) = %v, %v", tt.value, tt.unit, got, err)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	for d, want := range map[time.Duration]string{
		720 * time.Hour: "30d", 24 * time.Hour: "1d", 36 * time.Hour: "36h", 90 * time.Minute: "90m", 45 * time.Second: "45s",
		1500 * time.Millisecond: "1.5s", 0: "0s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %s, want %s", d, got, want)
		}
	}
	if got := FormatDate(1781524800000); got != "2026-06-15 12:00" {
		t.Errorf("FormatDate = %s", got)
	}
	if got := FormatDate(0); got != "at an unknown time" {
		t.Errorf("FormatDate(0) = %s", got)
	}
}

func TestVerdictsAsText(t *testing.T) {
	for v, want := range map[Verdict]string{VerdictDelete: "delete", VerdictArchive: "archive", VerdictHeld: "held", VerdictKeep: "keep"} {
		text, err := v.MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("%d is written as %s, %v", v, text, err)
		}
		back := Verdict(9)
		if err := back.UnmarshalText(text); err != nil || back != v {
			t.Errorf("%s is read as %d, %v", text, back, err)
		}
	}
	v := VerdictKeep
	if err := v.UnmarshalText([]byte("destroy")); err == nil || v != VerdictKeep {
		t.Errorf("an unknown verdict is read as %v, %v", v, err)
	}
}
