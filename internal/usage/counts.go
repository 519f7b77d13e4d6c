package usage

import (
	"encoding/json"
	"errors"
	"fmt"
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

// loadCounts reads the file in dir. A file that is missing is empty and no
// error; with an error the result is empty, which expects nothing.
func loadCounts(dir string) (counts, error) {
	path := filepath.Join(dir, countsFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return counts{}, nil
	}
	if err != nil {
		return counts{}, fmt.Errorf("read what the last run found: %w", err)
	}
	c := counts{}
	if err := json.Unmarshal(content, &c); err != nil {
		return counts{}, fmt.Errorf("read what the last run found in %s: %w", path, err)
	}
	if c == nil {
		c = counts{}
	}
	return c, nil
}

// saveCounts writes the counts of some sources of one configuration into the
// file in dir and leaves what else is there.
func saveCounts(dir, config string, found map[string]int, now time.Time) error {
	if len(found) == 0 {
		return nil
	}
	// It is read again, since other runs write it too. A damaged file is
	// replaced.
	c, _ := loadCounts(dir)
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
