package render

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/policy"
)

// Options are how a plan is shown.
type Options struct {
	// All lists every image of the plan; otherwise the first roots of each
	// repository are.
	All bool
	// Color uses terminal colours.
	Color bool
	// Currency of the savings.
	Currency string
	// Now is the time that ages are counted from.
	Now image.Time
	// MaxDeletes is limits.maxDeletes, of which Explain tells.
	MaxDeletes int
	// Keepless are the rules without a keep that the plan takes images by. They
	// stand at its end, where nobody overlooks them.
	Keepless []Keepless
}

// shownRoots is how many roots of a group a table shows without All: the newest,
// since those are what nobody wants to lose.
const shownRoots = 3

// shownRepositories is how many repositories of a registry are shown image by
// image without All.
const shownRepositories = 6

// page collects the text and styles it.
type page struct {
	b    strings.Builder
	opts Options
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(&p.b, format+"\n", args...)
}

// style colours text where the output has colours.
func (p *page) style(text string, s lipgloss.Style) string {
	if !p.opts.Color {
		return text
	}
	return s.Render(text)
}

var (
	bold  = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	red   = lipgloss.NewStyle().Foreground(lipgloss.Red)
	amber = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	green = lipgloss.NewStyle().Foreground(lipgloss.Green)
)

var verdictStyles = map[policy.Verdict]lipgloss.Style{
	policy.VerdictDelete: red, policy.VerdictArchive: amber, policy.VerdictHeld: amber, policy.VerdictKeep: green,
}

