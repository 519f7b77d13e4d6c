package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/kinds"
)

var update = flag.Bool("update", false, "write the expected files of testdata")

// Each bad file has its messages beside it.
func TestBadFiles(t *testing.T) {
	files := glob(t, "testdata/bad/*.yaml")
	if len(files) < 45 {
		t.Errorf("%d bad files: want at least 45", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data := read(t, file)
			_, err := config.Parse(filepath.Base(file), data, environment(data), kinds.All())
			var errs config.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("error is %v, want config.Errors", err)
			}
			for i, m := range errs {
				if m.Line < 1 || m.Column < 1 {
					t.Errorf("no position: %v", m)
				}
				if i > 0 && (m.Line < errs[i-1].Line || m.Line == errs[i-1].Line && m.Column < errs[i-1].Column) {
					t.Errorf("not sorted by position: %v", m)
				}
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", []byte(err.Error()+"\n"))
		})
	}
}

// Each good file has what it means beside it.
func TestGoodFiles(t *testing.T) {
	for _, file := range glob(t, "testdata/good/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data := read(t, file)
			cfg, err := config.Parse(filepath.Base(file), data, environment(data), kinds.All())
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Compiled == nil {
				t.Error("the policy is not compiled")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".json", dump(t, cfg))
		})
	}
}

// dump writes the effective configuration for reading.
func dump(t *testing.T, cfg *config.Config) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, cfg.Canonical(), "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

// environment reads variables from comments like "# env: NAME=value".
func environment(data []byte) func(string) (string, bool) {
	env := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if setting, ok := strings.CutPrefix(strings.TrimSpace(line), "# env: "); ok {
			name, value, _ := strings.Cut(setting, "=")
			env[name] = value
		}
	}
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(read(t, file)), string(got)); diff != "" {
		t.Errorf("%s (run with -update to accept):\n%s", file, diff)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no file matches %s", pattern)
	}
	return files
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
