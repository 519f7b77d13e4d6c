package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every mutant can be made of the file as it is now, and all have names of their
// own.
func TestMutantsApply(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("two mutants are called %q", m.name)
		}
		names[m.name] = true
		content, err := os.ReadFile(filepath.Join("..", "..", m.file))
		if err != nil {
			t.Error(err)
			continue
		}
		changed, err := m.apply(content)
		if err != nil {
			t.Error(err)
		} else if string(changed) == string(content) {
			t.Errorf("%s: the mutant changes nothing", m.name)
		}
	}
}

func TestApply(t *testing.T) {
	m := mutant{file: "x.go", old: "a < b", new: "a <= b"}
	for content, want := range map[string]string{"if a < b {": "if a <= b {", "if a > b {": "", "a < b || a < b": ""} {
		got, err := m.apply([]byte(content))
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("apply to %q = %q, %v, want %q", content, got, err, want)
		}
	}
}

func TestChoose(t *testing.T) {
	all := []mutant{{name: "one a"}, {name: "two a"}, {name: "three"}}
	for words, want := range map[string]int{"": 3, "a": 2, "one three": 2, "x": 0} {
		if got := choose(all, strings.Fields(words)); len(got) != want {
			t.Errorf("choose(%q) has %d mutants, want %d", words, len(got), want)
		}
	}
}
