package config_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/kinds"
	"github.com/regsweep/regsweep/internal/policy"
)

const head = `version: 1
registries: [{name: prod, ecr: {region: eu-west-1}}]
`

func parse(t *testing.T, text string, env ...string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("regsweep.yaml", []byte(text), lookup(env...), kinds.All())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// lookup returns an environment of "NAME=value" settings.
func lookup(settings ...string) func(string) (string, bool) {
	return environment([]byte("# env: " + strings.Join(settings, "\n# env: ")))
}

func TestDefaults(t *testing.T) {
	cfg := parse(t, head+"rules: [{}]")
	want := policy.Spec{
		Rules:  []policy.Rule{{Name: "rule 1", Action: policy.Delete}},
		Limits: policy.Limits{MaxDeletes: 10_000, MaxShare: 1, MinRemaining: 1},
	}
	if diff := cmp.Diff(want, cfg.Policy); diff != "" {
		t.Error(diff)
	}
	if want := (config.Price{PerGBMonth: 0.10, Currency: "USD"}); cfg.Price != want {
		t.Errorf("price is %v, want %v", cfg.Price, want)
	}
	if cfg.Mode != config.ModePlan {
		t.Errorf("mode is %s, want plan", cfg.Mode)
	}
	if cfg.Grace != 0 {
		t.Errorf("grace is %s, want none", cfg.Grace)
	}
}

// Only the word none says that nothing is in use. No sources and an empty list
// do not, and the program then refuses to delete.
func TestUsageNone(t *testing.T) {
	for name, test := range map[string]struct {
		text    string
		none    bool
		sources int
	}{
		"missing":          {"", false, 0},
		"empty list":       {"usage: []", false, 0},
		"none":             {"usage: none", true, 0},
		"none by variable": {"usage: ${env:USAGE}", true, 0},
		"a source":         {"usage: [{appRunner: {}}]", false, 1},
		"named none":       {"usage: [{name: none, appRunner: {}}]", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			u := parse(t, head+test.text, "USAGE=none").Usage
			if u.None != test.none || len(u.Sources) != test.sources {
				t.Errorf("None is %t with %d sources, want %t with %d", u.None, len(u.Sources), test.none, test.sources)
			}
		})
	}
}

func TestTextStaysAsWritten(t *testing.T) {
	cfg := parse(t, `version: 1
registries: [{name: 007, ecr: {account: 011122223333}}]
protect: [{tags: [1.10, 0123, 1e3, true, 2020-01-01, 1_0, 'null']}]
rules: [{name: 1.0, repositoryTags: {a: 010, b: "", c: yes}}]
`)
	if diff := cmp.Diff([]string{"1.10", "0123", "1e3", "true", "2020-01-01", "1_0", "null"}, cfg.Policy.Protect[0].Tags); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "010", "b": "", "c": "yes"}, cfg.Policy.Rules[0].RepositoryTags); diff != "" {
		t.Error(diff)
	}
	if got := cfg.Registries[0].Name + " " + cfg.Policy.Rules[0].Name; got != "007 1.0" {
		t.Errorf("names are %s", got)
	}
}

func TestEnvironmentInEveryKindOfValue(t *testing.T) {
	cfg := parse(t, `version: ${env:VERSION}
registries: [{name: "${env:TEAM}-${env:STAGE:-prod}", ecr: {account: "${env:ACCOUNT}"}}]
usage: [{command: {run: ["echo", "$${env:TEAM}"], timeout: "${env:TIMEOUT}"}, atLeast: "${env:COUNT}"}]
rules:
  - anyTag: ${env:YES}
    tags: ["${env:TEAM}-*"]
    keep:
      - newest: ${env:COUNT}
        youngerThan: ${env:EMPTY:-14}d
limits: {maxShare: "${env:COUNT}%"}
price: {perGBMonth: "${env:PRICE}"}
`, "VERSION=1", "TEAM=web", "ACCOUNT=011122223333", "YES=true", "COUNT=12", "EMPTY=", "TIMEOUT=1m30s", "PRICE=0.25")
	got := []any{
		cfg.Registries[0].Name, cfg.Usage.Sources[0].AtLeast, cfg.Policy.Rules[0].AnyTag, cfg.Policy.Rules[0].Tags[0],
		cfg.Policy.Rules[0].Keep[0].Newest, cfg.Policy.Rules[0].Keep[0].YoungerThan.Fixed, cfg.Policy.Limits.MaxShare, cfg.Price.PerGBMonth,
	}
	want := []any{"web-prod", 12, true, "web-*", 12, 14 * 24 * time.Hour, 0.12, 0.25}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := string(cfg.Canonical()); !strings.Contains(text, `["echo","${env:TEAM}"]`) {
		t.Errorf("$${env: is not the text ${env: itself:\n%s", text)
	}
}

