package image

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/regsweep/regsweep/internal/jsonscan"
)

// wireManifest is what is read of a manifest's JSON, in the way of encoding/json:
// the case of names does not matter, a null leaves scalars and structs as they
// are, unknown fields can be anything, and a field that occurs again is read
// over what was there. What decides what is listed or attached must not occur
// again: of two lists of an index one would be lost without an error.
//
// Texts are parts of the document.
type wireManifest struct {
	mediaType, artifactType []byte
	config                  descriptor
	layers                  descriptors
	// children are those of an index. listed is set when the list has occurred,
	// and hasList if it was not null.
	children        []Child
	listed, hasList bool
	// subject is likewise.
	subject              descriptor
	attached, hasSubject bool
	// blobs is the field of the withdrawn OCI artifact manifest.
	blobs descriptors
	// fsLayers marks Docker schema 1, which references no manifest.
	fsLayers descriptors
}

// descriptor is an OCI descriptor. digested is set when its digest has occurred.
type descriptor struct {
	Blob
	digested bool
}

// platform is the platform of a descriptor, if that is known.
type platform struct {
	known                     bool
	os, architecture, variant []byte
}

// descriptors is a list that can occur again. Then its items are read over those
// that it had before, however many it had in between, but for an empty list and
// null, which forget them.
type descriptors struct {
	items []descriptor
	n     int
}

// list returns the items of the list as it occurred last.
func (l *descriptors) list() []descriptor { return l.items[:l.n] }

// errTwice is a field that must not occur twice, and does.
var errTwice = errors.New("a field that decides what is listed or attached occurs twice")

// The fields of each object, those that occur most often first.
var (
	manifestFields = []string{
		"schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "artifactType", "blobs", "fsLayers",
	}
	descriptorFields = []string{"mediaType", "digest", "size", "platform"}
	platformFields   = []string{"architecture", "os", "variant"}
	fsLayerFields    = []string{"blobSum"}
)

// member reads up to the value of an object's next member. It returns which of
// the fields that is, or "" for another, and whether there is one.
func member(s *jsonscan.Scanner, first bool, fields []string) (field string, more bool, err error) {
	name, more, err := s.Member(first)
	if err != nil || !more {
		return "", false, err
	}
	for _, field := range fields {
		if string(name) == field {
			return field, true, nil
		}
	}
	for _, field := range fields {
		if strings.EqualFold(string(name), field) {
			return field, true, nil
		}
	}
	return "", true, nil
}

// readManifest reads a whole document. It uses the memory of the two slices as
// long as that suffices. They and all that comes of them are passed and returned
// and never stored behind a pointer: so they can be on the caller's stack.
func readManifest(content []byte, children []Child, layers []descriptor) (w wireManifest, err error) {
	w.children, w.layers.items = children[:0], layers[:0]
	s := &jsonscan.Scanner{Data: content}
	if null, err := s.Null(); err != nil {
		return w, err
	} else if null {
		return w, s.End()
	}
	if err := s.Open('{'); err != nil {
		return w, err
	}
	for first := true; ; first = false {
		field, more, err := member(s, first, manifestFields)
		if err != nil {
			return w, err
		}
		if !more {
			return w, s.End()
		}
		null, err := w.begin(s, field)
		switch {
		case err != nil || null:
		case field == "schemaVersion":
			_, err = s.Integer(64)
		case field == "mediaType":
			w.mediaType, err = s.Text()
		case field == "artifactType":
			w.artifactType, err = s.Text()
		case field == "config":
			err = w.config.read(s, &platform{})
		case field == "layers":
			w.layers, err = w.layers.read(s, false)
		case field == "blobs":
			w.blobs, err = w.blobs.read(s, false)
		case field == "fsLayers":
			w.fsLayers, err = w.fsLayers.read(s, true)
		case field == "manifests":
			w.hasList = true
			w.children, err = readChildren(s, w.children)
		case field == "subject":
			w.hasSubject = true
			err = w.subject.read(s, &platform{})
		default:
			err = s.Skip()
		}
		switch {
		case err != nil && field != "":
			return w, fmt.Errorf("%s: %w", field, err)
		case err != nil:
			return w, err
		}
	}
}

// begin says that a field occurs, and reads its value if that is null.
func (w *wireManifest) begin(s *jsonscan.Scanner, field string) (null bool, err error) {
	switch field {
	case "manifests":
		if w.listed {
			return false, errTwice
		}
		w.listed = true
	case "subject":
		if w.attached {
			return false, errTwice
		}
		w.attached = true
	}
	if null, err = s.Null(); null {
		w.forget(field)
	}
	return null, err
}

