package manifests

import (
	"bytes"
	"testing"

	"github.com/regsweep/regsweep/internal/image"
)

// FuzzScan feeds a scan with anything: it never panics, ends, and finds only
// records that decode to an entry of the digest that they are found by.
func FuzzScan(f *testing.F) {
	var log []byte
	for n := range 4 {
		e := entryOf(n)
		log = appendRecord(log, &e)
	}
	f.Add(log)
	f.Add(log[5 : len(log)-5])
	f.Add(bytes.Repeat(magic, 10))
	f.Fuzz(func(t *testing.T, log []byte) {
		in := interner{known: map[string]string{}}
		last := int64(0)
		end, err := scan(bytes.NewReader(log), 0, make([]byte, 64), func(position int64, record []byte) {
			if position < last || !bytes.Equal(log[position:position+int64(len(record))], record) {
				t.Fatalf("found a record at %d that is not there", position)
			}
			last = position + int64(len(record))
			if e, err := decodeEntry(record[headerSize:], in.intern); err == nil && e.Digest != image.Digest(record[headerSize:]) {
				t.Fatalf("record of %s decodes as %s", image.Digest(record[headerSize:]), e.Digest)
			}
		})
		if err != nil || end < last || end > int64(len(log)) {
			t.Fatalf("scan ended at %d of %d: %v", end, len(log), err)
		}
		_, _ = decodeEntry(log, in.intern)
	})
}

func BenchmarkStore(b *testing.B) {
	const count = 200_000
	dir := b.TempDir()
	s := Open(dir)
	digests := make([]image.Digest, count)
	for from := 0; from < count; from += 100 {
		entries := entriesOf(from, from+100)
		for i, e := range entries {
			digests[from+i] = e.Digest
		}
		s.Put(entries)
	}
	if err := s.Warning(); err != nil {
		b.Fatal(err)
	}
	b.Run("Open200000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = Open(dir).Close()
		}
	})
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, ok := s.Get(digests[i]); !ok {
				b.Fatal("lost")
			}
			i = (i + 1) % count
		}
	})
	b.Run("Put100", func(b *testing.B) {
		b.ReportAllocs()
		entries := entriesOf(0, 100)
		for b.Loop() {
			s.Put(entries)
		}
	})
}
