package strict

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type inner struct {
	Count int           `yaml:"count"`
	Wait  time.Duration `yaml:"wait"`
}

type shared struct {
	Color string `yaml:"color"`
	Note  string `yaml:"note"`
}

type outer struct {
	Name   string `yaml:"name"`
	Shared shared `yaml:",inline"`
	// Note hides the one of shared.
	Note    []string          `yaml:"note"`
	Ratio   float64           `yaml:"ratio"`
	On      bool              `yaml:"on"`
	Inner   *inner            `yaml:"inner"`
	List    []inner           `yaml:"list"`
	Map     map[string]string `yaml:"map"`
	Level   level             `yaml:"level"`
	Skipped string            `yaml:"-"`
	Unnamed string
}

// level is a type that reads itself.
type level struct{ n int }

func (l *level) UnmarshalText(text []byte) error {
	for i, name := range []string{"low", "high"} {
		if string(text) == name {
			l.n = i + 1
			return nil
		}
	}
	return fmt.Errorf("%q is no level", text)
}

func decode(text string, env map[string]string) (outer, error) {
	out := outer{Name: "default", List: []inner{{Count: 9}}}
	d := Decode("f.yaml", []byte(text), &out, Options{
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	return out, d.Err()
}

func TestDecode(t *testing.T) {
	got, err := decode(`
name: a
color: red
note: [x, "y"]
ratio: 0.5
on: true
inner: {count: 3, wait: 1d12h}
list: [{count: 1}, {wait: 90s}]
map: {a b: c, d: ""}
level: high
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := outer{
		Name: "a", Shared: shared{Color: "red"}, Note: []string{"x", "y"}, Ratio: 0.5, On: true,
		Inner: &inner{3, 36 * time.Hour}, List: []inner{{Count: 1}, {Wait: 90 * time.Second}},
		Map: map[string]string{"a b": "c", "d": ""}, Level: level{2},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What the document does not say stays as it was.
func TestDecodeKeepsDefaults(t *testing.T) {
	got, err := decode("on: false", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "default" || len(got.List) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"fields without a tag are unknown": {"unnamed: x\nskipped: y", []string{
			"1:1: unnamed: unknown field: there are name, color, note, ratio, on, inner, list, map, level",
			"2:1: skipped: unknown field: there are name, color, note, ratio, on, inner, list, map, level",
		}},
		"own way of reading": {"level: middle", []string{`1:8: level: "middle" is no level`}},
		"own way of reading a secret": {"level: ${env:SECRET}", []string{
			`1:8: level: "${env:SECRET}" does not give a valid value`,
		}},
		"field of an inner mapping": {"wait: 3d\ncuont: 3", []string{
			"1:1: wait: unknown field here: it belongs into inner: {wait: …}",
			"2:1: cuont: unknown field (did you mean inner: {count: …}?)",
		}},
		"columns are characters": {`map: {ä: "é", b: [1]}`, []string{"1:18: map.b: must be one value, and this is a list"}},
		"keys that need quotes": {`map: {"a.b": {}, "c\"]": []}`, []string{
			`1:14: map["a.b"]: must be one value, and this is a mapping`,
			`1:26: map["c\"]"]: must be one value, and this is a list`,
		}},
		"a long value is shortened": {"map: " + strings.Repeat("x", 100), []string{
			`1:6: map: must be a mapping such as {key: value}, and this is "` + strings.Repeat("x", 60) + `…"`,
		}},
		"a long message is shortened": {"level: " + strings.Repeat("x", 2000), []string{
			`1:8: level: "` + strings.Repeat("x", 599) + `…`,
		}},
		"an alias shows where its text is": {"name: &n {a: 1}\ncolor: *n", []string{
			"1:7: color: must be one value, and this is a mapping",
			"1:7: name: must be one value, and this is a mapping",
		}},
		"an alias inside itself": {"map: &m {a: *m}", []string{"1:6: map.a: must be one value, and this is a mapping"}},
		"crlf":                   {"name: a\r\nonn: true\r\n", []string{"2:1: onn: unknown field (did you mean on?)"}},
		"byte order mark":        {"\ufeffnaem: a", []string{"1:1: naem: unknown field (did you mean name?)"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decode(test.text, map[string]string{"SECRET": "hunter2"})
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("error is %v", err)
			}
			var got []string
			for _, m := range errs {
				got = append(got, strings.TrimPrefix(m.Error(), "f.yaml:"))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "1", "EMPTY": "", "BAD": "\xff"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	for _, test := range []struct {
		text, want string
		used       bool
		errs       int
	}{
		{"plain $HOME ${HOME} $", "plain $HOME ${HOME} $", false, 0},
		{"${env:A}", "1", true, 0},
		{"a${env:A}${env:A}b", "a11b", true, 0},
		{"${env:NONE:-x:-y}", "x:-y", true, 0},
		{"${env:EMPTY}", "", true, 0},
		{"${env:EMPTY:-x}", "x", true, 0},
		{"${env:NONE:-}", "", true, 0},
		{"$${env:A}", "${env:A}", false, 0},
		{"$$${env:A}", "$${env:A}", false, 0},
		{"$${env:A}${env:A}", "${env:A}1", true, 0},
		{"${env:NONE}", "", true, 1},
		{"${env:NONE}${env:}${env:BAD}", "", true, 3},
		{"${env:A", "", true, 1},
		{"${env:A:-${env:A}}", "}", true, 1},
	} {
		got, used, errs := expand(test.text, lookup)
		if len(errs) != test.errs || used != test.used || (test.errs == 0 && got != test.want) {
			t.Errorf("expand(%q) = %q, %t, %v; want %q, %t and %d errors", test.text, got, used, errs, test.want, test.used, test.errs)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "0d": 0, "1s": time.Second, "90m": 90 * time.Minute, "2w": 14 * 24 * time.Hour,
		"1w1d1h1m1s": 192*time.Hour + time.Hour + time.Minute + time.Second,
		"007d":       7 * 24 * time.Hour, "36500d": maxDuration,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "1", "d", "-1d", "+1d", "1.5d", "1D", "1d ", " 1d", "1d 2h", "1y", "1mo", "2h1d", "1d1d", "1ms",
		"36500d1s", "36501d", "9223372036854775807w", "99999999999999999999s", "١d", "1d\n", "Inf", "1e3s",
	} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %s, want an error", text, got)
		}
	}
}

// What FormatDuration writes is what ParseDuration reads.
func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(maxDuration/time.Second)).Draw(t, "seconds")) * time.Second
		got, err := ParseDuration(FormatDuration(d))
		if err != nil || got != d {
			t.Errorf("%s is written %s and read %s, %v", d, FormatDuration(d), got, err)
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"newest", "per", "youngerThan", "pulledWithin", "semver", "when"}
	for word, want := range map[string]string{
		"youngerThn": "youngerThan", "yuongerThan": "youngerThan", "younger-than": "youngerThan", "newst": "newest",
		"nwest": "newest", "whem": "when", "pulledwithn": "pulledWithin", "pre": "per",
		"banana": "", "x": "", "": "", "youngest": "",
	} {
		if got := Nearest(word, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// Paths can be taken apart again, whatever the keys are.
func TestPathParent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom([]string{"", "a", "a[0]", `a["x.y"]`, `a["["]`}).Draw(t, "path")
		key := rapid.StringN(1, 12, -1).Draw(t, "key")
		if got := parent(Join(path, key)); got != path {
			t.Errorf("the parent of %s is %q, want %q", Join(path, key), got, path)
		}
		if got := parent(Index(path, 3)); got != path {
			t.Errorf("the parent of %s is %q, want %q", Index(path, 3), got, path)
		}
	})
}

