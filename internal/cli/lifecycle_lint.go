package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/lifecycle"
	"github.com/regsweep/regsweep/internal/render"
)

func newLifecycleLint(w *World, f *flags) *cobra.Command {
	var images bool
	cmd := &cobra.Command{
		Use:   "lint FILE",
		Short: "Check a lifecycle policy document",
		Long: `Check a lifecycle policy document (- for stdin): every mistake for which ECR would
refuse it, with its place, and warnings of what is legal and seldom meant. Without
--images no call is made, and no configuration is read. With --images the policy is
also tried on the images of the registries: of those in use that would expire, and
of counts that depend on what ECR does not document, there are warnings too.

Exit codes: 0 no mistakes; 1 failed; 2 mistakes, or wrong usage or configuration.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&images, "images", false, "warn of images in the registries too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := w.readPolicy(args[0])
		if err != nil {
			return err
		}
		policy, mistakes := lifecycle.Parse(text)
		doc := newLintDocument(mistakes)
		if policy != nil {
			doc.warn(lifecycle.Lint(policy)...)
			if images {
				if err := f.lintImages(cmd, w, string(text), doc); err != nil {
					return err
				}
			}
		}
		if err := doc.show(w, f.output, args[0]); err != nil {
			return err
		}
		if len(mistakes) > 0 {
			return &exitError{code: exitUsage}
		}
		return nil
	}
	f.addOutput(cmd, "table", "json")
	return cmd
}

// lintDocument is the result of lint.
type lintDocument struct {
	Schema   string     `json:"schema"`
	Mistakes []lintLine `json:"mistakes"`
	Warnings []lintLine `json:"warnings"`
}

type lintLine struct {
	Path   string `json:"path,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Detail string `json:"detail"`
}

func newLintDocument(mistakes []lifecycle.Mistake) *lintDocument {
	doc := &lintDocument{Schema: "regsweep.lifecycle-lint/v1", Mistakes: []lintLine{}, Warnings: []lintLine{}}
	for _, m := range mistakes {
		doc.Mistakes = append(doc.Mistakes, lintLine(m))
	}
	return doc
}

func (d *lintDocument) warn(warnings ...lifecycle.Mistake) {
	for _, m := range warnings {
		d.Warnings = append(d.Warnings, lintLine(m))
	}
}

// lintImages warns of what the policy would do with images that are there.
func (f *flags) lintImages(cmd *cobra.Command, w *World, text string, doc *lintDocument) error {
	r, err := f.start(cmd.Context(), w)
	if err != nil {
		return err
	}
	defer r.close()
	report, _, err := r.preview(cmd.Context(), app.Previewing{Open: r.lifecycle, Text: text})
	if err != nil {
		return err
	}
	for i := range report.Repositories {
		repo := &report.Repositories[i]
		warn := func(format string, args ...any) {
			doc.Warnings = append(doc.Warnings, lintLine{Detail: repo.Name + ": " + fmt.Sprintf(format, args...)})
		}
		if repo.Error != "" {
			warn("not evaluated: %s", repo.Error)
		}
		for k := range repo.Images {
			if img := &repo.Images[k]; img.Goes() && img.Use != "" {
				warn("%s would go by rule %d, and is in use (%s) by %s", render.LifecycleName(img), img.Rule, img.Use, strings.Join(img.Holders, ", "))
			}
		}
		if n := repo.Totals.Uncertain; n > 0 {
			warn("whether %s would go depends on what ECR does not document: whether platform images and attached artifacts count", render.Count(n, "image"))
		}
		for _, gap := range repo.Gaps {
			warn("what is in use is not known completely: %s", gap)
		}
	}
	return nil
}

func (d *lintDocument) show(w *World, format, path string) error {
	if format == "json" {
		return render.JSON(w.Stdout, d)
	}
	var b strings.Builder
	line := func(kind string, l lintLine) {
		at := path
		if l.Line > 0 {
			at = fmt.Sprintf("%s:%d:%d", path, l.Line, l.Column)
		}
		if l.Path != "" {
			kind += l.Path + ": "
		}
		fmt.Fprintf(&b, "%s: %s%s\n", at, kind, l.Detail)
	}
	for _, m := range d.Mistakes {
		line("", m)
	}
	for _, m := range d.Warnings {
		line("warning: ", m)
	}
	if len(d.Mistakes)+len(d.Warnings) == 0 {
		fmt.Fprintf(&b, "%s: nothing to say\n", path)
	}
	_, err := fmt.Fprint(w.Stdout, b.String())
	return err
}
