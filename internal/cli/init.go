package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/render"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/kubernetes"
)

// lookFor bounds how long init looks at one source.
const lookFor = 20 * time.Second

func newInit(w *World, f *flags) *cobra.Command {
	var stdout, force bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Look at the account and clusters in reach and write a commented configuration",
		Long: `Look at the AWS account and the Kubernetes clusters in reach and write a commented
configuration that deletes nothing which is in use or young. Nothing is changed
but the file that it writes, which it never overwrites unless told to.`,
	}
	cmd.Flags().BoolVar(&stdout, "stdout", false, "print the configuration instead of writing the file")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		path := f.configPath(w)
		if _, err := os.Lstat(path); !stdout && !force && !errors.Is(err, fs.ErrNotExist) {
			return usageError("%s exists: --force overwrites it, --config names another file, --stdout prints", path)
		}
		text, err := survey(cmd.Context(), w)
		if err != nil {
			return err
		}
		if _, err := config.Parse(path, []byte(text), w.LookupEnv, w.Kinds); err != nil {
			return fmt.Errorf("the configuration that init made is wrong, which is a mistake in regsweep: %w", err)
		}
		if stdout {
			_, err := fmt.Fprint(w.Stdout, text)
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
		fmt.Fprintf(w.Stdout, "Wrote %s. Next: look at it, then regsweep plan.\n", path)
		return nil
	}
	return cmd
}

// survey looks at what is in reach and returns a configuration for it.
func survey(ctx context.Context, w *World) (string, error) {
	session := awsapi.NewSession(awsapi.Options{Now: w.Now, Version: Version()})
	env := usage.Env{AWS: session, Getenv: w.getenv, Now: w.Now, Dir: "."}
	account, arn, region, err := session.Identity(ctx, awsapi.Target{})
	if err != nil {
		return "", fmt.Errorf("look at the AWS account: %w (without an account, try regsweep demo)", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by regsweep init as %s.\n# Every field: https://github.com/regsweep/regsweep/blob/main/docs/configuration.md\n# What is used from other accounts, regions or clusters than are named here is not seen.\nversion: 1\n\n", arn)
	b.WriteString(surveyRegistry(ctx, w, session, account, region))
	b.WriteString("\nusage:   # everything that can hold an image; a source that fails holds all deletions back\n")
	for _, kind := range w.Kinds.Sources {
		switch kind.Name {
		case "snapshot", "command": // need to be told what to read
			continue
		}
		b.WriteString(surveySource(ctx, kind, env, region))
	}
	b.WriteString(suggestedRules)
	return b.String(), nil
}

func surveyRegistry(ctx context.Context, w *World, session *awsapi.Session, account, region string) string {
	text := fmt.Sprintf("registries:\n  - name: main\n    ecr: {region: %s, account: %q}", region, account)
	open := func() (int, error) {
		cfg, err := config.Parse("init", []byte("version: 1\n"+text+"\nusage: none\n"), w.LookupEnv, w.Kinds)
		if err != nil {
			return 0, err
		}
		reader, err := cfg.Registries[0].Config.OpenReader(ctx, "main", config.RegistryEnv{AWS: session, Now: w.Now})
		if err != nil {
			return 0, err
		}
		list, err := reader.Repositories(ctx, func(string) bool { return true }, false)
		return len(list), err
	}
	n, err := open()
	if err != nil {
		return text + "   # could not be read: " + comment(err.Error()) + "\n"
	}
	return text + "   # " + render.Count(n, "repository") + "\n"
}

// surveySource returns the entry of one kind of source, with what it found. A
// source that cannot be read is written too: leaving it out would say that
// nothing is in use there. So is every cluster of the kubeconfig.
func surveySource(ctx context.Context, kind config.SourceKind, env usage.Env, region string) string {
	// What is found here is pinned, so that another environment cannot hide it.
	cfg, settings := kind.New(), fmt.Sprintf("{regions: [%s]}", region)
	if kind.Name == "kubernetes" {
		settings = "{}"
		contexts, err := kubernetes.Contexts(env.Getenv)
		if err != nil {
			return fmt.Sprintf("  - kubernetes: {}   # cannot be read: %s\n", comment(err.Error()))
		}
		if len(contexts) > 0 {
			cfg, settings = kubernetes.Config{Contexts: contexts}, fmt.Sprintf("{contexts: [%s]}", quoted(contexts))
		}
	}
	sources, err := cfg.Open(kind.Name, env)
	if err != nil && kind.Name == "kubernetes" && settings == "{}" {
		return fmt.Sprintf("  # - kubernetes: {}   # no cluster in reach: %s\n", comment(err.Error()))
	}
	if err != nil {
		return fmt.Sprintf("  - %s: %s   # cannot be read: %s\n", kind.Name, settings, comment(err.Error()))
	}
	found, errs := collect(ctx, sources)
	const unread = "cannot be read now, and holds all deletions until it can or is removed"
	if len(sources) == 1 && errs[0] != nil {
		return fmt.Sprintf("  - %s: %s   # %s: %s\n", kind.Name, settings, unread, comment(errs[0].Error()))
	}
	text := fmt.Sprintf("  - %s: %s   # %s now\n", kind.Name, settings, render.Count(found, "use"))
	for i, err := range errs {
		if err != nil {
			text += fmt.Sprintf("    # %s %s: %s\n", sources[i].Name(), unread, comment(err.Error()))
		}
	}
	return text
}

// collect reads sources at the same time, and returns how many uses they see, and
// the error of each or nil.
func collect(ctx context.Context, sources []usage.Source) (found int, errs []error) {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	counts, errs := make([]int, len(sources)), make([]error, len(sources))
	var all sync.WaitGroup
	for i, source := range sources {
		all.Go(func() {
			findings, err := source.Collect(ctx)
			counts[i], errs[i] = len(findings.Observations), err
		})
	}
	all.Wait()
	for _, n := range counts {
		found += n
	}
	return found, errs
}

// quoted writes texts as the entries of a list in YAML.
func quoted(texts []string) string {
	var all []string
	for _, text := range texts {
		all = append(all, strconv.Quote(text))
	}
	return strings.Join(all, ", ")
}

// comment makes text fit into a comment.
func comment(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 160 {
		s = string(r[:160]) + "…"
	}
	return s
}

const suggestedRules = `
protect:   # these win over every rule
  - tags: [latest, "release*", "prod*"]

rules:     # the first rule that matches an image governs it; what no rule matches is kept
  - name: previews
    tags: ["pr-*", "preview-*"]         # every tag of the image must match
    keep:
      - newest: 3
      - youngerThan: 14d
  - name: untagged
    untagged: true
    keep:
      - youngerThan: 7d
  - name: the rest
    keep:                               # any entry keeps
      - newest: 10
      - youngerThan: 90d
  - name: orphans                       # signatures and SBOMs of images that are gone
    orphans: true
    keep:
      - youngerThan: 7d

limits:
  maxDeletes: 1000                      # a run that would delete more deletes nothing
  maxShare: 80%                         # nor does a repository that would lose more

# grace: 7d                             # a tag marks images for a week before they are deleted
`
