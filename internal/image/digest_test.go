package image

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
)

func TestParseDigest(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for _, tt := range []struct {
		name, in string
		ok       bool
	}{
		{"usual", "sha256:" + hex, true},
		{"of zeros, which is none", "sha256:" + strings.Repeat("0", 64), true},
		{"empty", "", false},
		{"without algorithm", hex, false},
		{"algorithm only", "sha256:", false},
		{"of another algorithm", "sha512:" + hex + hex, false},
		{"of another algorithm, cut", "sha512:" + hex, false},
		{"too short", "sha256:" + hex[1:], false},
		{"too long", "sha256:" + hex + "0", false},
		{"upper-case digits", "sha256:" + strings.ToUpper(hex), false},
		{"upper-case algorithm", "SHA256:" + hex, false},
		{"no digits", "sha256:" + strings.Repeat("g", 64), false},
		{"a tag's form", "sha256-" + hex, false},
		{"space before", " sha256:" + hex, false},
		{"newline behind", "sha256:" + hex + "\n", false},
		{"with a reference", "r@sha256:" + hex, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := ParseDigest(tt.in)
			if (err == nil) != tt.ok {
				t.Fatalf("ParseDigest(%q) = %v, %v", tt.in, d, err)
			}
			if !tt.ok && (!d.IsZero() || !strings.Contains(err.Error(), "is not a digest")) {
				t.Errorf("ParseDigest(%q) = %v, %v", tt.in, d, err)
			}
			if tt.ok && !d.IsZero() && (d.String() != tt.in || d.Hex() != tt.in[len("sha256:"):]) {
				t.Errorf("%q is written as %q, %q", tt.in, d.String(), d.Hex())
			}
		})
	}
}

func TestDigestOf(t *testing.T) {
	// The digest of no bytes, from FIPS 180-4's test values.
	const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if got := DigestOf(nil).String(); got != empty {
		t.Errorf("DigestOf(nil) = %s", got)
	}
	if DigestOf([]byte("a")) != sha256.Sum256([]byte("a")) {
		t.Error("DigestOf is not SHA-256")
	}
}

func TestZeroDigest(t *testing.T) {
	var zero Digest
	if !zero.IsZero() || zero.String() != "" || DigestOf(nil).IsZero() {
		t.Errorf("zero digest: %v, %q", zero.IsZero(), zero.String())
	}
}

func TestCompareDigestsAsWritten(t *testing.T) {
	for _, a := range []string{"a", "b", "c", "d"} {
		for _, b := range []string{"a", "b", "c", "d"} {
			x, y := DigestOf([]byte(a)), DigestOf([]byte(b))
			if got, want := x.Compare(y), strings.Compare(x.String(), y.String()); got != want {
				t.Errorf("Compare of %s and %s = %d, want %d", x, y, got, want)
			}
		}
	}
}

func TestDigestAsJSON(t *testing.T) {
	type document struct {
		Digest Digest `json:"digest"`
	}
	for _, d := range []Digest{{}, DigestOf(nil)} {
		content, err := json.Marshal(document{d})
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"digest":"` + d.String() + `"}`; string(content) != want {
			t.Errorf("JSON = %s, want %s", content, want)
		}
		back := document{DigestOf([]byte("something else"))}
		if err := json.Unmarshal(content, &back); err != nil || back.Digest != d {
			t.Errorf("%s is read as %v, %v", content, back.Digest, err)
		}
	}
	before := DigestOf(nil)
	d := before
	if err := d.UnmarshalText([]byte("sha256:1")); err == nil || d != before {
		t.Errorf("a malformed digest: %v, %v", d, err)
	}
}
