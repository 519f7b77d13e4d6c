package model_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/regsweep/regsweep/internal/oracle"
)

// text writes a configuration line by line.
type text struct{ strings.Builder }

func (t *text) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// strs writes texts as a list of YAML.
func strs(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// duration writes milliseconds.
func duration(ms int64) string { return fmt.Sprintf("%ds", ms/second) }

// regions are the regions that have a registry.
func (w *world) regions() (list []string) {
	for _, r := range w.Repos {
		list = append(list, r.Region)
	}
	if len(list) == 0 {
		list = []string{homeRegion}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// config writes the configuration.
func (w *world) config() string {
	t := &text{}
	t.line("version: 1\nregistries:")
	for _, region := range w.regions() {
		hosts := ""
		if w.Alias && region == homeRegion {
			hosts = fmt.Sprintf(", hosts: [%s]", aliasHost)
		}
		t.line("  - {name: %s, ecr: {region: %s%s}}", region, region, hosts)
	}
	w.configUsage(t)
	p := &w.Policy
	if len(p.Protect) > 0 {
		t.line("protect:")
	}
	for _, e := range p.Protect {
		fields := []string{}
		if len(e.Repositories) > 0 {
			fields = append(fields, "repositories: "+strs(e.Repositories))
		}
		if len(e.Tags) > 0 {
			fields = append(fields, "tags: "+strs(e.Tags))
		}
		t.line("  - {%s}", strings.Join(fields, ", "))
	}
	if len(p.Rules) > 0 {
		t.line("rules:")
	}
	for i := range p.Rules {
		configRule(t, i, &p.Rules[i])
	}
	t.line("limits: {minRemaining: %d, maxShare: %d%%%s}", p.MinRemaining, p.MaxSharePercent, w.configMaxDeletes())
	switch {
	case p.MarkName != "":
		t.line("tag: {name: %s}", p.MarkName)
	case p.MarkPrefix != "in-use":
		t.line("tag: {prefix: %s}", p.MarkPrefix)
	}
	if p.Grace > 0 {
		t.line("grace: %s", duration(p.Grace))
	}
	return t.String()
}

func (w *world) configMaxDeletes() string {
	if w.MaxDeletes == 0 {
		return ""
	}
	return fmt.Sprintf(", maxDeletes: %d", w.MaxDeletes)
}

func (w *world) configUsage(t *text) {
	if len(w.Sources) == 0 {
		t.line("usage: none")
		return
	}
	t.line("usage:")
	for _, s := range w.Sources {
		settings := map[string]string{"ecs": "{revisions: 1}", "snapshot": "{path: snapshot.json}"}[s.Kind]
		if settings == "" {
			settings = "{}"
		}
		t.line("  - %s: %s", s.Kind, settings)
		if len(s.Covers) > 0 {
			t.line("    covers: %s", strs(s.Covers))
		}
		if s.AtLeast > 0 {
			t.line("    atLeast: %d", s.AtLeast)
		}
	}
}

func configRule(t *text, n int, r *oracle.Rule) {
	t.line("  - name: r%d", n)
	if len(r.Repositories) > 0 {
		t.line("    repositories: %s", strs(r.Repositories))
	}
	for k, v := range r.RepositoryTags { // one at most
		t.line("    repositoryTags: {%s: %q}", k, v)
	}
	if len(r.Tags) > 0 {
		t.line("    tags: %s", strs(r.Tags))
	}
	for _, f := range []struct {
		name string
		set  bool
	}{{"anyTag", r.AnyTag}, {"untagged", r.Untagged}, {"orphans", r.Orphans}} {
		if f.set {
			t.line("    %s: true", f.name)
		}
	}
	if r.Semver {
		t.line("    order: semver")
	}
	if r.Archive {
		t.line("    action: archive")
	}
	if len(r.Keeps) > 0 {
		t.line("    keep:")
	}
	for i := range r.Keeps {
		t.line("      - {%s}", strings.Join(keepFields(&r.Keeps[i]), ", "))
	}
}

func keepFields(k *oracle.Keep) (fields []string) {
	add := func(set bool, format string, args ...any) {
		if set {
			fields = append(fields, fmt.Sprintf(format, args...))
		}
	}
	add(k.Newest > 0, "newest: %d", k.Newest)
	add(k.Per != "", "per: '%s'", k.Per)
	if a := k.YoungerThan; a != nil && a.Tag == "" {
		add(true, "youngerThan: %s", duration(a.Fixed))
	} else if a != nil {
		fallback := ""
		if a.HasDefault {
			fallback = ", default: " + duration(a.Default)
		}
		add(true, "youngerThan: {repositoryTag: %s, unit: d%s}", a.Tag, fallback)
	}
	add(k.PulledWithin > 0, "pulledWithin: %s", duration(k.PulledWithin))
	add(k.UsedWithin > 0, "usedWithin: %s", duration(k.UsedWithin))
	add(k.Semver != "", "semver: %q", k.Semver)
	add(k.MaxImages > 0, "maxImages: %d", k.MaxImages)
	if k.When != nil {
		add(true, "when: 'image.size < %d && !(%q in image.tags)'", k.When.Below, k.When.Without)
	}
	return fields
}
