package planfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/regsweep/regsweep/internal/plan"
)

// inMemory is how many bytes a store holds in memory before it uses a file, and
// withoutFile how many where no file can be made.
const (
	inMemory    = 1 << 20
	withoutFile = 16 << 20
)

// Store keeps the images of a plan: a few in memory, more in a temporary file
// that has no name any more. It may be used by many goroutines at once.
type Store struct {
	mu     sync.Mutex
	memory []byte
	file   *os.File
	end    int64

	buffers sync.Pool // of *[]byte
}

// NewStore returns an empty store.
func NewStore() *Store { return &Store{} }

// Close gives the memory and the file back. Its images cannot be loaded then.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory = nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	if err != nil {
		return fmt.Errorf("close the store of the plan: %w", err)
	}
	return nil
}

// storeError is a problem of the store and not of a plan.
type storeError struct{ err error }

func (e *storeError) Error() string { return "keep the plan in a temporary file: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// segmentSize is how much is written to a store at once. Repositories that are
// stored at the same time take turns with their segments.
const segmentSize = 64 << 10

// Put stores the images of one repository. It holds one segment of them in
// memory.
func (s *Store) Put(images plan.Images) (plan.Images, error) {
	buffer, ok := s.buffers.Get().(*[]byte)
	if !ok {
		buffer = new(make([]byte, 0, segmentSize+4<<10))
	}
	defer s.buffers.Put(buffer)
	b := (*buffer)[:0]
	to := stored{store: s}
	err := images.Each(func(img *plan.Image) error {
		to.count++
		b = appendElement(b, img, len(b) == 0 && len(to.segments) == 0)
		if len(b) < segmentSize {
			return nil
		}
		err := to.append(b)
		b = b[:0]
		return err
	})
	if err == nil && len(b) > 0 {
		err = to.append(b)
	}
	if cap(b) <= 2*segmentSize { // an image can have many tags, once
		*buffer = b
	}
	switch {
	case err != nil:
		return nil, err
	case len(to.segments) == 0:
		return plan.List(nil), nil
	}
	return to, nil
}

// put stores bytes and returns where they begin.
func (s *Store) put(b []byte) (at int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at = s.end
	if err := s.write(b); err != nil {
		return 0, &storeError{err}
	}
	s.end += int64(len(b))
	return at, nil
}

// Document is a JSON value in a store.
type Document struct{ stored }

// PutList stores any values as a list in JSON. It holds one segment of them in
// memory.
func (s *Store) PutList(values iter.Seq[any]) (Document, error) {
	d := Document{stored{store: s}}
	b := []byte{'['}
	for v := range values {
		element, err := json.Marshal(v)
		if err != nil {
			return Document{}, &storeError{err}
		}
		if d.count++; d.count > 1 {
			b = append(b, ',')
		}
		if b = append(b, element...); len(b) >= segmentSize {
			if err := d.append(b); err != nil {
				return Document{}, err
			}
			b = b[:0]
		}
	}
	return d, d.append(append(b, ']'))
}

// MarshalJSON implements json.Marshaler.
func (d Document) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	if err := d.copyTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (s *Store) write(b []byte) error {
	if s.file == nil && len(s.memory)+len(b) <= inMemory {
		if len(s.memory) > 0 && cap(s.memory)-len(s.memory) < len(b) {
			// What is outgrown is garbage: by quarters, as append grows, that is
			// several times what is held.
			s.memory = slices.Grow(s.memory, min(inMemory-len(s.memory), 3*len(s.memory)+len(b)))
		}
		s.memory = append(s.memory, b...)
		return nil
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "regsweep-plan-*")
		if err != nil && len(s.memory)+len(b) <= withoutFile {
			s.memory = append(s.memory, b...)
			return nil
		}
		if err != nil {
			return err
		}
		s.file = f
		// Nobody else needs the name, and a process that is killed leaves nothing.
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
		if _, err := f.WriteAt(s.memory, 0); err != nil {
			return err
		}
		s.memory = nil
	}
	_, err := s.file.WriteAt(b, s.end)
	return err
}

// stored are the images of one repository in a store: the elements of a JSON
// array, in segments.
type stored struct {
	store    *Store
	segments []segment
	count    int
}

// Len returns how many images they are.
func (i stored) Len() int { return i.count }

// segment is a part of a store.
type segment struct{ at, size int64 }

// append adds a segment, or makes the last one longer where that is possible.
func (i *stored) append(b []byte) error {
	at, err := i.store.put(b)
	if err != nil {
		return err
	}
	if n := len(i.segments); n > 0 && i.segments[n-1].at+i.segments[n-1].size == at {
		i.segments[n-1].size += int64(len(b))
		return nil
	}
	i.segments = append(i.segments, segment{at, int64(len(b))})
	return nil
}

// reader returns a reader of all segments.
func (i stored) reader() io.Reader {
	readers := make([]io.Reader, len(i.segments))
	for n, s := range i.segments {
		readers[n] = io.NewSectionReader(i.store, s.at, s.size)
	}
	return io.MultiReader(readers...)
}

// Each implements plan.Images.
func (i stored) Each(visit func(*plan.Image) error) error {
	d := json.NewDecoder(io.MultiReader(strings.NewReader("["), i.reader(), strings.NewReader("]")))
	if _, err := d.Token(); err != nil {
		return &storeError{err}
	}
	var img plan.Image // one for all of them, but for what it points to
	n := 0
	for ; d.More(); n++ {
		img = plan.Image{}
		if err := d.Decode(&img); err != nil {
			return &storeError{err}
		}
		if err := visit(&img); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return &storeError{err}
	}
	if n != i.count { // the store was closed
		return &storeError{io.ErrUnexpectedEOF}
	}
	return nil
}

// copyTo writes the images as the elements of an array.
func (i stored) copyTo(w io.Writer) error {
	var size int64
	for _, s := range i.segments {
		size += s.size
	}
	// As they are, these would copy by way of buffers of their own, which are large
	// for a small repository.
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{i.reader()}, make([]byte, min(size, segmentSize)))
	if err == nil && n != size {
		err = &storeError{io.ErrUnexpectedEOF}
	}
	return err
}

// ReadAt implements io.ReaderAt.
func (s *Store) ReadAt(b []byte, at int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return s.file.ReadAt(b, at)
	}
	return bytes.NewReader(s.memory).ReadAt(b, at)
}
