package manifests

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/regsweep/regsweep/internal/image"
)

// Origin names the registry and the repository that a manifest was read from.
type Origin [16]byte

// OriginOf returns the origin of a registry's host and a repository's name.
func OriginOf(host, repository string) Origin {
	sum := sha256.Sum256([]byte(host + "/" + repository))
	return Origin(sum[:len(Origin{})])
}

// Entry is what is remembered of one manifest.
type Entry struct {
	Digest   image.Digest
	Manifest *image.Manifest
	// Origin is where the manifest was read, and ReadAt when that began.
	Origin Origin
	ReadAt image.Time
	// PulledBefore is the pull time that the registry gave for the image before
	// the manifest was read; zero means that it gave none.
	PulledBefore image.Time
}

// errPayload is a payload that no version of this code has written.
var errPayload = errors.New("not a manifest record")

// appendEntry appends the payload of an entry to b.
func appendEntry(b []byte, e *Entry) []byte {
	m := e.Manifest
	b = append(b, e.Digest[:]...)
	b = append(b, e.Origin[:]...)
	b = binary.AppendVarint(b, int64(e.ReadAt))
	b = binary.AppendVarint(b, int64(e.PulledBefore))
	b = appendString(b, m.MediaType)
	b = appendString(b, m.ArtifactType)
	b = appendDigest(b, m.Subject)
	b = appendDigest(b, m.Config)
	b = binary.AppendUvarint(b, uint64(len(m.Children)))
	for i := range m.Children {
		c := &m.Children[i]
		b = append(b, c.Digest[:]...)
		b = appendString(b, c.Platform)
		b = binary.AppendVarint(b, c.Size)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Blobs)))
	for i := range m.Blobs {
		b = append(b, m.Blobs[i].Digest[:]...)
		b = binary.AppendVarint(b, m.Blobs[i].Size)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendDigest appends a digest that is often none in a form that is then short.
func appendDigest(b []byte, d *image.Digest) []byte {
	if d == nil || d.IsZero() {
		return append(b, 0)
	}
	return append(append(b, 1), d[:]...)
}

// decodeEntry reads a payload. Strings are taken from intern, and nothing of
// the entry refers to the payload.
func decodeEntry(payload []byte, intern func([]byte) string) (Entry, error) {
	d := decoder{rest: payload, intern: intern}
	m := new(image.Manifest)
	e := Entry{Manifest: m}
	e.Digest = d.digest()
	copy(e.Origin[:], d.bytes(len(e.Origin)))
	e.ReadAt = image.Time(d.varint())
	e.PulledBefore = image.Time(d.varint())
	m.MediaType = d.string()
	m.ArtifactType = d.string()
	m.Subject = d.optionalDigest()
	m.Config = d.optionalDigest()
	// A child takes at least 34 bytes and a blob 33, which bounds what a
	// nonsensical count can make this allocate.
	if n := d.count(len(image.Digest{}) + 2); n > 0 {
		m.Children = make([]image.Child, n)
		for i := range m.Children {
			m.Children[i] = image.Child{Digest: d.digest(), Platform: d.string(), Size: d.varint()}
		}
	}
	if n := d.count(len(image.Digest{}) + 1); n > 0 {
		m.Blobs = make([]image.Blob, n)
		for i := range m.Blobs {
			m.Blobs[i] = image.Blob{Digest: d.digest(), Size: d.varint()}
		}
	}
	if d.bad || len(d.rest) != 0 {
		return Entry{}, errPayload
	}
	return e, nil
}

// decoder takes values off the front of a payload. After the first that is not
// there it returns zero values only.
type decoder struct {
	rest   []byte
	bad    bool
	intern func([]byte) string
}

func (d *decoder) bytes(n int) []byte {
	if d.bad || n > len(d.rest) {
		d.bad = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads how many items of at least size bytes follow.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/size) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	n := d.count(1)
	if n == 0 {
		return ""
	}
	return d.intern(d.bytes(n))
}

func (d *decoder) digest() (digest image.Digest) {
	copy(digest[:], d.bytes(len(digest)))
	return digest
}

func (d *decoder) optionalDigest() *image.Digest {
	if b := d.bytes(1); b == nil || b[0] == 0 {
		return nil
	}
	return d.digest().OrNil()
}
