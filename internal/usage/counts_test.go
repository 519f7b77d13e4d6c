package usage

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestASourceThatHadUsesAndHasNoneIsAGap(t *testing.T) {
	opts := Options{CacheDir: filepath.Join(t.TempDir(), "cache"), ConfigID: "one"}
	some := answers("ecs", running("a", web+":1", ""), running("b", web+":1", ""))
	none := answers("ecs")
	detail := "it found nothing, and the last run found 2 uses (if nothing is right, go on once with --ignore-gap ecs on the command line, or take the source out of the configuration; atLeast says what it must find)"
	steps := []struct {
		name   string
		entry  Entry
		config string
		ignore bool
		want   Status
	}{
		{"nothing is expected at first", none, "one", false, Status{"ecs", 0, "ok", ""}},
		{"some", some, "one", false, Status{"ecs", 2, "ok", ""}},
		{"none", none, "one", false, Status{"ecs", 0, "gap", detail}},
		{"the gap persists", none, "one", false, Status{"ecs", 0, "gap", detail}},
		{"another configuration expects nothing", none, "two", false, Status{"ecs", 0, "ok", ""}},
		{"an ignored error proves nothing", fails("ecs", errors.New("denied")), "one", true, Status{"ecs", 0, "gap", "denied (ignored by --ignore-gap)"}},
		{"so the gap persists still", none, "one", false, Status{"ecs", 0, "gap", detail}},
		{"it is overridden", none, "one", true, Status{"ecs", 0, "gap", detail + " (ignored by --ignore-gap)"}},
		{"and gone", none, "one", false, Status{"ecs", 0, "ok", ""}},
	}
	for _, step := range steps {
		opts.ConfigID, opts.IgnoreGaps = step.config, nil
		if step.ignore {
			opts.IgnoreGaps = []string{"ecs"}
		}
		result := collect(t, opts, step.entry)
		if diff := cmp.Diff([]Status{step.want}, result.Snapshot.Sources); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if result.Warnings != nil {
			t.Errorf("%s: %v", step.name, result.Warnings)
		}
	}
}

func TestAGapOfOneSourceDoesNotForgetTheOthers(t *testing.T) {
	opts := Options{CacheDir: t.TempDir()}
	collect(t, opts, fails("ecs", errors.New("denied")), answers("lambda", running("f", web+":1", "")))
	result := collect(t, opts, answers("ecs"), answers("lambda"))
	if len(result.Gaps) != 1 || result.Gaps[0].Source != "lambda" {
		t.Errorf("gaps: %v", result.Gaps)
	}
}

func TestCountsFileThatCannotBeUsed(t *testing.T) {
	tests := map[string]string{
		"empty":     "",
		"truncated": `{"one": {"sour`,
		"a list":    "[]",
		"no counts": `{"": {"sources": {"ecs": "many"}}}`,
	}
	for name, content := range tests {
		t.Run(name, func(t *testing.T) {
			opts := Options{CacheDir: t.TempDir()}
			path := filepath.Join(opts.CacheDir, countsFile)
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			first := collect(t, opts, answers("ecs", running("a", web+":1", "")))
			if len(first.Gaps) != 0 || len(first.Warnings) != 1 || !strings.Contains(first.Warnings[0].Error(), path) {
				t.Errorf("gaps %v, warnings %v, want one warning that names the file", first.Gaps, first.Warnings)
			}
			// It was replaced, so the next run knows what to expect.
			if second := collect(t, opts, answers("ecs")); len(second.Gaps) != 1 || second.Warnings != nil {
				t.Errorf("gaps %v, warnings %v, want one gap", second.Gaps, second.Warnings)
			}
		})
	}
}

func TestCountsFileOfNull(t *testing.T) {
	opts := Options{CacheDir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(opts.CacheDir, countsFile), []byte("null"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := collect(t, opts, answers("ecs")); r.Gaps != nil || r.Warnings != nil {
		t.Errorf("gaps %v, warnings %v, want none", r.Gaps, r.Warnings)
	}
}

func TestCacheFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	result := collect(t, Options{CacheDir: file}, answers("ecs", running("a", web+":1", "")))
	if len(result.Warnings) == 0 || len(result.Gaps) != 0 || len(result.Snapshot.Uses) != 1 {
		t.Errorf("got %+v, want the uses and a warning", result)
	}
}

func TestSaveCountsLeavesNoOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		if err := saveCounts(dir, "one", map[string]int{"ecs": i}, now); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != countsFile {
		t.Errorf("the folder has %v", entries)
	}
	// A target that cannot be replaced leaves nothing behind either.
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, countsFile, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := saveCounts(dir, "one", map[string]int{"ecs": 1}, now); err == nil {
		t.Error("a folder was replaced")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the folder has %v", entries)
	}
}

func TestCountsFileIsBounded(t *testing.T) {
	dir := t.TempDir()
	c := counts{}
	for i := range 2 * maxConfigs {
		c[fmt.Sprintf("config%03d", i)] = sourceCounts{SavedAt: now.Add(time.Duration(i) * time.Minute)}
	}
	content, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, countsFile), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := saveCounts(dir, "new", map[string]int{"ecs": 1}, now.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	got, err := loadCounts(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, oldest := got["config100"]
	_, next := got["config101"]
	if len(got) != maxConfigs || got["new"].Sources["ecs"] != 1 || oldest || !next {
		t.Errorf("%d configurations, config100 %v, config101 %v", len(got), oldest, next)
	}
}
