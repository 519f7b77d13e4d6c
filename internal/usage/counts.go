package usage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// countsFile is the file in the cache folder that remembers how many uses each
// source had. A source that had some and now has none is broken more often than
// it is empty: a wrong context, a role that sees nothing, a new cluster.
const countsFile = "usage-counts.json"

// maxConfigs bounds the file: the identity of a configuration may change with
// every edit of it.
const maxConfigs = 100

// counts is the content of the file, by the identity of the configuration.
type counts map[string]sourceCounts

type sourceCounts struct {
	SavedAt time.Time      `json:"savedAt"`
	Sources map[string]int `json:"sources"`
}

// loadCounts reads the file in dir. A file that is missing is empty and no error:
// this is the first run. What is there and cannot be read, or says something else
// than saveCounts writes, is an error: then nobody knows what to expect of a source.
func loadCounts(dir string) (counts, error) {
	path := filepath.Join(dir, countsFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return counts{}, nil
	}
	c := counts{}
	if err == nil {
		err = c.decode(content)
	}
	if err != nil {
		var inPath *fs.PathError
		if errors.As(err, &inPath) {
			err = inPath.Err // the path is said once
		}
		return nil, fmt.Errorf("the memory at %s cannot be read: %w", path, err)
	}
	return c, nil
}

// decode reads the content of the file. It is strict, so that what another version
// writes in another form is not taken for less than it says.
func (c *counts) decode(content []byte) error {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	err := dec.Decode(c)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it is cut off")
	case err != nil:
		return err
	case *c == nil:
		return errors.New("it says nothing")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the counts")
	}
	for config, found := range *c {
		if found.Sources == nil {
			return fmt.Errorf("it says nothing of the sources of %q", config)
		}
		for name, n := range found.Sources {
			if n < 0 {
				return fmt.Errorf("it says that source %s had %d uses", name, n)
			}
		}
	}
	return nil
}

// saveCounts writes the counts of some sources of one configuration into the
// file in dir and leaves what else is there. A file that cannot be read stays as
// it is. Of two runs that save in one moment the later one may write back what the
// other had read: an older note of the other's sources, never half a file.
func saveCounts(dir, config string, found map[string]int, now time.Time) error {
	if len(found) == 0 {
		return nil
	}
	c, err := loadCounts(dir) // again, since other runs write it too
	if err != nil {
		return err
	}
	sources := c[config].Sources
	if sources == nil {
		sources = map[string]int{}
	}
	for name, n := range found {
		sources[name] = n
	}
	c[config] = sourceCounts{SavedAt: now.UTC(), Sources: sources}
	c.prune()
	content, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		err = ReplaceFile(filepath.Join(dir, countsFile), append(content, '\n'))
	}
	if err != nil {
		return fmt.Errorf("remember what this run found: %w", err)
	}
	return nil
}

// prune drops the configurations that were saved longest ago.
func (c counts) prune() {
	if len(c) <= maxConfigs {
		return
	}
	ids := make([]string, 0, len(c))
	for id := range c {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return c[b].SavedAt.Compare(c[a].SavedAt) })
	for _, id := range ids[maxConfigs:] {
		delete(c, id)
	}
}
