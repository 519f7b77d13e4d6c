package journal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/objects"
)

// Stdout is the path that stands for the standard output.
const Stdout = "-"

// Place is where journals are: one file, a folder with a file for each run, a
// prefix in Amazon S3 with a folder for each run, or the standard output, which
// cannot be read again.
type Place struct {
	path string
	// One of these is set.
	stdout io.Writer
	file   string
	folder *objects.Folder
}

// Open returns the place of a path: "-", s3://bucket/prefix, a folder if it is
// one or ends in a slash, and else a file. It creates nothing. An error means
// that the path can name no place.
func Open(path string, env objects.Env, stdout io.Writer) (*Place, error) {
	if path == Stdout {
		return &Place{path: path, stdout: stdout}, nil
	}
	if !objects.IsS3(path) && !strings.HasSuffix(path, "/") {
		o, err := objects.Open(path, env)
		if err != nil {
			return nil, err
		}
		if !isFolder(o.String()) {
			return &Place{path: path, file: o.String()}, nil
		}
	}
	folder, err := objects.OpenFolder(path, env)
	if err != nil {
		return nil, err
	}
	return &Place{path: path, folder: folder}, nil
}

// isFolder reports whether there is a folder of the name.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// String returns the path as it was given.
func (p *Place) String() string { return p.path }

// IsStdout reports whether the place is the standard output.
func (p *Place) IsStdout() bool { return p.stdout != nil }

// Missing reports whether the place is a file or a folder that does not exist.
func (p *Place) Missing() bool {
	path := p.file
	if p.folder != nil && !p.isS3() {
		path = p.folder.String()
	}
	_, err := os.Stat(path)
	return path != "" && errors.Is(err, os.ErrNotExist)
}

// isS3 reports whether the place is in Amazon S3.
func (p *Place) isS3() bool { return p.folder != nil && objects.IsS3(p.folder.String()) }

// suffix is that of the files of a folder.
const suffix = ".jsonl"

// settled is the ending of the object, beside the folder of a run in Amazon S3,
// that is the last record of a run of which nothing is left.
const settled = ".end.json"

// nameOf returns the name of a run that begins now: names sort by time. id is
// that of its plan.
func nameOf(now time.Time, id string) string {
	_, digits, _ := strings.Cut(id, ":")
	digits = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, cmp.Or(digits, id))
	return now.UTC().Format("20060102T150405.000Z") + "-" + digits[:min(12, len(digits))]
}

// isName reports whether a name is one of those that nameOf gives.
func isName(name string) bool {
	const layout = "20060102T150405.000Z"
	if len(name) <= len(layout) || name[len(layout)] != '-' {
		return false
	}
	_, err := time.Parse(layout, name[:len(layout)])
	return err == nil
}

// Begin begins the journal of a run and writes its first record; an error is a
// *WriteError.
func (p *Place) Begin(ctx context.Context, b Begin, now func() time.Time) (*Run, error) {
	b.Schema = Schema
	r := &Run{now: now, id: nameOf(now(), b.Plan), plan: b.Plan, turn: make(chan struct{}, 1), open: map[int]Batch{}, families: map[repository]*families{}}
	var err error
	if r.sink, r.id, err = p.sink(ctx, r.id); err != nil {
		return nil, &WriteError{p.path, err}
	}
	if err := r.write(ctx, Record{Begin: &b}, false); err != nil {
		return nil, errors.Join(err, r.sink.close())
	}
	return r, nil
}

// sink opens where the run of a name writes to. The name may get a number where
// it is taken.
func (p *Place) sink(ctx context.Context, name string) (sink, string, error) {
	switch {
	case p.stdout != nil:
		return stdoutSink{p.stdout}, name, nil
	case p.file != "":
		s, err := openFile(p.file, os.O_CREATE)
		return s, name, err
	case p.isS3():
		taken, err := p.folder.Names(ctx)
		if err != nil {
			return nil, "", err
		}
		name = free(name, func(n string) bool { return slices.Contains(taken, n+"/") || slices.Contains(taken, n+settled) })
		return &s3Sink{folder: p.folder, run: name}, name, nil
	}
	dir := p.folder.String()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	for {
		name = free(name, func(n string) bool {
			_, err := os.Lstat(filepath.Join(dir, n+suffix))
			return err == nil
		})
		s, err := openFile(filepath.Join(dir, name+suffix), os.O_CREATE|os.O_EXCL)
		if !errors.Is(err, os.ErrExist) {
			return s, name, err
		}
	}
}