// forget forgets a field that is null where encoding/json has a pointer or a
// slice.
func (w *wireManifest) forget(field string) {
	switch field {
	case "config":
		w.config = descriptor{}
	case "layers":
		w.layers = descriptors{}
	case "blobs":
		w.blobs = descriptors{}
	case "fsLayers":
		w.fsLayers = descriptors{}
	}
}

// readChildren reads the list of an index, and appends it to another.
func readChildren(s *jsonscan.Scanner, list []Child) ([]Child, error) {
	if err := s.Open('['); err != nil {
		return nil, err
	}
	for i := 0; ; i++ {
		more, err := s.Item(i == 0)
		if err != nil || !more {
			return list, err
		}
		var d descriptor
		var p platform
		null, err := s.Null()
		if err == nil && !null {
			err = d.read(s, &p)
		}
		if err != nil {
			return nil, err
		}
		if d.Digest.IsZero() {
			return nil, fmt.Errorf("entry %d of the index has no digest", i)
		}
		list = append(list, Child{Digest: d.Digest, Platform: p.String(), Size: d.Size})
	}
}

// read reads such a list again, of descriptors or of layers of Docker schema 1.
func (l descriptors) read(s *jsonscan.Scanner, schema1 bool) (descriptors, error) {
	if err := s.Open('['); err != nil {
		return l, err
	}
	for l.n = 0; ; l.n++ {
		more, err := s.Item(l.n == 0)
		if err != nil {
			return l, err
		}
		if !more {
			if l.n == 0 {
				l.items = l.items[:0]
			}
			return l, nil
		}
		if l.n == len(l.items) {
			l.items = append(l.items, descriptor{})
		}
		null, err := s.Null()
		switch {
		case err != nil || null:
		case schema1:
			err = l.items[l.n].readFSLayer(s)
		default:
			err = l.items[l.n].read(s, &platform{})
		}
		if err != nil {
			return l, err
		}
	}
}

// read reads a descriptor, with its platform.
func (d *descriptor) read(s *jsonscan.Scanner, p *platform) error {
	if err := s.Open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		field, more, err := member(s, first, descriptorFields)
		if err != nil || !more {
			return err
		}
		if field == "digest" {
			if d.digested {
				return errTwice
			}
			d.digested = true
		}
		null, err := s.Null()
		switch {
		case err != nil:
		case null:
			if field == "platform" {
				*p = platform{}
			}
		case field == "mediaType":
			_, err = s.Text()
		case field == "digest":
			err = readDigest(s, &d.Digest)
		case field == "size":
			d.Size, err = s.Integer(64)
		case field == "platform":
			err = p.read(s)
		default:
			err = s.Skip()
		}
		if err != nil {
			return err
		}
	}
}

// readFSLayer reads a layer of Docker schema 1.
func (d *descriptor) readFSLayer(s *jsonscan.Scanner) error {
	if err := s.Open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		field, more, err := member(s, first, fsLayerFields)
		if err != nil || !more {
			return err
		}
		null, err := s.Null()
		switch {
		case err != nil || null:
		case field == "blobSum":
			err = readDigest(s, &d.Digest)
		default:
			err = s.Skip()
		}
		if err != nil {
			return err
		}
	}
}

func (p *platform) read(s *jsonscan.Scanner) error {
	if err := s.Open('{'); err != nil {
		return err
	}
	p.known = true
	for first := true; ; first = false {
		field, more, err := member(s, first, platformFields)
		if err != nil || !more {
			return err
		}
		null, err := s.Null()
		switch {
		case err != nil || null:
		case field == "os":
			p.os, err = s.Text()
		case field == "architecture":
			p.architecture, err = s.Text()
		case field == "variant":
			p.variant, err = s.Text()
		default:
			err = s.Skip()
		}
		if err != nil {
			return err
		}
	}
}

// String returns "os/arch[/variant]", or "" if the platform is not known.
func (p *platform) String() string {
	if !p.known {
		return ""
	}
	var buffer [32]byte
	text := append(append(append(buffer[:0], p.os...), '/'), p.architecture...)
	if len(p.variant) != 0 {
		text = append(append(text, '/'), p.variant...)
	}
	switch string(text) {
	case "linux/amd64": // nearly all are these two
		return "linux/amd64"
	case "linux/arm64":
		return "linux/arm64"
	}
	return jsonString(text, "")
}

// readDigest reads a digest; the empty string is none.
func readDigest(s *jsonscan.Scanner, d *Digest) error {
	text, err := s.Text()
	if err != nil {
		return err
	}
	return d.UnmarshalText(text)
}

// jsonString returns a text as a string, in which U+FFFD stands for each byte
// that is not UTF-8. It returns known where that is the same.
func jsonString(text []byte, known string) string {
	switch {
	case !utf8.Valid(text):
		return string([]rune(string(text)))
	case string(text) == known:
		return known
	}
	return string(text)
}
