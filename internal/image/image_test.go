package image

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	berlin := time.FixedZone("CEST", 2*60*60)
	for _, tt := range []struct {
		name string
		in   time.Time
		want Time
	}{
		{"zero is unknown", time.Time{}, 0},
		{"in UTC", time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC), 1781524800000},
		{"in another zone", time.Date(2026, 6, 15, 14, 0, 0, 0, berlin), 1781524800000},
		{"parts of a millisecond are cut", time.Date(2026, 6, 15, 12, 0, 0, 1_999_999, time.UTC), 1781524800001},
		{"before 1970", time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC), -1000},
		{"centuries ahead", time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC), 16725225600000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := At(tt.in)
			if got != tt.want || got.Known() != (tt.want != 0) {
				t.Fatalf("At(%v) = %d, %v", tt.in, got, got.Known())
			}
			back := got.Time()
			if got.Known() && !back.Equal(tt.in.Truncate(time.Millisecond)) || back.IsZero() == got.Known() || back.Location() != time.UTC {
				t.Errorf("At(%v) is %v again", tt.in, back)
			}
		})
	}
}

func TestTimeAsJSON(t *testing.T) {
	for _, tt := range []struct {
		time Time
		json string
	}{
		{0, `""`},
		{1781524800000, `"2026-06-15T12:00:00Z"`},
		{1781524800250, `"2026-06-15T12:00:00.25Z"`},
		{-1, `"1969-12-31T23:59:59.999Z"`},
	} {
		content, err := json.Marshal(tt.time)
		if err != nil || string(content) != tt.json {
			t.Errorf("JSON of %d = %s, %v, want %s", tt.time, content, err, tt.json)
		}
		back := Time(math.MaxInt64)
		if err := json.Unmarshal(content, &back); err != nil || back != tt.time {
			t.Errorf("%s is read as %d, %v", content, back, err)
		}
	}
	offset := Time(1)
	if err := offset.UnmarshalText([]byte("2026-06-15T14:00:00+02:00")); err != nil || offset != 1781524800000 {
		t.Errorf("a time with an offset: %d, %v", offset, err)
	}
	kept := Time(1)
	if err := kept.UnmarshalText([]byte("yesterday")); err == nil || kept != 1 {
		t.Errorf("no time: %d, %v", kept, err)
	}
}

func TestUnknownTimeIsLeftOut(t *testing.T) {
	content, err := json.Marshal(struct {
		At Time `json:"at,omitzero"`
	}{})
	if err != nil || string(content) != "{}" {
		t.Errorf("JSON = %s, %v", content, err)
	}
}

func TestIsIndexType(t *testing.T) {
	for mediaType, want := range map[string]bool{
		MediaTypeOCIIndex: true, MediaTypeDockerManifestList: true,
		"application/vnd.oci.image.index.v1+json; charset=utf-8": true,
		" Application/VND.oci.image.index.v1+JSON":               true,
		MediaTypeOCIManifest:                                     false, MediaTypeDockerManifest: false,
		"": false, "application/json": false, MediaTypeOCIIndex + "2": false,
	} {
		img := Image{Type: NewType(mediaType, "", Digest{})}
		if got := IsIndexType(mediaType); got != want || img.IsIndex() != want {
			t.Errorf("IsIndexType(%q) = %v, want %v", mediaType, got, want)
		}
	}
}
