package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is one line of "go test -json"; see go doc test2json, and for ImportPath
// go help buildjson.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Elapsed    float64 // seconds
	Output     string
	// FailedBuild says that a package failed because a build did, which has an
	// event of its own.
	FailedBuild string
}

// counts is how many tests ended how. Subtests count by themselves.
type counts struct{ passed, failed, skipped int }

func (c *counts) add(d counts) {
	c.passed += d.passed
	c.failed += d.failed
	c.skipped += d.skipped
}

func (c *counts) total() int { return c.passed + c.failed + c.skipped }

// test is what is known of a test that has not ended. A package as a whole is
// the test with no name.
type test struct{ output strings.Builder }

// pkg is what is known of one run of one package's tests.
type pkg struct {
	tests map[string]*test
	counts
}

// test returns a test that runs; name is "" for the package as a whole.
func (p *pkg) test(name string) *test {
	t := p.tests[name]
	if t == nil {
		t = &test{}
		p.tests[name] = t
	}
	return t
}

// summary reads events and prints what they mean.
type summary struct {
	out      io.Writer
	packages map[string]*pkg
	builds   map[string]*strings.Builder // by ImportPath
	counts
	broken int      // failures that are no test's: of builds, of packages
	skips  []string // a line for each skipped test
	fails  []string // a line for each failure
}

func newSummary(out io.Writer) *summary {
	return &summary{out: out, packages: map[string]*pkg{}, builds: map[string]*strings.Builder{}}
}

// read takes all events until the end of r. What is no event is printed as it is.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
				s.say("%s", strings.TrimSuffix(line, "\n"))
			} else {
				s.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events: %w", err)
		}
	}
}

func (s *summary) take(e event) {
	switch e.Action {
	case "build-output":
		b := s.builds[e.ImportPath]
		if b == nil {
			b = &strings.Builder{}
			s.builds[e.ImportPath] = b
		}
		b.WriteString(e.Output)
		return
	case "build-fail":
		s.broken++
		s.fails = append(s.fails, e.ImportPath+" (does not build)")
		s.say("FAIL  %s does not build", e.ImportPath)
		if b := s.builds[e.ImportPath]; b != nil {
			s.quote(b.String())
		}
		return
	}
	p := s.packages[e.Package]
	if p == nil {
		p = &pkg{tests: map[string]*test{}}
		s.packages[e.Package] = p
	}
	switch {
	case e.Action == "output":
		p.test(e.Test).output.WriteString(e.Output)
	case e.Test != "":
		s.takeTest(p, e)
	case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
		s.takePackage(p, e)
		delete(s.packages, e.Package) // the next run of it, with -fuzz, is another
	}
}

// takeTest takes an event of one test.
func (s *summary) takeTest(p *pkg, e event) {
	t := p.test(e.Test)
	switch e.Action {
	case "pass":
		p.passed++
		if fuzz := lastLine(t.output.String(), "fuzz: "); fuzz != "" {
			s.say("fuzz  %s %s: %s", e.Package, e.Test, fuzz)
		}
	case "skip":
		p.skipped++
		s.skips = append(s.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(t.output.String())))
	case "fail":
		p.failed++
		s.fails = append(s.fails, e.Package+" "+e.Test)
		s.say("FAIL  %s %s (%s)", e.Package, e.Test, seconds(e.Elapsed))
		s.quote(t.output.String())
	default:
		return // run, pause, cont, bench
	}
	delete(p.tests, e.Test)
}

// takePackage takes the end of a package's run.
func (s *summary) takePackage(p *pkg, e event) {
	whole := p.test("").output.String()
	delete(p.tests, "")
	switch {
	case e.Action == "fail":
		// A test that never ended: of a panic, os.Exit, a time limit, a killed process.
		for _, name := range slices.Sorted(maps.Keys(p.tests)) {
			t := p.tests[name]
			p.failed++
			s.fails = append(s.fails, e.Package+" "+name+" (did not end)")
			s.say("FAIL  %s %s did not end", e.Package, name)
			s.quote(t.output.String())
		}
		if p.failed == 0 && e.FailedBuild == "" { // TestMain, a leak found at the end
			s.broken++
			s.fails = append(s.fails, e.Package)
		}
		s.say("FAIL  %s (%s)", e.Package, seconds(e.Elapsed))
		s.quote(whole)
	case p.total() > 0:
		s.say("ok    %s (%s, tests: %d)", e.Package, seconds(e.Elapsed), p.total())
	default:
		s.say("      %s (no tests)", e.Package)
	}
	s.add(p.counts)
}

// finish prints what failed, what was skipped and the counts, and says whether
// all is well. strict is whether a skipped test is a failure.
func (s *summary) finish(strict bool) bool {
	// What the end of the input cut off.
	for _, path := range slices.Sorted(maps.Keys(s.packages)) {
		s.add(s.packages[path].counts)
		s.broken++
		s.fails = append(s.fails, path+" (did not end)")
	}
	if len(s.fails) > 0 {
		s.say("\nFailed:")
		s.quote(strings.Join(s.fails, "\n"))
	}
	if s.skipped > 0 {
		s.say("\nSkipped:")
		s.quote(strings.Join(s.skips, "\n"))
	}
	ok := len(s.fails) == 0
	if strict && s.skipped > 0 {
		ok = false
		s.say("A skipped test fails this run, since CI=true.")
	}
	if s.total() == 0 {
		ok = false
		s.say("No test ran.")
	}
	s.say("\n%d passed, %d failed, %d skipped", s.passed, s.failed+s.broken, s.skipped)
	return ok
}

func (s *summary) say(format string, args ...any) {
	fmt.Fprintf(s.out, format+"\n", args...)
}

// quote prints text indented.
func (s *summary) quote(text string) {
	for line := range strings.Lines(text) {
		s.say("      %s", strings.TrimSuffix(line, "\n"))
	}
}

// reason returns why a test was skipped, from its output: the last line that is
// the test's own.
func reason(output string) string {
	var last string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			last = line
		}
	}
	return last
}

// lastLine returns the last line with a prefix, without it, or "".
func lastLine(output, prefix string) string {
	var last string
	for line := range strings.Lines(output) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			last = strings.TrimSpace(rest)
		}
	}
	return last
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Millisecond).String()
}