func TestWithin(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		in   Position
		want string
	}{
		"plain":                   {"name: a b c", Position{1, 3}, "1:9"},
		"single quotes":           {"name: 'a b c'", Position{1, 3}, "1:10"},
		"double quotes":           {`name: "a b c"`, Position{1, 3}, "1:10"},
		"escape before":           {`name: "\x41 b c"`, Position{1, 3}, "1:7"},
		"escape after":            {`name: "a b \x41"`, Position{1, 3}, "1:10"},
		"literal":                 {"name: |\n  a\n   b c\n", Position{2, 4}, "3:6"},
		"literal with indication": {"name: |2\n    a\n", Position{1, 3}, "2:5"},
		"folded":                  {"name: >\n  a\n  b c\n", Position{1, 3}, "1:7"},
		"two lines":               {"name: a\n  b", Position{1, 3}, "1:7"},
		"past the end":            {"name: a", Position{1, 9}, "1:7"},
		"at the end":              {"name: a", Position{1, 2}, "1:8"},
		"wide characters":         {`name: "ä b"`, Position{1, 3}, "1:10"},
		"from the environment":    {"name: ${env:A}", Position{1, 1}, "1:7"},
		"no such field":           {"color: red", Position{1, 1}, "1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			var out outer
			d := Decode("f.yaml", []byte(test.text), &out, Options{LookupEnv: func(string) (string, bool) { return "aaaa", true }})
			d.WrongWithin("name", test.in, "is wrong")
			var errs Errors
			if !errors.As(d.Err(), &errs) || len(errs) != 1 {
				t.Fatalf("error is %v", d.Err())
			}
			if got := fmt.Sprintf("%d:%d", errs[0].Line, errs[0].Column); got != test.want {
				t.Errorf("position is %s, want %s (%v)", got, test.want, errs[0])
			}
		})
	}
}

func TestCanonical(t *testing.T) {
	value := outer{
		Name: "a", Note: []string{"n"}, Inner: &inner{Wait: 36 * time.Hour}, List: []inner{{}},
		Map: map[string]string{"k": ""}, Level: level{1}, Skipped: "s", Unnamed: "u",
	}
	special := func(v any) (any, bool) {
		l, ok := v.(level)
		return l.n, ok
	}
	want := map[string]any{
		"name": "a", "note": []any{"n"}, "inner": map[string]any{"wait": "1d12h"},
		"list": []any{map[string]any{}}, "map": map[string]any{"k": ""}, "level": 1,
	}
	if diff := cmp.Diff(want, Canonical(value, special)); diff != "" {
		t.Error(diff)
	}
}
