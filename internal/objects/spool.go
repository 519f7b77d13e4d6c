package objects

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"os"
)

// inMemory is how many bytes are held before a temporary file is used.
const inMemory = 8 << 20

// spool takes the body of a request, whose length and checksum must be known
// before it is sent, and which may have to be sent again.
type spool struct {
	memory bytes.Buffer
	file   *os.File
	size   int64
	sum    hash.Hash
}

func newSpool() *spool { return &spool{sum: sha256.New()} }

// Write keeps the bytes.
func (s *spool) Write(b []byte) (int, error) {
	if s.file == nil && s.memory.Len()+len(b) > inMemory {
		if err := s.toFile(); err != nil {
			return 0, fmt.Errorf("keep what is to be sent in a temporary file: %w", err)
		}
	}
	to := io.Writer(&s.memory)
	if s.file != nil {
		to = s.file
	}
	n, err := to.Write(b)
	s.sum.Write(b[:n])
	s.size += int64(n)
	return n, err
}

// toFile moves what was kept so far into a file.
func (s *spool) toFile() error {
	f, err := os.CreateTemp("", "regsweep-*")
	if err != nil {
		return err
	}
	s.file = f
	_, err = s.memory.WriteTo(f)
	s.memory = bytes.Buffer{}
	return err
}

// body returns what was kept, to be read from its beginning.
func (s *spool) body() (io.ReadSeeker, error) {
	if s.file == nil {
		return bytes.NewReader(s.memory.Bytes()), nil
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return s.file, err
}

// checksum returns the SHA-256 of what was kept, as S3 writes it.
func (s *spool) checksum() string { return base64.StdEncoding.EncodeToString(s.sum.Sum(nil)) }

// close gives everything back. What was to be sent is of no use any more, so
// errors are of none either.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
