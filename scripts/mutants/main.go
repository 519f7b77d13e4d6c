// Command mutants breaks the program in one line after the other, and runs the
// tests that must notice. It prints a table, and exits with 1 when
//
//   - a mutant survives: the tests pass although the program is broken;
//   - a mutant does not compile, which no test has noticed;
//   - the text to change is not in its file exactly once, so that nobody knows
//     any more what the mutant was;
//   - the tests fail without any mutant.
//
// Files are replaced with go test -overlay, so that nothing is written to the
// tree. With arguments only the mutants are run whose names contain one of them.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// mutant is one change, and the test that must notice it.
type mutant struct {
	// name says what is broken.
	name string
	// file is changed: old, which is in it exactly once, becomes new.
	file, old, new string
	// kill is what must fail.
	kill test
}

// test is some tests of one package.
type test struct {
	// pkg is the package's folder, and run the pattern of -run.
	pkg, run string
	// args are further flags of the test program.
	args []string
}

// timeout bounds the building and the run of one test. A mutant that makes tests
// hang is noticed.
const timeout = 5 * time.Minute

func main() {
	jobs := flag.Int("jobs", 2, "how many mutants are tested at a time")
	flag.Parse()
	ok, err := run(*jobs, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run tests all mutants whose names contain one of the words, or all.
func run(jobs int, words []string) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	chosen := choose(mutants, words)
	if len(chosen) == 0 {
		return false, errors.New("no mutant has such a name")
	}
	// Tests that fail anyway would kill every mutant.
	for i, t := range tests(chosen) {
		if killed, detail, err := t.try(dir, fmt.Sprint("clean", i), nil); err != nil || killed {
			return false, fmt.Errorf("%s: the tests fail without a mutant: %w\n%s", t, err, detail)
		}
	}
	results := make([]result, len(chosen))
	var group sync.WaitGroup
	turns := make(chan struct{}, max(jobs, 1))
	for i, m := range chosen {
		group.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			began := time.Now()
			results[i] = m.test(dir, fmt.Sprint("mutant", i))
			results[i].took = time.Since(began)
		})
	}
	group.Wait()
	survivors := 0
	for i, m := range chosen {
		r := results[i]
		fmt.Printf("%-9s %5.1fs  %-62s %s\n", r.verdict, r.took.Seconds(), m.name, m.kill)
		if r.verdict != killed {
			survivors++
			fmt.Println(indent(r.detail))
		}
	}
	fmt.Printf("%d mutants, %d killed, %d not\n", len(chosen), len(chosen)-survivors, survivors)
	return survivors == 0, nil
}

// choose returns the mutants whose names contain one of the words, or all.
func choose(all []mutant, words []string) (list []mutant) {
	for _, m := range all {
		for _, word := range words {
			if strings.Contains(m.name, word) {
				list = append(list, m)
				break
			}
		}
	}
	if len(words) == 0 {
		return all
	}
	return list
}

// tests returns the different tests of mutants.
func tests(list []mutant) (all []test) {
	seen := map[string]bool{}
	for _, m := range list {
		if key := m.kill.String(); !seen[key] {
			seen[key] = true
			all = append(all, m.kill)
		}
	}
	return all
}

func (t test) String() string {
	return strings.Join(append([]string{t.pkg, t.run}, t.args...), " ")
}

// The verdicts on a mutant.
const (
	killed   = "killed"
	survived = "SURVIVED"
	broken   = "BROKEN"
)

type result struct {
	verdict, detail string
	took            time.Duration
}

// test applies a mutant and runs its tests.
func (m mutant) test(dir, name string) result {
	content, err := os.ReadFile(m.file)
	if err != nil {
		return result{verdict: broken, detail: err.Error()}
	}
	changed, err := m.apply(content)
	if err != nil {
		return result{verdict: broken, detail: err.Error()}
	}
	noticed, detail, err := m.kill.try(dir, name, map[string][]byte{m.file: changed})
	switch {
	case err != nil:
		return result{verdict: broken, detail: err.Error() + "\n" + detail}
	case !noticed:
		return result{verdict: survived, detail: fmt.Sprintf("%s: these tests pass with\n%s\nin the place of\n%s", m.file, m.new, m.old)}
	}
	return result{verdict: killed}
}

// apply returns the content of a file with the change.
func (m mutant) apply(content []byte) ([]byte, error) {
	if n := bytes.Count(content, []byte(m.old)); n != 1 {
		return nil, fmt.Errorf("%s: the text to change is there %d times, and should be once: %s", m.file, n, m.old)
	}
	return bytes.Replace(content, []byte(m.old), []byte(m.new), 1), nil
}

// try runs tests with some files replaced. The error is for what does not
// compile or cannot be run; noticed says that a test failed.
func (t test) try(dir, name string, files map[string][]byte) (noticed bool, detail string, err error) {
	overlay, err := writeOverlay(dir, name, files)
	if err != nil {
		return false, "", err
	}
	binary := filepath.Join(dir, name+".test")
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./"+t.pkg)
	if out, err := build.CombinedOutput(); err != nil {
		return false, string(out), fmt.Errorf("build %s: %w", t.pkg, err)
	}
	defer func() { _ = os.Remove(binary) }()
	cmd := exec.CommandContext(ctx, binary, append([]string{"-test.run", t.run, "-test.failfast", "-test.v"}, t.args...)...)
	cmd.Dir = t.pkg // as go test does
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil && !bytes.Contains(out, []byte("--- PASS")):
		return false, tail(out), errors.New("no test ran")
	case err == nil:
		return false, "", nil
	case ctx.Err() != nil, errors.As(err, &exit):
		return true, tail(out), nil
	}
	return false, tail(out), err
}

// writeOverlay writes the replaced files and the list of them, in the form of
// go help build, -overlay.
func writeOverlay(dir, name string, files map[string][]byte) (path string, err error) {
	replace := map[string]string{}
	for file, content := range files {
		original, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		replacement := filepath.Join(dir, name+".go")
		if err := os.WriteFile(replacement, content, 0o600); err != nil {
			return "", err
		}
		replace[original] = replacement
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, name+".json")
	return path, os.WriteFile(path, list, 0o600)
}

// tail returns the last lines of an output.
func tail(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }
