package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// strictArgs makes every wrong argument of a command and of those below it one of
// usage, also of the commands that cobra adds.
func strictArgs(cmd *cobra.Command) {
	switch {
	case cmd.Name() == "help":
		cmd.Args, cmd.Run, cmd.RunE = cobra.ArbitraryArgs, nil, help
	case cmd.HasSubCommands():
		group(cmd)
	default:
		cmd.Args = usageArgs(cmd.Args)
	}
	for _, c := range cmd.Commands() {
		strictArgs(c)
	}
}

// group makes a command the name of others, which shows them.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2 // letters that are wrong; cobra's own check has the same
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
}

// unknownCommand says what was perhaps meant, or where the commands are.
func unknownCommand(cmd *cobra.Command, name string) error {
	hint := "see " + cmd.CommandPath() + " --help"
	if similar := cmd.SuggestionsFor(name); len(similar) > 0 {
		hint = "did you mean " + similar[0] + "?"
	}
	return usageError("unknown command %q (%s)", cmd.CommandPath()+" "+name, hint)
}

// help shows the help of the command that the arguments name.
func help(cmd *cobra.Command, args []string) error {
	about, rest, err := cmd.Root().Find(args)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if len(rest) > 0 {
		return unknownCommand(about, rest[0])
	}
	about.InitDefaultHelpFlag()
	return about.Help()
}

// usageArgs makes wrong arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) (err error) {
		if check != nil {
			err = check(cmd, args)
		}
		if check == nil && len(args) > 0 {
			err = fmt.Errorf("unexpected argument %q", args[0])
		}
		for _, arg := range args {
			if err == nil && arg == "" {
				err = errors.New("an argument is empty: is a variable not set?")
			}
		}
		if err != nil {
			return usageError("%w (see %s --help)", err, cmd.CommandPath())
		}
		return nil
	}
}

// without refuses flags that all commands have and that would change nothing of
// this one, and leaves them out of its help.
func without(cmd *cobra.Command, names ...string) {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range names {
			if cmd.Flags().Changed(name) {
				return usageError("--%s changes nothing of %s: leave it out", name, cmd.CommandPath())
			}
		}
		return run(cmd, args)
	}
	cmd.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		for _, name := range names {
			cmd.InheritedFlags().Lookup(name).Hidden = true
		}
		cmd.Parent().HelpFunc()(cmd, args)
	})
}

// noEmptyFlags refuses flags whose value is empty. It is that of a variable that
// is not set, and to take the flag for absent would widen what a run does: to all
// registries, to all parts, without a Lease.
func noEmptyFlags(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if err == nil && flag.Value.Type() == "string" && flag.Value.String() == "" {
			err = usageError("--%s is empty: write a value, or leave the flag out (see %s --help)", flag.Name, cmd.CommandPath())
		}
	})
	return err
}