// The hash is of what the configuration means, not of how it is written.
func TestHash(t *testing.T) {
	const base = head + `usage: [{ecs: {regions: [eu-west-1], revisions: 3}}]
rules:
  - name: previews
    repositoryTags: {team: web, stage: dev}
    keep: [{newest: 3}, {youngerThan: 14d}]
`
	same := map[string]string{
		"comments and layout": `# What we delete.
version: 1

registries:
- name: "prod"   # the only one
  ecr:
    region: 'eu-west-1'
usage:
  - ecs:
      regions:
        - eu-west-1
      revisions: 3
rules: [{name: previews, repositoryTags: {team: web, stage: dev}, keep: [{newest: 3}, {youngerThan: 14d}]}]
`,
		"order of fields": `rules:
  - keep: [{newest: 3}, {youngerThan: 14d}]
    repositoryTags: {stage: dev, team: web}
    name: previews
usage: [{ecs: {revisions: 3, regions: [eu-west-1]}}]
registries: [{ecr: {region: eu-west-1}, name: prod}]
version: 1
`,
		"defaults and other units": strings.Replace(base, "14d", "2w", 1) + "limits: {maxDeletes: 10000, maxShare: 100%}\nmode: plan\nprice: {currency: USD}\n",
		"environment":              strings.Replace(base, "name: previews", "name: ${env:NAME}", 1),
		"name of the source":       strings.Replace(base, "[{ecs:", "[{name: ecs, ecs:", 1),
		"anchors":                  strings.Replace(base, "[{newest: 3}, {youngerThan: 14d}]", "[{newest: &n 3}, {youngerThan: 14d}]", 1),
	}
	others := map[string]string{
		"order of keeps":   strings.Replace(base, "{newest: 3}, {youngerThan: 14d}", "{youngerThan: 14d}, {newest: 3}", 1),
		"number":           strings.Replace(base, "newest: 3", "newest: 4", 1),
		"limit":            base + "limits: {minRemaining: 0}\n",
		"no sources":       strings.Replace(base, "usage: [{ecs: {regions: [eu-west-1], revisions: 3}}]", "usage: none", 1),
		"registry's name":  strings.Replace(base, "name: prod", "name: production", 1),
		"kind of a source": strings.Replace(base, "ecs: {regions: [eu-west-1], revisions: 3}", "name: ecs, appRunner: {regions: [eu-west-1]}", 1),
	}
	hash := func(text string) string { return parse(t, text, "NAME=previews").Hash() }
	want := hash(base)
	if !strings.HasPrefix(want, "sha256:") || len(want) != len("sha256:")+64 {
		t.Errorf("hash is %s", want)
	}
	for name, text := range same {
		if got := hash(text); got != want {
			t.Errorf("%s: another hash for the same configuration", name)
		}
	}
	seen := map[string]string{want: "base"}
	for name, text := range others {
		got := hash(text)
		if seen[got] != "" {
			t.Errorf("%s: the hash of %s", name, seen[got])
		}
		seen[got] = name
	}
}

func TestMergeKeys(t *testing.T) {
	cfg := parse(t, head+`rules:
  - &base
    name: base
    tags: ["pr-*"]
    keep: &keeps [{newest: 3}]
  - &more
    <<: *base
    name: more
    tags: ["dev-*"]
    untagged: true
  - <<: [{anyTag: true, tags: ["x-*"]}, *more]
    name: most
  - name: other
    keep: *keeps
`)
	want := []policy.Rule{
		{Name: "base", Tags: []string{"pr-*"}, Keep: []policy.Keep{{Newest: 3}}, Action: policy.Delete},
		{Name: "more", Tags: []string{"dev-*"}, Untagged: true, Keep: []policy.Keep{{Newest: 3}}, Action: policy.Delete},
		{Name: "most", Tags: []string{"x-*"}, AnyTag: true, Untagged: true, Keep: []policy.Keep{{Newest: 3}}, Action: policy.Delete},
		{Name: "other", Keep: []policy.Keep{{Newest: 3}}, Action: policy.Delete},
	}
	if diff := cmp.Diff(want, cfg.Policy.Rules); diff != "" {
		t.Error(diff)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "regsweep.yaml")
	if err := os.WriteFile(file, []byte(head), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, lookup(), kinds.All())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Dir != dir {
		t.Errorf("Dir is %s, want %s", cfg.Dir, dir)
	}

	_, err = config.Load(filepath.Join(dir, "none.yaml"), lookup(), kinds.All())
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, new(config.Errors)) {
		t.Errorf("a missing file gives %v", err)
	}
	if _, err = config.Load(dir, lookup(), kinds.All()); err == nil || errors.As(err, new(config.Errors)) {
		t.Errorf("a folder gives %v", err)
	}

	large := append([]byte(head), bytes.Repeat([]byte("# comment\n"), 1<<20/10)...)
	if err := os.WriteFile(file, large, 0o600); err != nil {
		t.Fatal(err)
	}
	var errs config.Errors
	if _, err := config.Load(file, lookup(), kinds.All()); !errors.As(err, &errs) || len(errs) != 1 || !strings.Contains(errs[0].Detail, "1 MiB") {
		t.Errorf("a file of %d bytes gives %v", len(large), err)
	}
}

// Aliases must not turn a small file into a large configuration.
func TestAliasBomb(t *testing.T) {
	text := head + "protect: [{tags: &tags [" + strings.Repeat("a,", 50_000) + "]}" + strings.Repeat(", {tags: *tags}", 1000) + "]\n"
	merges := head + "rules:\n- &r0 {name: a}\n"
	for i := range 8 {
		n := string(rune('0' + i))
		merges += "- &r" + string(rune('1'+i)) + " {<<: [" + strings.Repeat("*r"+n+", ", 20) + "]}\n"
	}
	for name, text := range map[string]string{"lists": text, "merges": merges} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("regsweep.yaml", []byte(text), lookup(), kinds.All())
			if err == nil || !strings.Contains(err.Error(), "with its aliases written out") {
				t.Errorf("error is %.200v", err)
			}
		})
	}
}
