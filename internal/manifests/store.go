package manifests

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/regsweep/regsweep/internal/image"
)

// fileName has the version of the format in it: another version is another file.
const fileName = "v1.log"

// Store is the memory of manifests. Its methods may be called by many
// goroutines at once, and a nil Store remembers nothing.
type Store struct {
	mu       sync.RWMutex
	file     *os.File         // nil where nothing can be read
	writable bool             // until the first write that fails
	end      int64            // where the next scan begins
	index    map[uint64]place // by the first 8 bytes of the digest
	warning  error
	window   []byte // for scans: most find nothing, and there is one for every repository

	strings interner
	buffers sync.Pool // of *[]byte
}

// place is where a record is: 40 bits of position and 24 of length.
type place uint64

func placeOf(position int64, length int) place { return place(position)<<24 | place(length) }
func (p place) position() int64                { return int64(p >> 24) }
func (p place) length() int                    { return int(p & (1<<24 - 1)) }

// Open returns the memory that is kept in the folder "manifests" of cacheDir,
// and makes it where there is none. It always succeeds: a folder that cannot be
// used is a Warning, and the store then remembers nothing, or nothing new.
func Open(cacheDir string) *Store {
	s := &Store{index: map[uint64]place{}, strings: interner{known: map[string]string{}}}
	s.buffers.New = func() any { return new([]byte) }
	folder := filepath.Join(cacheDir, "manifests")
	path := filepath.Join(folder, fileName)
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		s.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
		s.writable = err == nil
	}
	if err != nil {
		s.openReadOnly(path, err)
	}
	if s.file != nil {
		s.catchUp()
	}
	return s
}

// openReadOnly opens what cannot be written, and why, for reading.
func (s *Store) openReadOnly(path string, why error) {
	// A folder can be opened, too, and every read of it fails.
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		if s.file, err = os.Open(path); err == nil {
			s.warning = fmt.Errorf("it is read and cannot be written: what it does not have is read again in every run: %w", why)
			return
		}
		s.file = nil
	}
	s.warning = fmt.Errorf("it cannot be used: manifests are read again in every run: %w", why)
}

// Warning returns the first problem with the folder, once; nil means none that
// has not been returned yet. With a problem manifests are read from the
// registry more often than they need be, and nothing else is different.
func (s *Store) Warning() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.warning
	s.warning = nil
	return err
}

// Close ends the use of the file. The store remembers nothing after it.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file, s.writable, s.index = nil, false, nil
	if err != nil {
		return fmt.Errorf("close the cache of manifests: %w", err)
	}
	return nil
}

// Get returns what is remembered of a manifest, if anything is. A damaged
// record is as good as none.
func (s *Store) Get(digest image.Digest) (Entry, bool) {
	if s == nil {
		return Entry{}, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.index[key(digest)]
	if !ok {
		return Entry{}, false
	}
	buffer := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buffer)
	record := slices.Grow((*buffer)[:0], p.length())[:p.length()]
	*buffer = record
	if _, err := s.file.ReadAt(record, p.position()); err != nil {
		return Entry{}, false
	}
	payload, ok := payloadOf(record)
	if !ok {
		return Entry{}, false
	}
	e, err := decodeEntry(payload, s.strings.intern)
	if err != nil || e.Digest != digest {
		return Entry{}, false
	}
	return e, true
}

// Put remembers manifests. What cannot be written is a Warning.
func (s *Store) Put(entries []Entry) {
	if s == nil || len(entries) == 0 {
		return
	}
	buffer := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buffer)
	records := (*buffer)[:0]
	for i := range entries {
		start := len(records)
		records = appendRecord(records, &entries[i])
		if len(records)-start > headerSize+maxPayload {
			records = records[:start] // no manifest that a registry takes is so long
		}
	}
	if cap(records) <= windowSize { // what is unusual is not kept
		*buffer = records
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.writable {
		return
	}
	if _, err := s.file.Write(records); err != nil {
		s.warn(fmt.Errorf("what is new is read again in the next run: %w", err))
		s.writable = false
	}
	s.catchUp()
}

// Refresh takes in what other processes have remembered since the last Put or
// Refresh. It costs a read of nothing where that is nothing.
func (s *Store) Refresh() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.catchUp()
	}
}

// catchUp indexes what this process and others have appended.
func (s *Store) catchUp() {
	if s.window == nil {
		s.window = make([]byte, windowSize)
	}
	end, err := scan(s.file, s.end, s.window, func(position int64, record []byte) {
		s.index[key(image.Digest(record[headerSize:]))] = placeOf(position, len(record))
	})
	s.end = end
	if err != nil {
		s.warn(fmt.Errorf("what cannot be read of it is read again from the registry: %w", err))
	}
}

func (s *Store) warn(err error) {
	if s.warning == nil {
		s.warning = err
	}
}

// key is what a digest is found by. Two digests of one key take each other's
// place, and Get tells them apart.
func key(d image.Digest) uint64 { return binary.LittleEndian.Uint64(d[:]) }