// table adds a table without lines: header, then rows; columns named in right
// are aligned to the right.
func (p *page) table(indent string, header []string, rows [][]string, right ...int) {
	t := table.New().Border(lipgloss.HiddenBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderColumn(false).BorderHeader(false).BorderRow(false).Wrap(false)
	if header != nil {
		t.Headers(header...)
	}
	t.Rows(rows...).StyleFunc(func(row, col int) lipgloss.Style {
		s := lipgloss.NewStyle().PaddingRight(2)
		for _, r := range right {
			if r == col {
				s = s.Align(lipgloss.Right)
			}
		}
		if row == table.HeaderRow && p.opts.Color {
			s = s.Faint(true)
		}
		return s
	})
	for _, line := range strings.Split(t.String(), "\n") {
		p.line("%s", strings.TrimRight(indent+line, " "))
	}
}

// Plan writes a plan for people.
func Plan(w io.Writer, doc *plan.Plan, opts Options) error {
	p := &page{opts: opts}
	p.sources(doc)
	for i := range doc.Registries {
		if err := p.registry(w, &doc.Registries[i]); err != nil {
			return err
		}
	}
	p.totals(doc)
	return p.flush(w)
}

// flush writes the text so far; that of one repository can be long.
func (p *page) flush(w io.Writer) error {
	_, err := io.WriteString(w, p.b.String())
	p.b.Reset()
	return err
}

func (p *page) sources(doc *plan.Plan) {
	if len(doc.Sources) == 0 {
		p.line("In use: nothing, as the configuration says (usage: none)")
		return
	}
	var rows [][]string
	for _, s := range doc.Sources {
		status := p.style(s.Status, green)
		if s.Status != "ok" {
			status = p.style("GAP", red)
		}
		rows = append(rows, []string{clean(s.Name), Count(s.Uses, "use"), status, clean(s.Detail)})
	}
	p.line("%s", p.style("In use", bold))
	p.table("  ", nil, rows, 1)
}

func (p *page) registry(w io.Writer, reg *plan.Registry) error {
	p.line("")
	p.line("%s  %s", p.style(clean(reg.Name), bold), p.style(clean(reg.Host), faint))
	var rows [][]string
	quiet := 0
	for _, r := range reg.Repositories {
		t := r.Totals
		if !p.opts.All && !t.Acts() && t.Held == 0 && r.Gap == "" {
			quiet++
			continue
		}
		frees := freed(t.BytesFreed, t.BytesFreedAtMost)
		if r.Gap != "" {
			frees = p.style("not read: "+clean(r.Gap), red)
		}
		rows = append(rows, []string{clean(r.Name), Number(t.Images), Number(t.Keep), Number(t.Delete), Number(t.Archive), Number(t.Held), frees})
	}
	if len(rows) > 0 {
		p.table("  ", []string{"REPOSITORY", "IMAGES", "KEEP", "DELETE", "ARCHIVE", "HELD", "FREES"}, rows, 1, 2, 3, 4, 5)
	}
	if quiet > 0 {
		p.line("  %s", p.style(fmt.Sprintf("%s with nothing to do", Count(quiet, "repository")), faint))
	}
	shown := 0
	for i := range reg.Repositories {
		r := &reg.Repositories[i]
		if !p.opts.All && !r.Totals.Acts() && r.Totals.Held == 0 {
			continue
		}
		if shown++; !p.opts.All && shown > shownRepositories {
			continue
		}
		if err := p.images(r); err != nil {
			return fmt.Errorf("repository %s: %w", r.Name, err)
		}
		if err := p.flush(w); err != nil {
			return err
		}
	}
	if rest := shown - shownRepositories; rest > 0 && !p.opts.All {
		p.line("")
		p.line("  %s", p.style(fmt.Sprintf("… and the images of %s more (--all lists all, --repository one)", Count(rest, "repository")), faint))
	}
	return nil
}

// group is roots of one repository with the same verdict for the same reasons.
type group struct {
	verdict policy.Verdict
	why     string
	// roots are all of them, and shown those that are shown, newest first.
	roots []image.Digest
	shown []plan.Image
	// since is when the first of them was condemned, and several says that they
	// were not all condemned in one minute.
	since   image.Time
	several bool
}

// add adds a root to a group, and shows it if it is among the newest most.
func (g *group) add(img *plan.Image, most int) {
	text := why(img)
	g.several = g.several || len(g.roots) > 0 && text != g.why
	if len(g.roots) == 0 || img.CondemnedAt < g.since {
		g.why, g.since = text, img.CondemnedAt
	}
	g.roots = append(g.roots, img.Digest)
	if g.shown = append(g.shown, *img); len(g.shown) > most {
		slices.SortFunc(g.shown, newestFirst)
		g.shown = g.shown[:most]
	}
}

func newestFirst(a, b plan.Image) int {
	return cmp.Or(cmp.Compare(b.PushedAt, a.PushedAt), a.Digest.Compare(b.Digest))
}

// reasons returns what its roots have in common.
func (g *group) reasons() string {
	if g.several {
		return g.why + " (the first of them)"
	}
	return g.why
}

// images lists roots, newest first, under what they have in common; what lives
// with a root is only counted.
func (p *page) images(r *plan.Repository) error {
	most := shownRoots
	if p.opts.All {
		most = math.MaxInt
	}
	members := followers{count: map[image.Digest]int{}, tagged: map[image.Digest][]string{}}
	index := map[string]int{}
	var groups []group
	err := r.Each(func(img *plan.Image) error {
		if img.Root != img.Digest {
			members.add(img)
			return nil
		}
		key := likeness(img)
		at, ok := index[key]
		if !ok {
			at = len(groups)
			index[key] = at
			groups = append(groups, group{verdict: img.Verdict})
		}
		groups[at].add(img, most)
		return nil
	})
	if err != nil || len(groups) == 0 {
		return err
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Or(cmp.Compare(a.verdict, b.verdict), cmp.Compare(a.why, b.why)) })
	p.line("")
	p.line("  %s", p.style(clean(r.Name), bold))
	for _, g := range groups {
		with := 0
		for _, root := range g.roots {
			with += members.count[root]
		}
		what := Count(len(g.roots), "root")
		if with > 0 {
			what += fmt.Sprintf(" with %s", Count(with, "member"))
		}
		p.line("    %s %s  %s", p.style(g.verdict.String(), verdictStyles[g.verdict]), what, p.style(g.reasons(), faint))
		p.roots(&g, &members)
	}
	return nil
}

