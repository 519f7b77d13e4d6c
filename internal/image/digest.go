// Package image holds the words that everything else is made of: digests,
// references, images, manifests and uses. It does no I/O and imports nothing
// of this module but internal/jsonscan.
package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is the SHA-256 content digest of a manifest, a config or a layer. The
// zero value means "none": no content has it in practice.
//
// It is an array and not a string so that a million of them are one flat
// allocation and comparing two is comparing 32 bytes.
type Digest [sha256.Size]byte

// digestPrefix is the algorithm prefix of the only digest that ECR stores.
const digestPrefix = "sha256:"

// digestSize is how many bytes the written form of a digest has.
const digestSize = len(digestPrefix) + 2*sha256.Size

// ParseDigest reads "sha256:" followed by 64 lower-case hexadecimal digits.
func ParseDigest(s string) (Digest, error) {
	if len(s) == digestSize {
		var text [digestSize]byte
		copy(text[:], s)
		if d, ok := decodeDigest(&text); ok {
			return d, nil
		}
	}
	return Digest{}, digestError(s)
}

func digestError(s string) error {
	return fmt.Errorf("%q is not a digest: want sha256: and 64 lower-case hexadecimal digits", s)
}

// decodeDigest is ParseDigest for a text of the right length, and quicker than
// encoding/hex, which takes upper-case digits too.
func decodeDigest(text *[digestSize]byte) (d Digest, ok bool) {
	if string(text[:len(digestPrefix)]) != digestPrefix {
		return Digest{}, false
	}
	digits := text[len(digestPrefix):]
	bad := byte(0)
	for i := range d {
		high, low := nibbles[digits[2*i]], nibbles[digits[2*i+1]]
		bad |= high | low
		d[i] = high<<4 | low&0xf
	}
	return d, bad <= 0xf
}

// nibbles has the value of each lower-case hexadecimal digit, and 0xff for
// everything else.
var nibbles = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xff
	}
	for value, digit := range []byte("0123456789abcdef") {
		table[digit] = byte(value)
	}
	return table
}()

// DigestOf returns the digest of content.
func DigestOf(content []byte) Digest { return sha256.Sum256(content) }

// IsZero reports whether d is the zero digest, which means "none".
func (d Digest) IsZero() bool { return d == Digest{} }

// OrNil returns a pointer to a copy of d, and nil for none. A pointer takes less
// than a digest where there is none as a rule.
func (d Digest) OrNil() *Digest {
	if d.IsZero() {
		return nil
	}
	some := d // so that only this is allocated, and only here
	return &some
}

// Hex returns the 64 hexadecimal digits without the algorithm.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// String returns the usual form, "sha256:" and 64 digits, and "" for none.
func (d Digest) String() string {
	if d.IsZero() {
		return ""
	}
	var text [digestSize]byte
	return string(d.AppendTo(text[:0]))
}

// AppendTo appends what String returns to b.
func (d Digest) AppendTo(b []byte) []byte {
	if d.IsZero() {
		return b
	}
	return hex.AppendEncode(append(b, digestPrefix...), d[:])
}

// Compare orders digests by their bytes, which is also the order of their
// usual written form.
func (d Digest) Compare(e Digest) int { return bytes.Compare(d[:], e[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) {
	return d.AppendTo(make([]byte, 0, digestSize)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; the empty text is none.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	if len(text) == digestSize {
		if v, ok := decodeDigest((*[digestSize]byte)(text)); ok {
			*d = v
			return nil
		}
	}
	return digestError(string(text))
}