// free returns the name, or the first of name-2, name-3… that is not taken.
func free(name string, taken func(string) bool) string {
	for n, try := 2, name; ; n++ {
		if !taken(try) {
			return try
		}
		try = fmt.Sprintf("%s-%d", name, n)
	}
}

// stdoutSink writes to the standard output.
type stdoutSink struct{ w io.Writer }

func (s stdoutSink) write(_ context.Context, line []byte, _ bool) error {
	_, err := s.w.Write(line)
	return err
}

func (s stdoutSink) close() error { return nil }

// fileSink appends to a file.
type fileSink struct {
	f *os.File
	// regular says that it is a file, which can be synced, and no pipe.
	regular bool
}

// openFile opens a file to append to. What a crash has left of a line is ended.
func openFile(path string, create int) (sink, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|create, 0o600)
	if err != nil {
		return nil, err
	}
	s := &fileSink{f: f}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		s.regular = true
		if err = s.ours(path, info.Size()); err == nil {
			err = s.endLine(info.Size())
		}
		if err == nil {
			err = syncFolder(filepath.Dir(path))
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// opening is how every record begins, and so every journal in a file.
const opening = `{"run":"`

// ours makes sure that what is appended to is a journal: a saved plan, say, would
// be broken by it, and the journal in it could not be read again.
func (s *fileSink) ours(path string, size int64) error {
	head := make([]byte, min(size, 2*int64(len(opening))))
	if _, err := s.f.ReadAt(head, 0); err != nil {
		return err
	}
	if !mayBegin(head) {
		return &ForeignError{Path: path}
	}
	return nil
}

// mayBegin reports whether a journal may begin like this. A crash may have cut the
// first record off, with zeros behind it on some file systems, and another run
// may have gone on in the next line.
func mayBegin(head []byte) bool {
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		line = bytes.TrimRight(line, "\x00")
		if line = line[:min(len(line), len(opening))]; !strings.HasPrefix(opening, string(line)) {
			return false
		}
	}
	return true
}

// ForeignError says that a file is something else than a journal.
type ForeignError struct {
	// Path is the file.
	Path string
}

func (e *ForeignError) Error() string {
	return e.Path + ": there is something else than a journal in it already"
}

// endLine ends the last line of a file, where it has no end.
func (s *fileSink) endLine(size int64) error {
	if size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := s.f.ReadAt(last[:], size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err := s.f.Write([]byte("\n"))
	return err
}

// syncFolder makes the name of a new file outlive a crash.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s *fileSink) write(ctx context.Context, line []byte, _ bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := s.f.Write(line); err != nil || !s.regular {
		return err
	}
	return s.f.Sync()
}

func (s *fileSink) close() error { return s.f.Close() }

// s3Sink puts each record as an object of its own: Amazon S3 has no append. A
// put that has returned is there for every later read ("Amazon S3 data
// consistency model" in its user guide).
type s3Sink struct {
	folder *objects.Folder
	run    string
	n      int
}

func (s *s3Sink) write(ctx context.Context, line []byte, last bool) error {
	s.n++
	o := s.folder.Folder(s.run).Object(recordName(s.n))
	if last {
		o = s.folder.Object(s.run + settled)
	}
	return o.Write(ctx, func(w io.Writer) error {
		_, err := w.Write(line)
		return err
	})
}

func (s *s3Sink) close() error { return nil }

// recordName is the name of the n-th record of a run in Amazon S3. Names sort by
// number.
func recordName(n int) string { return fmt.Sprintf("%08d.json", n) }
