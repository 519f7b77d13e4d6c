package awsusage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	prefix   = "arn:aws:ecs:eu-west-1:111122223333:"
	fileName = "aws-111122223333-eu-west-1"
)

func TestFacts(t *testing.T) {
	dir := t.TempDir()
	first := OpenFacts(dir, "kind")
	if _, known := first.Get(prefix + "x:1"); known {
		t.Error("an empty cache knows something")
	}
	first.Put(prefix+"x:1", []string{"a", "", "b"})
	first.Put("arn:aws-cn:ecs:cn-north-1:444455556666:x:1", []string{"c"})
	if notes := first.Save(); notes != nil {
		t.Errorf("notes %q, want none", notes)
	}
	second := OpenFacts(dir, "kind")
	if got, _ := second.Get(prefix + "x:1"); !cmp.Equal([]string{"a", "", "b"}, got) {
		t.Errorf("got %q", got)
	}
	if got, _ := second.Get("arn:aws-cn:ecs:cn-north-1:444455556666:x:1"); !cmp.Equal([]string{"c"}, got) {
		t.Errorf("got %q", got)
	}
	for _, absent := range []string{"arn:aws:ecs:us-east-1:111122223333:x:1", "arn:aws:ecs:eu-west-1:444455556666:x:1"} {
		if got, known := second.Get(absent); known {
			t.Errorf("%s: got %q of another account or region", absent, got)
		}
	}
}

// TestFactsKeepsNothing of what does not fit a line or a file.
func TestFactsKeepsNothing(t *testing.T) {
	for _, test := range []struct {
		name, arn string
		values    []string
	}{
		{"a tab", prefix + "x", []string{"a\tb"}},
		{"a line break", prefix + "x", []string{"a\nb"}},
		{"a line break in the key", prefix + "x\ny", []string{"a"}},
		{"no values", prefix + "x", nil},
		{"no ARN", "x", []string{"a"}},
		{"no account", "arn:aws:ecs:eu-west-1::x", []string{"a"}},
		{"a region that is a path", "arn:aws:ecs:../..:111122223333:x", []string{"a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			f := OpenFacts(dir, "kind")
			f.Put(test.arn, test.values)
			if notes := f.Save(); notes != nil {
				t.Errorf("notes %q, want none", notes)
			}
			if got, known := f.Get(test.arn); known {
				t.Errorf("kept %q", got)
			}
			if entries, _ := os.ReadDir(filepath.Join(dir, "kind")); len(entries) > 0 {
				t.Errorf("wrote %v", entries)
			}
		})
	}
}

// TestFactsDamaged: whatever happens to a file, an entry is what was kept or it
// is absent.
func TestFactsDamaged(t *testing.T) {
	dir := t.TempDir()
	f := OpenFacts(dir, "kind")
	for i := range 20 {
		f.Put(fmt.Sprint(prefix, "x:", i), []string{fmt.Sprint("image:", i), "other"})
	}
	f.Save()
	path := filepath.Join(dir, "kind", fileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := append([]byte(nil), whole...)
		for range rapid.IntRange(1, 5).Draw(rt, "changes") {
			at := rapid.IntRange(0, len(text)-1).Draw(rt, "at")
			text[at] = rapid.Byte().Draw(rt, "byte")
		}
		text = text[:rapid.IntRange(0, len(text)).Draw(rt, "length")]
		if err := os.WriteFile(path, text, 0o600); err != nil {
			rt.Fatal(err)
		}
		damaged := OpenFacts(dir, "kind")
		for i := range 20 {
			got, known := damaged.Get(fmt.Sprint(prefix, "x:", i))
			if want := []string{fmt.Sprint("image:", i), "other"}; known && !cmp.Equal(want, got) {
				rt.Fatalf("entry %d is %q, want %q or nothing", i, got, want)
			}
		}
	})
}

// TestFactsOfRunsAtOnce: every file that a reader can see is whole.
func TestFactsOfRunsAtOnce(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	for run := range 8 {
		group.Go(func() {
			for i := range 10 {
				f := OpenFacts(dir, "kind")
				f.Put(fmt.Sprintf("%sx:%d-%d", prefix, run, i), []string{fmt.Sprint(run, i)})
				if notes := f.Save(); notes != nil {
					t.Errorf("notes %q, want none", notes)
				}
			}
		})
	}
	group.Wait()
	text, err := os.ReadFile(filepath.Join(dir, "kind", fileName))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		sum, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if sum != checksum(rest) {
			t.Errorf("damaged line %q", line)
		}
		lines++
	}
	if lines == 0 {
		t.Error("nothing was kept")
	}
	files, err := os.ReadDir(filepath.Join(dir, "kind"))
	if err != nil || len(files) != 1 {
		t.Errorf("files %v, error %v, want one file", files, err)
	}
}

// TestFactsForgets what no run asks for any more, once there is much of it.
func TestFactsForgets(t *testing.T) {
	dir := t.TempDir()
	old := OpenFacts(dir, "kind")
	for i := range keepUnused + 10 {
		old.Put(fmt.Sprint(prefix, "old:", i), []string{"a"})
	}
	old.Save()
	f := OpenFacts(dir, "kind")
	f.Get(prefix + "old:7")
	f.Put(prefix+"new:1", []string{"b"})
	f.Save()
	last := OpenFacts(dir, "kind")
	for arn, want := range map[string]bool{prefix + "old:7": true, prefix + "new:1": true, prefix + "old:8": false} {
		if _, known := last.Get(arn); known != want {
			t.Errorf("%s known: %t, want %t", arn, known, want)
		}
	}
}

// TestFactsOfAnUnusableFolder: the cache says so, and hides nothing.
func TestFactsOfAnUnusableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := OpenFacts(file, "kind")
	f.Put(prefix+"x:1", []string{"a"})
	notes := f.Save()
	if len(notes) == 0 || !strings.HasPrefix(notes[0], "the cache is not used: ") {
		t.Errorf("notes %q, want why the cache is not used", notes)
	}
}

func BenchmarkFacts(b *testing.B) {
	dir := b.TempDir()
	f := OpenFacts(dir, "kind")
	for i := range 100_000 {
		f.Put(fmt.Sprintf("%stask-definition/family-%d:%d", prefix, i%1000, i), []string{"111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app:2026-03-01-abcdef"})
	}
	f.Save()
	for b.Loop() {
		f := OpenFacts(dir, "kind")
		if _, known := f.Get(prefix + "task-definition/family-0:0"); !known {
			b.Fatal("not kept")
		}
	}
}
