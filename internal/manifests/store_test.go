package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
)

// entryOf returns an entry that is like no other number's.
func entryOf(n int) Entry {
	digest := func(what string) image.Digest { return image.DigestOf(fmt.Appendf(nil, "%s %d", what, n)) }
	e := Entry{
		Digest:   digest("manifest"),
		Manifest: &image.Manifest{MediaType: image.MediaTypeOCIIndex},
		Origin:   OriginOf("111122223333.dkr.ecr.eu-west-1.amazonaws.com", fmt.Sprintf("apps/%d", n%7)),
		ReadAt:   image.Time(1_700_000_000_000 + int64(n)),
	}
	if n%2 == 1 {
		e.PulledBefore = e.ReadAt - 1000
	}
	for c := range n % 5 {
		platform := ""
		if c > 0 {
			platform = "linux/arm64/v" + strconv.Itoa(c)
		}
		e.Manifest.Children = append(e.Manifest.Children, image.Child{
			Digest: digest("child" + strconv.Itoa(c)), Platform: platform, Size: int64(n * c),
		})
	}
	if n%3 == 0 {
		e.Manifest.Subject = digest("subject").OrNil()
		e.Manifest.ArtifactType = "application/vnd.example+json"
	}
	if n%4 == 0 {
		e.Manifest.Config = digest("config").OrNil()
		e.Manifest.Blobs = []image.Blob{{Digest: digest("config"), Size: 7}, {Digest: digest("layer"), Size: 1 << 40}}
	}
	return e
}

func entriesOf(from, to int) (entries []Entry) {
	for n := from; n < to; n++ {
		entries = append(entries, entryOf(n))
	}
	return entries
}

// known returns the numbers from 0 to n whose entries the store has, and fails
// where one differs from what was put.
func known(t *testing.T, s *Store, n int) (numbers []int) {
	t.Helper()
	for i := range n {
		want := entryOf(i)
		got, ok := s.Get(want.Digest)
		if !ok {
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("entry %d (-put +got):\n%s", i, diff)
		}
		numbers = append(numbers, i)
	}
	return numbers
}

