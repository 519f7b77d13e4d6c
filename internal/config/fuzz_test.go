package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/kinds"
)

// Whatever a file holds, Parse returns a configuration, which the schema accepts
// too, or Errors with positions in the file, and never shows what the
// environment holds.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	const secret = "(Zq7*secret*Zq7["
	environment := func(name string) (string, bool) { return secret, name != "UNSET" }
	all := kinds.All()
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := config.Parse("f.yaml", data, environment, all)
		if err == nil {
			if cfg.Compiled == nil {
				t.Error("the policy is not compiled")
			}
			again, err := config.Parse("f.yaml", data, environment, all)
			if err != nil || again.Hash() != cfg.Hash() {
				t.Errorf("the second time it is another configuration (%v)", err)
			}
			if doc, ok := document(data); ok {
				if err := schema.Validate(doc); err != nil {
					t.Errorf("the schema refuses what is right: %v", err)
				}
			}
			return
		}
		var errs config.Errors
		if cfg != nil || !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("error is %T %v", err, err)
		}
		// What YAML counts as a line break.
		lines := strings.Count(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(string(data)), "\n") + 1
		for _, m := range errs {
			if m.Line < 1 || m.Column < 1 || m.Line > lines || m.Detail == "" {
				t.Errorf("no position in a file of %d lines: %v", lines, m)
			}
		}
		if strings.Contains(err.Error(), "Zq7") {
			t.Errorf("shows the environment:\n%v", err)
		}
	})
}
