package awsusage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/regsweep/regsweep/internal/usage"
)

// sumLength is how many hexadecimal digits of its SHA-256 a line begins with.
const sumLength = 16

// keepUnused is how many entries that a run did not ask for a file may hold
// beside twice those that it did, before they are dropped.
const keepUnused = 10_000

// Facts is a cache on disk of what never changes: the images of a task
// definition, of a service revision, of a published function version. It holds
// one file for each account and region, since a file for each of a hundred
// thousand ARNs would be slow to read and to keep.
//
// A file is lines of tab-separated fields: a checksum of the rest of the line,
// the key, the values. A line whose checksum is wrong is as good as absent, so
// that a damaged entry is read again. Files are replaced by renaming: runs at
// the same time never see half a file, and at worst lose each other's news.
//
// It is safe for concurrent use.
type Facts struct {
	dir string

	mu    sync.Mutex
	files map[string]*factFile
	notes []string
}

type factFile struct {
	entries map[string]string // key → line; checked when it is asked for
	used    map[string]bool
	fresh   map[string]bool // not yet on disk
}

// OpenFacts returns the cache of one kind of fact ("ecs-task-definitions"),
// which is a folder of that name in cacheDir. With an empty cacheDir it keeps
// nothing.
func OpenFacts(cacheDir, kind string) *Facts {
	f := &Facts{files: map[string]*factFile{}}
	if cacheDir != "" {
		f.dir = filepath.Join(cacheDir, kind)
	}
	return f
}

// arnPattern splits an ARN into what names the file and the key in it.
var arnPattern = regexp.MustCompile(`^arn:([a-z-]+):[a-z-]+:([a-z0-9-]+):([0-9]{12}):([^\t\n]+)$`)

// split returns the file that holds the facts of the ARN, and the key there.
// The last result is false for what is no ARN of an account and region.
func (f *Facts) split(arn string) (*factFile, string, bool) {
	parts := arnPattern.FindStringSubmatch(arn)
	if f.dir == "" || parts == nil {
		return nil, "", false
	}
	name := parts[1] + "-" + parts[3] + "-" + parts[2]
	file := f.files[name]
	if file == nil {
		file = &factFile{used: map[string]bool{}, fresh: map[string]bool{}}
		entries, err := readFacts(filepath.Join(f.dir, name))
		if err != nil {
			f.notes = append(f.notes, fmt.Sprintf("the cache is not used: %v", err))
		}
		file.entries = entries
		f.files[name] = file
	}
	return file, parts[4], true
}

// Get returns the values that are kept for an ARN. What follows the ARN's
// resource after a "#" belongs to the key.
func (f *Facts) Get(arn string) ([]string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, key, ok := f.split(arn)
	if !ok {
		return nil, false
	}
	values, known := parseLine(file.entries[key], key)
	if known {
		file.used[key] = true
	}
	return values, known
}

// Put keeps values for an ARN. Values that hold a tab or a line break are not
// kept.
func (f *Facts) Put(arn string, values []string) {
	if len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(v, "\t\n") }) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if file, key, ok := f.split(arn); ok {
		file.entries[key] = formatLine(key, values)
		file.used[key], file.fresh[key] = true, true
	}
}

// Save writes what is new. It returns what went wrong with the cache, on
// reading too; that costs calls and hides nothing.
func (f *Facts) Save() (notes []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range sortedKeys(f.files) {
		file := f.files[name]
		if len(file.fresh) == 0 {
			continue
		}
		if err := file.save(filepath.Join(f.dir, name)); err != nil {
			f.notes = append(f.notes, fmt.Sprintf("the cache is not saved: %v", err))
			continue
		}
		clear(file.fresh)
	}
	return f.notes
}

// save merges the new entries into what is on disk by now.
func (file *factFile) save(path string) error {
	entries, err := readFacts(path)
	if err != nil {
		return err
	}
	for key := range file.fresh {
		entries[key] = file.entries[key]
	}
	if len(entries) > 2*len(file.used)+keepUnused {
		maps.DeleteFunc(entries, func(key, _ string) bool { return !file.used[key] })
	}
	var text bytes.Buffer
	for _, key := range sortedKeys(entries) {
		text.WriteString(entries[key] + "\n")
	}
	return usage.ReplaceFile(path, text.Bytes())
}

// readFacts reads the lines of a file by their keys. A file that does not exist
// is empty.
func readFacts(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	} else if err != nil {
		return map[string]string{}, err
	}
	entries := make(map[string]string, bytes.Count(data, []byte("\n")))
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		_, rest, _ := strings.Cut(line, "\t")
		key, _, _ := strings.Cut(rest, "\t")
		entries[key] = line
	}
	return entries, nil
}

// formatLine returns the line of an entry.
func formatLine(key string, values []string) string {
	rest := key + "\t" + strings.Join(values, "\t")
	return checksum(rest) + "\t" + rest
}

// parseLine returns the values of a line. The last result is false for a line
// that is damaged, or that is another entry's.
func parseLine(line, key string) ([]string, bool) {
	sum, rest, _ := strings.Cut(line, "\t")
	fields := strings.Split(rest, "\t")
	if len(fields) < 2 || fields[0] != key || sum != checksum(rest) {
		return nil, false
	}
	return fields[1:], true
}

// checksum returns what a line begins with.
func checksum(line string) string {
	sum := sha256.Sum256([]byte(line))
	return hex.EncodeToString(sum[:])[:sumLength]
}