func numbers(from, to int) (all []int) {
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s := Open(dir)
	if err := s.Warning(); err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func logPath(dir string) string { return filepath.Join(dir, "manifests", fileName) }

func TestStoreRemembersAcrossRuns(t *testing.T) {
	dir := t.TempDir()
	first := openStore(t, dir)
	first.Put(entriesOf(0, 60))
	first.Put(entriesOf(60, 100))
	if diff := cmp.Diff(numbers(0, 100), known(t, first, 120)); diff != "" {
		t.Errorf("same run (-want +got):\n%s", diff)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := first.Get(entryOf(1).Digest); ok {
		t.Error("a closed store remembers")
	}
	first.Put(entriesOf(100, 110)) // is forgotten, and does no harm
	if diff := cmp.Diff(numbers(0, 100), known(t, openStore(t, dir), 120)); diff != "" {
		t.Errorf("next run (-want +got):\n%s", diff)
	}
}

func TestStoreLaterEntryWins(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	old, now := entryOf(1), entryOf(1)
	now.ReadAt++
	s.Put([]Entry{old})
	s.Put([]Entry{now})
	for name, s := range map[string]*Store{"same run": s, "next run": openStore(t, dir)} {
		if got, _ := s.Get(old.Digest); got.ReadAt != now.ReadAt {
			t.Errorf("%s: read at %d, want the later %d", name, got.ReadAt, now.ReadAt)
		}
	}
}

// TestStoreLongRecords has records that are longer than a scan's window.
func TestStoreLongRecords(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	var entries []Entry
	for n := range 6 {
		e := entryOf(n)
		for c := range 9_000 * (n % 3) {
			e.Manifest.Children = append(e.Manifest.Children, image.Child{Digest: image.DigestOf([]byte{byte(c), byte(c >> 8), byte(n)})})
		}
		entries = append(entries, e)
	}
	s.Put(entries)
	for name, s := range map[string]*Store{"same run": s, "next run": openStore(t, dir)} {
		for i, want := range entries {
			if got, ok := s.Get(want.Digest); !ok || !reflect.DeepEqual(want, got) { // cmp takes seconds
				t.Errorf("%s: entry %d is not what was put (found: %v)", name, i, ok)
			}
		}
	}
}

func TestStoreDamage(t *testing.T) {
	const count = 50
	flip := func(at func(size int) int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[at(len(b))] ^= 0x40
			return b
		}
	}
	firstRecord := len(appendRecord(nil, &[]Entry{entryOf(0)}[0]))
	tests := map[string]struct {
		damage func(log []byte) []byte
		lost   []int
	}{
		"no damage":        {func(b []byte) []byte { return b }, nil},
		"magic":            {flip(func(int) int { return 0 }), []int{0}},
		"length":           {flip(func(int) int { return 4 }), []int{0}},
		"length, huge":     {flip(func(int) int { return 7 }), []int{0}},
		"checksum":         {flip(func(int) int { return 9 }), []int{0}},
		"digest":           {flip(func(int) int { return headerSize }), []int{0}},
		"child":            {flip(func(int) int { return firstRecord + headerSize + 90 }), []int{1}},
		"last byte":        {flip(func(size int) int { return size - 1 }), []int{count - 1}},
		"cut in the last":  {func(b []byte) []byte { return b[:len(b)-1] }, []int{count - 1}},
		"garbage in front": {func(b []byte) []byte { return append([]byte("garbage RSm\x01 and more"), b...) }, nil},
		"garbage behind":   {func(b []byte) []byte { return append(b, "RSm\x01 garbage"...) }, nil},
		"hole": {func(b []byte) []byte {
			clear(b[firstRecord-3 : firstRecord+3])
			return b
		}, []int{0, 1}},
		"all":             {func(b []byte) []byte { return bytes.Repeat([]byte{0}, len(b)) }, numbers(0, count)},
		"not even a byte": {func([]byte) []byte { return nil }, numbers(0, count)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, dir)
			s.Put(entriesOf(0, count))
			log, err := os.ReadFile(logPath(dir))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(logPath(dir), test.damage(log), 0o600); err != nil {
				t.Fatal(err)
			}
			var want []int
			for n := range count {
				if !slices.Contains(test.lost, n) {
					want = append(want, n)
				}
			}
			again := openStore(t, dir)
			if diff := cmp.Diff(want, known(t, again, count)); diff != "" {
				t.Errorf("after the damage (-want +got):\n%s", diff)
			}
			// What was lost is read and put again, and is then there for good.
			for _, n := range test.lost {
				again.Put([]Entry{entryOf(n)})
			}
			for name, s := range map[string]*Store{"same run": again, "next run": openStore(t, dir)} {
				if diff := cmp.Diff(numbers(0, count), known(t, s, count)); diff != "" {
					t.Errorf("mended, %s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// TestStoreDamageWhileOpen damages a record that the store has indexed.
func TestStoreDamageWhileOpen(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	s.Put(entriesOf(0, 2))
	f, err := os.OpenFile(logPath(dir), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff, 0xff}, headerSize+60); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1}, known(t, s, 2)); diff != "" {
		t.Errorf("damaged (-want +got):\n%s", diff)
	}
	s.Put(entriesOf(0, 1))
	if diff := cmp.Diff([]int{0, 1}, known(t, s, 2)); diff != "" {
		t.Errorf("put again (-want +got):\n%s", diff)
	}
	if err := os.Truncate(logPath(dir), 10); err != nil {
		t.Fatal(err)
	}
	if got := known(t, s, 2); got != nil {
		t.Errorf("cut short: still known: %v", got)
	}
}

// TestStoreTornWrite has a record that a process did not finish, behind which
// others wrote on.
func TestStoreTornWrite(t *testing.T) {
	dir := t.TempDir()
	reader, writer := openStore(t, dir), openStore(t, dir)
	writer.Put(entriesOf(0, 1))
	f, err := os.OpenFile(logPath(dir), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e := entryOf(1)
	record := appendRecord(nil, &e)
	half := len(record) / 2
	write := func(b []byte) {
		t.Helper()
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	write(record[:half])
	if diff := cmp.Diff([]int{0}, known(t, openStore(t, dir), 4)); diff != "" {
		t.Errorf("half a record at the end (-want +got):\n%s", diff)
	}
	late := openStore(t, dir)
	write(record[half:])
	late.Put(entriesOf(2, 3))
	if diff := cmp.Diff([]int{0, 1, 2}, known(t, late, 4)); diff != "" {
		t.Errorf("the other half came (-want +got):\n%s", diff)
	}
	write(record[:half])
	reader.Put(entriesOf(3, 4))
	for name, s := range map[string]*Store{"writer": reader, "next run": openStore(t, dir)} {
		if diff := cmp.Diff([]int{0, 1, 2, 3}, known(t, s, 4)); diff != "" {
			t.Errorf("torn for good, %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestStoreUnusableFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := Open(file) // a folder cannot be made in a file, not even by root
	s.Put(entriesOf(0, 3))
	if got := known(t, s, 3); got != nil {
		t.Errorf("known: %v, want nothing", got)
	}
	if s.Warning() == nil {
		t.Error("no warning")
	}
	if err := s.Warning(); err != nil {
		t.Errorf("second warning: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestStoreFolderForFile has a folder where the file should be: that is said when
// the store is opened, and not again.
func TestStoreFolderForFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(logPath(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	s := Open(dir)
	if err := s.Warning(); err == nil || !strings.Contains(err.Error(), "it cannot be used: manifests are read again in every run: ") {
		t.Errorf("warning: %v", err)
	}
	s.Put(entriesOf(0, 3))
	s.Refresh()
	if got := known(t, s, 3); got != nil {
		t.Errorf("known: %v, want nothing", got)
	}
	if err := errors.Join(s.Warning(), s.Close()); err != nil {
		t.Errorf("later: %v", err)
	}
}

// TestStoreReadOnly: what is there is read, and the warning says what is not.
func TestStoreReadOnly(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir).Put(entriesOf(0, 2))
	s := Open(t.TempDir())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.index, s.end = map[uint64]place{}, 0
	s.openReadOnly(logPath(dir), fs.ErrPermission) // root may write to every file
	t.Cleanup(func() { _ = s.Close() })
	s.Put(entriesOf(2, 3))
	s.Refresh()
	if diff := cmp.Diff([]int{0, 1}, known(t, s, 3)); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
	want := "it is read and cannot be written: what it does not have is read again in every run: "
	if err := s.Warning(); !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("warning: %v", err)
	}
}

// TestStoreFailedWrite has a file that stops taking writes.
func TestStoreFailedWrite(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir).Put(entriesOf(0, 1))
	s := openStore(t, dir)
	readOnly, err := os.Open(logPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	_ = s.file.Close()
	s.file = readOnly
	s.Put(entriesOf(1, 2))
	if s.Warning() == nil {
		t.Error("no warning")
	}
	s.Put(entriesOf(2, 3))
	if err := s.Warning(); err != nil {
		t.Errorf("second warning: %v", err)
	}
	if diff := cmp.Diff([]int{0}, known(t, s, 3)); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
}

func TestNilStore(t *testing.T) {
	var s *Store
	s.Put(entriesOf(0, 1))
	if _, ok := s.Get(entryOf(0).Digest); ok {
		t.Error("a nil store remembers")
	}
	if err := s.Warning(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStoreConcurrentGoroutines(t *testing.T) {
	dir := t.TempDir()
	stores := []*Store{openStore(t, dir), openStore(t, dir)}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			s := stores[w%2]
			for n := w * 50; n < (w+1)*50; n++ {
				s.Put([]Entry{entryOf(n)})
				if got, ok := s.Get(entryOf(n).Digest); !ok || !cmp.Equal(entryOf(n), got) {
					t.Errorf("entry %d is not what was put (found: %v)", n, ok)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(numbers(0, 400), known(t, openStore(t, dir), 400)); diff != "" {
		t.Errorf("next run (-want +got):\n%s", diff)
	}
}

// TestStoreConcurrentProcesses runs this test binary several times over, each
// process writing entries of its own.
func TestStoreConcurrentProcesses(t *testing.T) {
	const processes, each, variable = 4, 300, "REGSWEEP_TEST_STORE_WRITER"
	if spec := os.Getenv(variable); spec != "" {
		worker, err := strconv.Atoi(spec)
		if err != nil {
			t.Fatal(err)
		}
		s := openStore(t, os.Getenv("REGSWEEP_TEST_STORE_DIR"))
		for n := worker * each; n < (worker+1)*each; n += 3 {
			s.Put(entriesOf(n, n+3))
		}
		return
	}
	dir := t.TempDir()
	var commands []*exec.Cmd
	for worker := range processes {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStoreConcurrentProcesses$")
		c.Env = append(os.Environ(), variable+"="+strconv.Itoa(worker), "REGSWEEP_TEST_STORE_DIR="+dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, c)
	}
	for _, c := range commands {
		if err := c.Wait(); err != nil {
			t.Errorf("writer: %v", err)
		}
	}
	if diff := cmp.Diff(numbers(0, processes*each), known(t, openStore(t, dir), processes*each)); diff != "" {
		t.Errorf("known afterwards (-want +got):\n%s", diff)
	}
}
