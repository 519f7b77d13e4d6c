package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
)

func TestMarks(t *testing.T) {
	for _, tt := range []struct {
		name string
		tag  Tag
		in   string
		is   bool
		used image.Time
	}{
		{"by the default prefix", Tag{}, "in-use-1770000000", true, 1770000000000},
		{"by another prefix", Tag{Prefix: "live"}, "live-1770000000", true, 1770000000000},
		{"the default prefix beside another", Tag{Prefix: "live"}, "in-use-1770000000", false, 0},
		{"by a name, which tells no time", Tag{Name: "production"}, "production", true, 0},
		{"by the prefix beside a name", Tag{Name: "production"}, "in-use-1770000000", true, 1770000000000},
		{"another name", Tag{Name: "production"}, "production2", false, 0},
		{"condemned", Tag{}, "regsweep-condemned-1770000000", true, 0},
		{"condemned, whatever the prefix", Tag{Prefix: "live", Name: "production"}, "regsweep-condemned-1770000000", true, 0},
		{"kept", Tag{}, "regsweep-kept-1770000000", true, 0},
		{"kept, and no time", Tag{}, "regsweep-kept-soon12345", false, 0},
		{"nine digits", Tag{}, "in-use-100000000", true, 100000000000},
		{"eleven digits", Tag{}, "in-use-99999999999", true, 99999999999000},
		{"too few digits", Tag{}, "in-use-12345678", false, 0},
		{"too many digits", Tag{}, "in-use-123456789012", false, 0},
		{"zero", Tag{}, "in-use-000000000", false, 0},
		{"the prefix alone", Tag{}, "in-use-", false, 0},
		{"no number", Tag{}, "in-use-soon12345", false, 0},
		{"a sign", Tag{}, "in-use--177000000", false, 0},
		{"something behind", Tag{}, "in-use-1770000000-2", false, 0},
		{"something before", Tag{}, "x-in-use-1770000000", false, 0},
		{"empty", Tag{}, "", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMarks(tt.tag)
			if got := m.is(tt.in); got != tt.is {
				t.Errorf("is(%q) = %v", tt.in, got)
			}
			if got, ok := m.usedAt(tt.in); got != tt.used || ok != (tt.used != 0) {
				t.Errorf("usedAt(%q) = %d, %v", tt.in, got, ok)
			}
		})
	}
}

func TestOrdinaryTags(t *testing.T) {
	m := newMarks(Tag{Name: "production"})
	for _, tt := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"a", "b"}, []string{"a", "b"}},
		{[]string{"in-use-1770000000"}, nil},
		{[]string{"a", "in-use-1770000000", "b", "production", "regsweep-condemned-1770000000", "regsweep-kept-1770000000", "z"}, []string{"a", "b", "z"}},
	} {
		before := append([]string(nil), tt.in...)
		if diff := cmp.Diff(tt.want, m.ordinary(tt.in)); diff != "" {
			t.Errorf("ordinary(%v) (-want +got):\n%s", tt.in, diff)
		}
		if diff := cmp.Diff(before, tt.in); diff != "" {
			t.Errorf("the tags of the image changed (-before +after):\n%s", diff)
		}
	}
}
