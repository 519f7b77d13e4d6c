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

// What earlier runs found is not known then: a source that answers with nothing may
// have had something, and what is noted of all others must not be lost.
func TestCountsFileThatCannotBeUsed(t *testing.T) {
	tests := map[string]struct{ content, why string }{
		"empty":                    {"", "it is cut off"},
		"truncated":                {`{"one": {"sour`, "it is cut off"},
		"a list":                   {"[]", "cannot unmarshal array"},
		"nothing":                  {"null", "it says nothing"},
		"no counts":                {`{"": {"sources": {"ecs": "many"}}}`, "cannot unmarshal string"},
		"no sources":               {`{"": {"savedAt": "2026-01-02T03:04:05Z"}}`, "it says nothing"},
		"a number that cannot be":  {`{"": {"sources": {"ecs": -1}}}`, "source ecs had -1 uses"},
		"a field of a later form":  {`{"": {"sources": {"ecs": 1}, "unit": "images"}}`, `unknown field "unit"`},
		"a later form":             {`{"schema": "regsweep.usage-counts/v2", "configs": {}}`, "cannot unmarshal string"},
		"something follows":        {`{"": {"sources": {"ecs": 1}}}}`, "something follows"},
		"something whole follows":  {`{} {"": {"sources": {"ecs": 1}}}`, "something follows"},
		"cut off in the last byte": {`{"": {"sources": {"ecs": 1}}`, "it is cut off"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opts := Options{CacheDir: t.TempDir()}
			path := filepath.Join(opts.CacheDir, countsFile)
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			holdsWhatIsEmpty(t, opts, path, tt.why)
			if got, err := os.ReadFile(path); err != nil || string(got) != tt.content {
				t.Errorf("the file is %q now, %v", got, err)
			}
			// Without the file the next run is the first.
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if r := collect(t, opts, answers("ecs")); r.Gaps != nil || r.Warnings != nil {
				t.Errorf("gaps %v, warnings %v after it was deleted, want none", r.Gaps, r.Warnings)
			}
		})
	}
}

// That a file cannot be read, by its mode or otherwise, says nothing of what is in
// it. A folder in its place is read with an error by every user, also by root.
func TestCountsFileThatCannotBeRead(t *testing.T) {
	opts := Options{CacheDir: t.TempDir()}
	path := filepath.Join(opts.CacheDir, countsFile)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	holdsWhatIsEmpty(t, opts, path, "is a directory")
}

// holdsWhatIsEmpty runs two sources with a memory at path that cannot be read, and
// wants a gap of the one that answers with nothing.
func holdsWhatIsEmpty(t *testing.T, opts Options, path, why string) {
	t.Helper()
	entries := []Entry{answers("ecs"), answers("lambda", running("f", web+":1", ""))}
	for range 2 { // the second run is as careful as the first
		r := collect(t, opts, entries...)
		if len(r.Gaps) != 1 || r.Gaps[0].Source != "ecs" {
			t.Fatalf("gaps %v, want one of ecs", r.Gaps)
		}
		for _, want := range []string{"it found nothing", path, why, "delete it", "--ignore-gap ecs"} {
			if detail := r.Gaps[0].Detail; !strings.Contains(detail, want) {
				t.Errorf("the detail %q does not say %q", detail, want)
			}
		}
		if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].Error(), path) {
			t.Errorf("warnings %v, want one that names the file", r.Warnings)
		}
	}
	opts.IgnoreGaps = []string{"ecs"}
	if r := collect(t, opts, entries...); r.Gaps != nil || !strings.HasSuffix(r.Snapshot.Sources[0].Detail, "(ignored by --ignore-gap)") {
		t.Errorf("gaps %v, sources %v, want one that is ignored", r.Gaps, r.Snapshot.Sources)
	}
}

// Between the reading and the saving another run may have damaged the file.
func TestSaveCountsReplacesNoFileThatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, countsFile)
	const damaged = `{"one": {"sour`
	if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := saveCounts(dir, "one", map[string]int{"ecs": 1}, now); err == nil {
		t.Error("saved over a file that cannot be read")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != damaged {
		t.Errorf("the file is %q now, %v", got, err)
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
		c[fmt.Sprintf("config%03d", i)] = sourceCounts{SavedAt: now.Add(time.Duration(i) * time.Minute), Sources: map[string]int{}}
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
