package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/regsweep/regsweep/internal/objects"
)

// Source is one file, or one folder in Amazon S3, with the journal of a run or
// of several.
type Source struct {
	place *Place
	// name is that of the run where the place is a folder, and "" for a file.
	name string
	// ended says that the place has the last record of the run beside its folder.
	ended bool
}

// String returns the file, or the folder in Amazon S3.
func (s Source) String() string {
	switch {
	case s.name == "":
		return s.place.file
	case s.place.isS3():
		return s.place.folder.Folder(s.name).String()
	}
	return filepath.Join(s.place.folder.String(), s.name)
}

// DamageError says that a part of a journal is not what was written.
type DamageError struct {
	// Source is the file or object, and Line the line in it, from 1.
	Source string
	Line   int
	Err    error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s:%d: the journal is damaged: %v", e.Source, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// UnreadError says that one journal of several was passed over, since it cannot
// be read.
type UnreadError struct {
	// Source is the file, or the folder in Amazon S3.
	Source string
	Err    error
}

func (e *UnreadError) Error() string {
	text := e.Err.Error()
	if _, ok := errors.AsType[*DamageError](e.Err); !ok {
		text = e.Source + ": " + text
	}
	return text + "; it was passed over: move it away, or name a single journal with --journal"
}

// Unwrap returns the cause.
func (e *UnreadError) Unwrap() error { return e.Err }

// Sources returns the journals of a place, oldest first. A place that does not
// exist has none, and neither has the standard output.
func (p *Place) Sources(ctx context.Context) ([]Source, error) {
	if p.stdout != nil {
		return nil, nil
	}
	if p.file != "" {
		if _, err := os.Stat(p.file); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return []Source{{place: p}}, nil
	}
	names, err := p.folder.Names(ctx)
	if missing, ok := errors.AsType[*objects.NotFoundError](err); ok && !missing.Bucket {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Source
	for _, name := range names {
		if !p.isS3() {
			if strings.HasSuffix(name, suffix) {
				list = append(list, Source{place: p, name: name})
			}
			continue
		}
		if run, ok := strings.CutSuffix(name, "/"); ok && isName(run) {
			list = append(list, Source{place: p, name: run, ended: slices.Contains(names, run+settled)})
		}
	}
	order := map[string]string{}
	for _, s := range list {
		order[s.name] = s.order()
	}
	slices.SortStableFunc(list, func(a, b Source) int { return strings.Compare(order[a.name], order[b.name]) })
	return list, nil
}

// order is by what the sources of a folder are sorted: the name of the run, or of
// the first one in a file that somebody gave a name of its own. What cannot be
// read is the first; who reads it says so.
func (s Source) order() string {
	run := strings.TrimSuffix(s.name, suffix)
	if s.place.isS3() || isName(run) {
		return run
	}
	f, err := os.Open(s.String())
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was only read
	line, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		return ""
	}
	rec, err := decode(line, false)
	if err != nil {
		return ""
	}
	return nameOf(rec.Time, s.name)
}

// Settled reports whether nothing of the source is left half done. It reads the
// end of it at most.
func (s Source) Settled() (bool, error) {
	run, isFile := strings.CutSuffix(s.name, suffix)
	switch {
	case s.name == "":
		return false, nil // it may have many runs
	case s.place.isS3():
		return s.ended, nil
	case !isFile || !isName(run):
		return false, nil // no file of ours, which has one run
	}
	f, err := os.Open(s.String())
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // it was only read
	const tail = 16 << 10
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	b := make([]byte, min(info.Size(), tail))
	if _, err := f.ReadAt(b, info.Size()-int64(len(b))); err != nil {
		return false, err
	}
	whole, ends := bytes.CutSuffix(b, []byte("\n"))
	line := whole[bytes.LastIndexByte(whole, '\n')+1:]
	var rec Record
	return ends && json.Unmarshal(line, &rec) == nil && rec.Run == run && rec.settles(), nil
}

// settles reports whether nothing of its run is left half done after a record.
func (r *Record) settles() bool { return r.Settled != nil || r.End != nil && r.End.Settled }

// Entry is a record, and where it stands.
type Entry struct {
	Record
	// Torn says that the line is no whole record, since a run was killed while it
	// wrote it. There is nothing else in the entry then.
	Torn bool
	// Source and Line are the file or object, and the line in it from 1.
	Source string
	Line   int
}

// Records reads a source from its beginning. manifests says that manifests are
// wanted; without, they are passed over. An error, after which nothing comes, is
// a *DamageError or what the file or Amazon S3 says.
func (s Source) Records(ctx context.Context, manifests bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		read := s.file
		if s.place.isS3() {
			read = s.objects
		}
		stop := errors.New("enough")
		order := sequence{}
		err := read(ctx, func(source string, number int, line []byte, end bool) error {
			e := Entry{Source: source, Line: number}
			var err error
			if e.Record, err = decode(line, manifests); err != nil {
				if !end || number == 1 && !mayBegin(line) {
					return &DamageError{source, number, err}
				}
				e.Torn = true
			} else if err := order.next(&e.Record); err != nil {
				return &DamageError{source, number, err}
			}
			if !yield(e, nil) {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield(Entry{}, err)
		}
	}
}

// visitor is called with each line. end says that a run may have been killed in
// it: it is the last, or another run begins after it.
type visitor func(source string, number int, line []byte, end bool) error

// file reads a file.
func (s Source) file(ctx context.Context, visit visitor) error {
	f, err := os.Open(s.String())
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	r := bufio.NewReaderSize(f, 1<<16)
	var line []byte
	for number := 0; ; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if number > 0 {
			if err := visit(s.String(), number, line, len(next) == 0 || begins(next)); err != nil {
				return err
			}
		}
		if len(next) == 0 {
			return nil
		}
		line = next
	}
}

// begins reports whether a line is the first record of a run.
func begins(line []byte) bool {
	rec, err := decode(line, false)
	return err == nil && rec.Begin != nil
}

// readAhead is how many records are read from Amazon S3 at the same time.
const readAhead = 16

// objects reads the records of a run in Amazon S3.
func (s Source) objects(ctx context.Context, visit visitor) error {
	folder := s.place.folder.Folder(s.name)
	names, err := folder.Names(ctx)
	if err != nil {
		return err
	}
	var list []*objects.Object
	for i, name := range names {
		if name != recordName(i+1) {
			return &DamageError{folder.Object(name).String(), 1, fmt.Errorf("it stands where %s belongs", recordName(i+1))}
		}
		list = append(list, folder.Object(name))
	}
	if s.ended {
		list = append(list, s.place.folder.Object(s.name+settled))
	}
	for part := range slices.Chunk(list, readAhead) {
		lines := make([][]byte, len(part))
		group, ctx := errgroup.WithContext(ctx)
		for i, o := range part {
			group.Go(func() (err error) {
				lines[i], err = content(ctx, o)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for i, o := range part { // objects are there whole or not at all
			if err := visit(o.String(), 1, lines[i], false); err != nil {
				return err
			}
		}
	}
	return nil
}

// content reads an object.
func content(ctx context.Context, o *objects.Object) ([]byte, error) {
	r, err := o.Read(ctx)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

// decode reads a line.
func decode(line []byte, manifests bool) (Record, error) {
	var rec Record
	if err := json.Unmarshal(line, &rec); err != nil {
		return Record{}, err
	}
	if rec.Run == "" {
		return Record{}, errors.New("it is no record of a journal")
	}
	if rec.Begin != nil && rec.Begin.Schema != Schema {
		return Record{}, fmt.Errorf("it is of the format %q, and this version knows %s", rec.Begin.Schema, Schema)
	}
	if rec.Before != nil && !manifests {
		for i := range rec.Before.Images {
			rec.Before.Images[i].Manifest = nil
		}
	}
	return rec, nil
}
