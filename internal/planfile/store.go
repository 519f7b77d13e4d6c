package planfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/regsweep/regsweep/internal/plan"
)

// inMemory is how many bytes a store holds in memory before it uses a file.
const inMemory = 8 << 20

// Store keeps the images of a plan: a few in memory, more in a temporary file
// that has no name any more. It may be used by many goroutines at once.
type Store struct {
	mu     sync.Mutex
	memory []byte
	file   *os.File
	end    int64
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

// Put stores the images of one repository.
func (s *Store) Put(list []plan.Image) (plan.Images, error) {
	if len(list) == 0 {
		return plan.List(nil), nil
	}
	return s.put(appendImages(make([]byte, 0, 512*len(list)), list))
}

func (s *Store) put(b []byte) (stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.end
	if err := s.write(b); err != nil {
		return stored{}, &storeError{err}
	}
	s.end += int64(len(b))
	return stored{s, at, len(b)}, nil
}

// Document is a JSON value in a store.
type Document struct{ at stored }

// PutJSON stores any value as JSON.
func (s *Store) PutJSON(v any) (Document, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return Document{}, &storeError{err}
	}
	at, err := s.put(b)
	return Document{at}, err
}

// MarshalJSON implements json.Marshaler.
func (d Document) MarshalJSON() ([]byte, error) {
	b := make([]byte, d.at.n)
	if err := d.at.store.read(b, d.at.at); err != nil {
		return nil, &storeError{err}
	}
	return b, nil
}

func (s *Store) write(b []byte) error {
	if s.file == nil && len(s.memory)+len(b) <= inMemory {
		s.memory = append(s.memory, b...)
		return nil
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "regsweep-plan-*")
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

// stored are the images of one repository in a store.
type stored struct {
	store *Store
	at    int64
	n     int
}

// Load implements plan.Images.
func (i stored) Load() ([]plan.Image, error) {
	b := make([]byte, i.n+2)
	if err := i.store.read(b[1:i.n+1], i.at); err != nil {
		return nil, &storeError{err}
	}
	b[0], b[i.n+1] = '[', ']'
	var list []plan.Image
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, &storeError{err}
	}
	return list, nil
}

// copyTo writes the images as the elements of an array.
func (i stored) copyTo(w io.Writer) error {
	b := make([]byte, min(i.n, 1<<20))
	for done := 0; done < i.n; {
		part := b[:min(len(b), i.n-done)]
		if err := i.store.read(part, i.at+int64(done)); err != nil {
			return &storeError{err}
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		done += len(part)
	}
	return nil
}

func (s *Store) read(b []byte, at int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		_, err := s.file.ReadAt(b, at)
		return err
	}
	_, err := bytes.NewReader(s.memory).ReadAt(b, at)
	if err == io.EOF {
		err = nil
	}
	return err
}
