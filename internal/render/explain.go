package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// Explain writes everything that is known of images for people.
func Explain(w io.Writer, list []plan.Explanation, opts Options) error {
	p := &page{opts: opts}
	for i := range list {
		if i > 0 {
			p.line("")
		}
		p.explanation(&list[i])
	}
	_, err := io.WriteString(w, p.b.String())
	return err
}

func (p *page) explanation(x *plan.Explanation) {
	img := &x.Image
	uri := x.Host + "/" + x.Repository
	if len(img.Tags) > 0 {
		uri += ":" + clean(img.Tags[0])
	}
	p.line("%s", p.style(uri, bold))
	p.line("  verdict  %s", p.style(strings.ToUpper(img.Verdict.String()), verdictStyles[img.Verdict].Bold(true)))
	for _, r := range img.Reasons {
		at := ""
		if r.Path != "" {
			at = p.style("  ("+r.Path+")", faint)
		}
		p.line("           %s: %s%s", r.Code, clean(r.Detail), at)
	}
	if img.Verdict == policy.VerdictDelete || img.Verdict == policy.VerdictArchive {
		// Only a plan knows how many images a run takes.
		p.line("           %s", p.style(fmt.Sprintf("limits.maxDeletes (%d) counts the images of a whole run: a plan that takes more holds this one too", p.opts.MaxDeletes), faint))
	}
	p.line("  digest   %s", img.Digest)
	p.line("  tags     %s", name(img))
	p.line("  pushed   %s", policy.FormatDate(img.PushedAt))
	p.line("  pulled   %s", policy.FormatDate(img.PulledAt))
	p.line("  size     %s", Bytes(img.Size))
	p.line("  storage  %s", storage(x))
	if img.CondemnedAt.Known() {
		p.line("  marked   %s%s", policy.FormatDate(img.CondemnedAt), markText(img))
	}
	if img.Rule != "" {
		p.line("  rule     %s", clean(img.Rule))
	}
	for _, k := range x.Keeps {
		mark := p.style("does not hold", faint)
		if k.Holds {
			mark = p.style("holds", green)
		}
		p.line("           %s %s: %s", k.Path, mark, clean(k.Detail))
	}
	for _, g := range x.Gaps {
		p.line("  gap      %s", p.style(clean(g), amber))
	}
	p.family(x)
}

// storage names the storage class of an image by its state, and says what that
// means for what uses it.
func storage(x *plan.Explanation) string {
	users := ""
	if slices.ContainsFunc(x.Family, func(m plan.Member) bool { return m.Digest == x.Image.Digest && len(m.Uses) > 0 }) {
		users = ": what uses it cannot pull it"
	}
	switch x.Status {
	case image.Active.String():
		return "standard"
	case image.Archived.String():
		return "archive" + users + " (regsweep restore brings it back)"
	}
	if users != "" {
		users += " yet"
	}
	return "archive, and on its way back" + users
}

// family shows the root with what it lists and what is attached to it, and who
// uses which member.
func (p *page) family(x *plan.Explanation) {
	p.line("  family   %s", Count(len(x.Family), "image"))
	for i := range x.Family {
		m := &x.Family[i]
		indent := "           "
		if i > 0 {
			indent += "└ "
		}
		what := m.Kind
		if m.Platform != "" {
			what += " " + clean(m.Platform)
		}
		line := fmt.Sprintf("%s%s  %s  %s  %s", indent, m.Digest.String()[:19], what, name(&m.Image), Bytes(m.Size))
		if m.Digest == x.Image.Digest {
			line = p.style(line, bold)
		}
		p.line("%s", line)
		for _, u := range m.Uses {
			p.line("%s    %s by %s (%s)", strings.Repeat(" ", 11), p.style(string(u.State), green), clean(u.Holder), clean(u.Reference))
		}
	}
}
