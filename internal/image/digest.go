// Package image holds the words that everything else is made of: digests,
// references, images, manifests and uses. It does no I/O and imports nothing
// of this module.
package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Digest is the SHA-256 content digest of a manifest, a config or a layer. The
// zero value means "none": no content has it in practice.
//
// It is an array and not a string so that a million of them are one flat
// allocation and comparing two is comparing 32 bytes.
type Digest [sha256.Size]byte

// digestPrefix is the algorithm prefix of the only digest that ECR stores.
const digestPrefix = "sha256:"

// ParseDigest reads "sha256:" followed by 64 lower-case hexadecimal digits.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	h, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(h) != hex.EncodedLen(len(d)) {
		return Digest{}, digestError(s)
	}
	for i := range d {
		high, low := digit(h[2*i]), digit(h[2*i+1])
		if high|low > 15 {
			return Digest{}, digestError(s)
		}
		d[i] = high<<4 | low
	}
	return d, nil
}

func digestError(s string) error {
	return fmt.Errorf("%q is not a digest: want sha256: and 64 lower-case hexadecimal digits", s)
}

// digit returns the value of a lower-case hexadecimal digit, or 255.
func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// DigestOf returns the digest of content.
func DigestOf(content []byte) Digest { return sha256.Sum256(content) }

// IsZero reports whether d is the zero digest, which means "none".
func (d Digest) IsZero() bool { return d == Digest{} }

// Hex returns the 64 hexadecimal digits without the algorithm.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// String returns the usual form, "sha256:" and 64 digits, and "" for none.
func (d Digest) String() string {
	if d.IsZero() {
		return ""
	}
	return digestPrefix + d.Hex()
}

// Compare orders digests by their bytes, which is also the order of their
// usual written form.
func (d Digest) Compare(e Digest) int { return bytes.Compare(d[:], e[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; the empty text is none.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	v, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}
