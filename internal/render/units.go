// Package render writes plans, usage and reports for people and for programs.
package render

import (
	"fmt"
	"strings"
)

// Bytes formats a size in decimal units, as registries do.
func Bytes(n int64) string {
	f, unit := float64(n), 0
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	for f >= 999.5 && unit < len(units)-1 {
		f /= 1000
		unit++
	}
	if unit == 0 || f >= 99.5 {
		return fmt.Sprintf("%.0f %s", f, units[unit])
	}
	return fmt.Sprintf("%.1f %s", f, units[unit])
}

// Count formats n with its noun: "1 image", "1,200 images".
func Count(n int, noun string) string {
	if n != 1 {
		switch {
		case strings.HasSuffix(noun, "y"):
			noun = strings.TrimSuffix(noun, "y") + "ies"
		case strings.HasSuffix(noun, "x"):
			noun += "es"
		default:
			noun += "s"
		}
	}
	return Number(n) + " " + noun
}

// Number formats n with thousands separators.
func Number(n int) string {
	s := fmt.Sprint(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// freed formats what a deletion frees: exactly, or with the bound named.
func freed(certainly, atMost int64) string {
	switch {
	case atMost == 0:
		return "0 B"
	case certainly == atMost:
		return Bytes(certainly)
	case certainly == 0:
		return "≤ " + Bytes(atMost)
	default:
		return Bytes(certainly) + " to " + Bytes(atMost)
	}
}

// money formats a price.
func money(f float64, currency string) string { return fmt.Sprintf("%.2f %s", f, currency) }

// clean makes text from outside safe for a terminal and for a table row: no
// control characters, one line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
