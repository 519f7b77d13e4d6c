// Package cli is the command line: flags, terminal and exit codes. What is done
// is in package app.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/kinds"
	"github.com/regsweep/regsweep/internal/usage"
)

// World is what a command sees of the world around it.
type World struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	LookupEnv      func(name string) (string, bool)
	Now            func() time.Time
	// Terminal reports which of the streams are terminals.
	StdinTerminal, StdoutTerminal, StderrTerminal bool
	// Kinds are the kinds of sources and registries that configurations name.
	Kinds config.Kinds
	// Signals makes the commands end in good order on SIGINT and SIGTERM, and
	// when nobody reads stdout any more.
	Signals bool
	// AWS is how AWS is reached, but for the clock and the version. The zero
	// value is the SDK's default chain; tests call an account in this process.
	AWS awsapi.Options
}

// OS returns the real world.
func OS() World {
	is := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	return World{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv, Now: time.Now, Kinds: kinds.All(), Signals: true,
		StdinTerminal: is(os.Stdin), StdoutTerminal: is(os.Stdout), StderrTerminal: is(os.Stderr),
	}
}

// Exit codes; the README documents them.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitPartial = 3
	exitHeld    = 4
	exitChanges = 10
)

// exitError ends a command with a code; err may be nil where everything is said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// Main runs the command line and returns the exit code.
func Main(w World) int {
	ctx := context.Background()
	var out *pipe
	if w.Signals {
		var stop context.CancelFunc
		ctx, stop = signals(ctx)
		defer stop()
		ctx, out = piped(ctx, w.Stdout)
		defer out.end()
		w.Stdout = out
	}
	root := newRoot(&w)
	root.SetArgs(w.arguments())
	root.SetIn(w.Stdin)
	root.SetOut(w.Stdout)
	root.SetErr(w.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code, text := classify(err)
	if text != "" && !out.brokenBy(err) {
		fmt.Fprintln(w.Stderr, text)
	}
	return code
}

// classify returns the exit code of an error and what to print.
func classify(err error) (code int, text string) {
	text = "regsweep: " + err.Error()
	var mistakes config.Errors
	var mismatch *app.MismatchError
	var unknown *usage.UnknownSourceError
	var name *app.NameError
	var malformed *app.MalformedError
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		if exit.err == nil {
			return exit.code, ""
		}
		return exit.code, text
	case errors.As(err, &mistakes):
		return exitUsage, err.Error()
	case errors.As(err, &mismatch), errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &malformed), errors.Is(err, app.ErrNoUsage):
		return exitUsage, text
	case errors.Is(err, context.Canceled):
		return exitFailed, "regsweep: interrupted"
	}
	return exitFailed, text
}

// flags are the flags that all commands share.
type flags struct {
	config       string
	registry     string
	repositories []string
	shard        string
	now          string
	output       string
	ignoreGaps   []string
	journal      string
	logFormat    string
	verbose      bool
	// logInfo logs what a command does, also without verbose.
	logInfo bool
}

func newRoot(w *World) *cobra.Command {
	f := &flags{}
	root := &cobra.Command{
		Use:   "regsweep",
		Short: "Delete the container images that nobody needs, and never one that somebody does",
		Long: `regsweep finds which container images are in use, keeps what your rules name,
explains every decision, and deletes the rest. No command deletes images but apply,
and controller and lambda with "mode: apply" in the configuration only.

Try it without an account:  regsweep demo`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return noEmptyFlags(cmd) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%w (see %s --help)", err, cmd.CommandPath())
	})
	p := root.PersistentFlags()
	p.StringVar(&f.config, "config", "", "configuration file (default $REGSWEEP_CONFIG, else regsweep.yaml)")
	p.StringVar(&f.registry, "registry", "", "only the registry of this `name`")
	p.StringArrayVar(&f.repositories, "repository", nil, "only repositories that match this `glob`; may be repeated")
	p.StringVar(&f.shard, "shard", "", "only part `i/n` of the repositories, by a stable hash of their names")
	p.StringVar(&f.now, "now", "", "judge as of this `time` (RFC 3339)")
	p.StringArrayVar(&f.ignoreGaps, "ignore-gap", nil, "go on although this usage `source` is a gap; recorded in the plan")
	p.StringVar(&f.logFormat, "log-format", "text", "format of the log on stderr: text or json")
	p.BoolVarP(&f.verbose, "verbose", "v", false, "log what was read of each source and registry, how long it took, and the calls")
	root.AddCommand(
		newDemo(w, f), newInit(w, f), newUsage(w, f), newPlan(w, f), newApply(w, f), newController(w, f), newLambda(w, f),
		newExplain(w, f), newTag(w, f), newLifecycle(w, f), newHistory(w, f), newRestore(w, f), newPermissions(w, f), newSchema(w), newVersion(w),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	strictArgs(root)
	return root
}

// addOutput adds the -o flag with the formats of a command, the first by default.
func (f *flags) addOutput(cmd *cobra.Command, formats ...string) {
	cmd.Flags().StringVarP(&f.output, "output", "o", formats[0], fmt.Sprintf("output format: %v", formats))
	check := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, known := range formats {
			if f.output == known {
				return check(cmd, args)
			}
		}
		return usageError("-o %s: unknown format; write one of %v", f.output, formats)
	}
}

// logger returns the log of the run.
func (f *flags) logger(w *World) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{Level: slog.LevelWarn}
	if f.logInfo {
		opts.Level = slog.LevelInfo
	}
	if f.verbose {
		opts.Level = slog.LevelDebug
	}
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w.Stderr, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w.Stderr, opts)), nil
	}
	return nil, usageError("--log-format %s: write text or json", f.logFormat)
}

// version is set by the linker; without it the build information tells.
var version string

// Version returns the version of this build.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
