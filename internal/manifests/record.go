package manifests

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// A record is: magic [4], length of the payload [4], little-endian, the first 8
// bytes of the payload's SHA-256, payload.
const (
	headerSize = 16
	// minPayload is a digest, an origin and eight fields of one byte.
	minPayload = 32 + 16 + 8
	// maxPayload is far above what a manifest of 4 MiB, ECR's limit, can take,
	// and keeps the length of a record within the 24 bits of a place.
	maxPayload = 8 << 20
	// windowSize is how much of the file is scanned at a time.
	windowSize = 256 << 10
)

var magic = []byte("RSm\x01")

// appendRecord appends the record of an entry to b.
func appendRecord(b []byte, e *Entry) []byte {
	start := len(b)
	b = append(b, make([]byte, headerSize)...)
	b = appendEntry(b, e)
	payload := b[start+headerSize:]
	sum := sha256.Sum256(payload)
	copy(b[start:], magic)
	binary.LittleEndian.PutUint32(b[start+4:], uint32(len(payload)))
	copy(b[start+8:start+headerSize], sum[:])
	return b
}

// payloadLength reads the header of a record. It is negative where no record
// begins.
func payloadLength(header []byte) int {
	if !bytes.HasPrefix(header, magic) {
		return -1
	}
	n := binary.LittleEndian.Uint32(header[4:])
	if n < minPayload || n > maxPayload {
		return -1
	}
	return int(n)
}

// payloadOf returns the payload of a whole record, if the record is undamaged.
func payloadOf(record []byte) ([]byte, bool) {
	if len(record) < headerSize || payloadLength(record) != len(record)-headerSize {
		return nil, false
	}
	payload := record[headerSize:]
	sum := sha256.Sum256(payload)
	return payload, bytes.Equal(sum[:8], record[8:headerSize])
}

// scan calls found with the position and the bytes of every undamaged record
// from position on. It returns where to go on when the file has grown: behind
// the last record, or at one whose end is not there yet. It reads by way of
// window, whatever that holds.
func scan(file io.ReaderAt, position int64, window []byte, found func(position int64, record []byte)) (int64, error) {
	window = window[:0]
	at, end := 0, false // next byte of the window; the window reaches the end of the file
	// more moves what is left to the front of the window and fills it up to at
	// least need bytes, if the file has them.
	more := func(need int) error {
		left := copy(window, window[at:])
		position += int64(at)
		at = 0
		if need > cap(window) {
			window = append(make([]byte, 0, need), window[:left]...)
		}
		n, err := file.ReadAt(window[left:cap(window)], position+int64(left))
		window = window[:left+n]
		if err == io.EOF {
			end, err = true, nil
		}
		return err
	}
	for {
		rest := window[at:]
		if len(rest) < headerSize {
			if end {
				return position + int64(at), nil
			}
			if err := more(headerSize); err != nil {
				return position, err
			}
			continue
		}
		n := payloadLength(rest)
		if n >= 0 && len(rest) < headerSize+n && !end {
			if err := more(headerSize + n); err != nil {
				return position, err
			}
			continue
		}
		if n >= 0 && len(rest) >= headerSize+n {
			record := rest[:headerSize+n]
			if _, ok := payloadOf(record); ok {
				found(position+int64(at), record)
				at += len(record)
				continue
			}
		}
		// Here is damage, or a record that somebody is writing at this moment.
		next := bytes.Index(rest[1:], magic)
		switch {
		case next >= 0:
			at += 1 + next
		case end:
			return position + int64(at), nil
		default:
			at += len(rest) - len(magic) + 1
		}
	}
}
