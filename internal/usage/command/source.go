// Package command is the usage source for everything that regsweep does not
// know itself: it runs a program that prints what is in use.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
)

// DefaultTimeout is how long a command may run where the configuration does
// not say.
const DefaultTimeout = 30 * time.Second

// maxOutput is how many bytes a command may print. More than this is no list of
// what is in use but a command that went wrong.
const maxOutput = 64 << 20

// Config is the configuration of the source "command".
type Config struct {
	// Run is the program and its arguments. No shell is involved. A relative
	// path starts from the folder of the configuration, which is also where the
	// program runs; a bare name is looked up in PATH. The program inherits the
	// environment.
	Run []string `yaml:"run"`
	// Timeout is how long it may run; zero means DefaultTimeout.
	Timeout time.Duration `yaml:"timeout"`
}

var _ usage.Config = Config{}

// Open returns the source. It starts nothing.
func (c Config) Open(name string, env usage.Env) ([]usage.Source, error) {
	switch {
	case len(c.Run) == 0 || c.Run[0] == "":
		return nil, errors.New("run: the program is missing")
	case c.Timeout < 0:
		return nil, fmt.Errorf("timeout: %s is less than zero", c.Timeout)
	}
	s := &source{name: name, run: c.Run, dir: env.Dir, timeout: c.Timeout, maxOutput: maxOutput}
	if s.timeout == 0 {
		s.timeout = DefaultTimeout
	}
	return []usage.Source{s}, nil
}

type source struct {
	name      string
	run       []string
	dir       string
	timeout   time.Duration
	maxOutput int
}

// Name implements usage.Source.
func (s *source) Name() string { return s.name }

// Collect runs the command. Its output is a usage snapshot in JSON, or one
// reference a line; empty lines and what follows a "#" do not count. A command
// that fails, takes too long or prints too much is an *Error, beside the
// references of the whole lines, or of the whole snapshot, that it printed.
func (s *source) Collect(ctx context.Context) (usage.Findings, error) {
	output, err := s.output(ctx)
	output = bytes.TrimPrefix(output, []byte("\ufeff"))
	if !usage.IsJSON(output) {
		findings, lineErr := s.lines(output, err == nil)
		return findings, errors.Join(err, lineErr)
	}
	snapshot, readErr := usage.Decode(bytes.NewReader(output))
	if readErr != nil {
		if err == nil {
			err = &Error{Program: s.run[0], Err: fmt.Errorf("read its output: %w", readErr)}
		}
		return usage.Findings{}, err
	}
	findings, gaps := snapshot.Findings()
	if gaps != nil {
		// "regsweep usage" itself ends with a status for that; the gaps say why.
		err = errors.Join(err, &Error{Program: s.run[0], Err: gaps})
	}
	return findings, err
}

// lines reads a list of references. The holder is the program, and not the
// number of the line, which changes from run to run. complete says whether the
// last line may lack its end. A line that is no reference is an error: the
// command prints something else than this source reads, so that what it meant
// would be missed.
func (s *source) lines(output []byte, complete bool) (f usage.Findings, err error) {
	number := 0
	holder := filepath.Base(s.run[0])
	for line := range strings.Lines(string(output)) {
		if !complete && !strings.HasSuffix(line, "\n") {
			break
		}
		number++
		if reference := strings.TrimSpace(cutComment(line)); reference != "" {
			if _, parseErr := image.ParseReference(reference); parseErr != nil && err == nil {
				err = &Error{Program: s.run[0], Err: fmt.Errorf("line %d of its output: %w", number, parseErr)}
			}
			f.Observations = append(f.Observations, usage.Observation{Holder: holder, State: image.Declared, Asked: reference})
		}
	}
	return f, err
}

// cutComment removes a comment, which starts with a "#" at the beginning of the
// line or after white space.
func cutComment(line string) string {
	for i := 0; i < len(line); i++ {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}
