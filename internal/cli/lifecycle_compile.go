package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/lifecycle"
	"github.com/regsweep/regsweep/internal/render"
)

func newLifecycleCompile(w *World, f *flags) *cobra.Command {
	var out string
	var plain bool
	cmd := &cobra.Command{
		Use:   "compile",
		Short: "Write the nearest lifecycle policy to the configuration's rules",
		Long: `Write the nearest lifecycle policy to the rules of the configuration, for each
repository, and say line by line what it does not express. A policy never expires
an image that the rules keep: a rule for which that cannot be said, whatever the
repository will hold, is left out. Nothing is changed.

A policy knows no uses. Its first rules keep what regsweep tag marks, so that must
run wherever images are used.

With --plain you say that these repositories hold plain images only, now and later:
no indexes, nothing attached (signatures, SBOMs), no two images pushed at one
moment, and none restored from the archive. Then counts and untagged images are expressed too.

Exit codes: 0 done; 1 failed, or the images of a repository cannot be read; 2 wrong
usage or configuration.`,
	}
	cmd.Flags().StringVar(&out, "out", "", "save the policy to this `file` or s3://bucket/key; there must be one for all repositories")
	cmd.Flags().BoolVar(&plain, "plain", false, "the repositories hold plain images only")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := f.start(cmd.Context(), w)
		if err != nil {
			return err
		}
		defer r.close()
		target, err := r.target(out)
		if err != nil {
			return err
		}
		policies, unread, err := r.compile(cmd.Context(), plain)
		if err != nil {
			return err
		}
		if target != nil {
			text, err := onlyPolicy(policies)
			switch {
			case unread != nil:
				return unread
			case err != nil:
				return err
			}
			if err := target.Write(cmd.Context(), func(w io.Writer) error {
				_, err := io.WriteString(w, text+"\n")
				return err
			}); err != nil {
				return unsaved("policy", err)
			}
		}
		doc := compileDocument{Schema: "regsweep.lifecycle-compile/v1", Policies: policies}
		if len(policies) == 0 {
			doc.Warnings = []string{"no repository matches"}
		}
		if f.output == "json" {
			err = render.JSON(w.Stdout, doc)
		} else {
			err = showCompiled(w.Stdout, doc)
		}
		if err != nil {
			return err
		}
		return unread
	}
	f.addOutput(cmd, "table", "json")
	return cmd
}

type compileDocument struct {
	Schema   string           `json:"schema"`
	Policies []compiledPolicy `json:"policies"`
	Warnings []string         `json:"warnings,omitempty"`
}

// compiledPolicy is one policy, and the repositories that it is for.
type compiledPolicy struct {
	Repositories []string         `json:"repositories"`
	Policy       json.RawMessage  `json:"policy"`
	Withheld     string           `json:"withheld,omitempty"`
	Notes        []lifecycle.Note `json:"notes"`
	text         string
}

// compile compiles the rules for each repository, and puts those together that
// have the same. unread says that images of a repository could not be read.
func (r *run) compile(ctx context.Context, plain bool) (policies []compiledPolicy, unread, err error) {
	all, err := r.compiled(ctx, plain)
	if err != nil {
		return nil, nil, err
	}
	list := []compiledPolicy{}
	at := map[string]int{}
	for _, c := range all {
		if c.Unread != nil && unread == nil {
			unread = fmt.Errorf("repository %s: %w", c.Name, c.Unread)
		}
		p := compiledPolicy{Policy: json.RawMessage("null"), Withheld: c.Withheld, Notes: c.Notes}
		if c.Policy != nil {
			if p.text, err = c.Policy.Text(); err != nil {
				return nil, nil, fmt.Errorf("write the policy of %s: %w", c.Name, err)
			}
			p.Policy = json.RawMessage(p.text)
		}
		key := fmt.Sprintf("%s\x00%s\x00%v", p.text, p.Withheld, p.Notes)
		if _, ok := at[key]; !ok {
			at[key] = len(list)
			list = append(list, p)
		}
		same := &list[at[key]]
		same.Repositories = append(same.Repositories, c.Registry+"/"+c.Name)
	}
	return list, unread, nil
}

func (r *run) compiled(ctx context.Context, plain bool) ([]app.CompiledRepository, error) {
	stop := r.progress()
	defer stop()
	return r.CompileLifecycle(ctx, r.config.Policy, lifecycle.CompileOptions{Plain: plain}, r.lifecycle)
}

// compiledTexts returns the compiled policies by registry and repository; "" where
// there is none, and what could not be read. It says on stderr what is withheld.
func (r *run) compiledTexts(ctx context.Context, plain bool) (texts map[[2]string]string, unread map[[2]string]error, err error) {
	all, err := r.compiled(ctx, plain)
	if err != nil {
		return nil, nil, err
	}
	texts, unread = map[[2]string]string{}, map[[2]string]error{}
	for _, c := range all {
		switch {
		case c.Unread != nil:
			unread[[2]string{c.Registry, c.Name}] = c.Unread
		case c.Withheld != "":
			fmt.Fprintf(r.world.Stderr, "regsweep: %s/%s has no compiled policy: %s\n", c.Registry, c.Name, c.Withheld)
		}
		if c.Policy == nil {
			continue
		}
		text, err := c.Policy.Text()
		if err != nil {
			return nil, nil, fmt.Errorf("write the policy of %s: %w", c.Name, err)
		}
		texts[[2]string{c.Registry, c.Name}] = text
	}
	return texts, unread, nil
}

// onlyPolicy returns the policy that all repositories have.
func onlyPolicy(policies []compiledPolicy) (string, error) {
	text := ""
	for _, p := range policies {
		switch {
		case p.text == "":
			return "", usageError("--out: there is no policy for %s; --repository leaves it out", strings.Join(p.Repositories, ", "))
		case text != "" && text != p.text:
			return "", usageError("--out: repositories have different policies; --repository narrows them down (or lifecycle put --compiled gives each its own)")
		}
		text = p.text
	}
	if text == "" {
		return "", usageError("--out: no repository matches")
	}
	return text, nil
}

func showCompiled(w io.Writer, doc compileDocument) error {
	var b strings.Builder
	for _, warning := range doc.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	for _, p := range doc.Policies {
		fmt.Fprintf(&b, "%s\n", strings.Join(p.Repositories, "\n"))
		for _, n := range p.Notes {
			mark := "-"
			if n.Expressed {
				mark = "+"
			}
			fmt.Fprintf(&b, "  %s %s\n", mark, n)
		}
		switch {
		case p.Withheld != "":
			fmt.Fprintf(&b, "  no policy: %s\n\n", p.Withheld)
		case p.text == "":
			fmt.Fprint(&b, "  no policy: it would do nothing\n\n")
		default:
			fmt.Fprintf(&b, "%s\n\n", p.text)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