func (p *page) roots(g *group, members *followers) {
	slices.SortFunc(g.shown, newestFirst)
	var rows [][]string
	for i := range g.shown {
		img := &g.shown[i]
		rows = append(rows, []string{name(img) + members.of(img.Digest), img.Digest.String()[:19], p.age(img.PushedAt), Bytes(img.Size)})
	}
	p.table("      ", nil, rows, 2, 3)
	if rest := len(g.roots) - len(g.shown); rest > 0 {
		p.line("      %s", p.style(fmt.Sprintf("… and %s older (--all lists all)", Number(rest)), faint))
	}
}

// name returns what people call an image by.
func name(img *plan.Image) string {
	const most = 3
	if len(img.Tags) == 0 {
		return "(untagged)"
	}
	tags := img.Tags
	suffix := ""
	if len(tags) > most {
		suffix = fmt.Sprintf(", +%d", len(tags)-most)
		tags = tags[:most]
	}
	return clean(strings.Join(tags, ", ")) + suffix
}

func (p *page) age(t image.Time) string {
	if !t.Known() {
		return "?"
	}
	days := (p.opts.Now - t) / (24 * 3600 * 1000)
	if days < 1 {
		return fmt.Sprintf("%dh", max(0, (p.opts.Now-t)/(3600*1000)))
	}
	return fmt.Sprintf("%dd", days)
}

// why returns the reasons of an image in one line.
func why(img *plan.Image) string {
	var parts []string
	for _, r := range img.Reasons {
		parts = append(parts, fmt.Sprintf("%s: %s", r.Code, clean(r.Detail)))
	}
	return strings.Join(parts, "; ") + markText(img)
}

func (p *page) totals(doc *plan.Plan) {
	t := doc.Totals
	p.line("")
	for _, w := range doc.Warnings {
		p.line("%s %s", p.style("warning:", amber), clean(w))
	}
	p.line("%s", p.style(Summary(doc, p.opts.Currency), bold))
	if t.BytesFreed < t.BytesFreedAtMost {
		p.line("%s", p.style("≤ counts layers that images share once for each image; --exact-sizes reads every manifest for the true figure.", faint))
	}
	for _, text := range keeplessLines(p.opts.Keepless) {
		p.line("%s", p.style(text, red.Bold(true)))
	}
}

// Summary returns the plan in one sentence.
func Summary(doc *plan.Plan, currency string) string {
	t := doc.Totals
	repositories, touched := 0, 0
	for _, reg := range doc.Registries {
		for _, r := range reg.Repositories {
			repositories++
			if r.Totals.Takes() {
				touched++
			}
		}
	}
	of := fmt.Sprintf("of %s in %s", Count(t.Images, "image"), Count(repositories, "repository"))
	var s string
	switch {
	case t.Delete > 0:
		s = fmt.Sprintf("%s %s would be deleted, from %s", Number(t.Delete), of, Number(touched))
		s += fmt.Sprintf(", which frees %s", freed(t.BytesFreed, t.BytesFreedAtMost))
		if t.MonthlySavingsAtMost != nil {
			saving := money(*t.MonthlySavingsAtMost, currency)
			if t.BytesFreed < t.BytesFreedAtMost {
				saving = "at most " + saving
			}
			s += fmt.Sprintf(" and saves %s a month", saving)
		}
	default:
		s = fmt.Sprintf("Nothing %s would be deleted", of)
	}
	if t.Archive > 0 {
		s += fmt.Sprintf("; %s would be archived", Number(t.Archive))
	}
	if held := t.HeldBack(); held > 0 {
		s += fmt.Sprintf("; %s held by a gap or a limit", Number(held))
	}
	return s + graceSummary(t) + "."
}
