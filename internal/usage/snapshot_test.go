package usage

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

var update = flag.Bool("update", false, "write the golden files")

func sample() *Snapshot {
	return &Snapshot{
		CreatedAt: time.Date(2026, 11, 20, 9, 0, 0, 999, time.FixedZone("", 3600)),
		Sources: []Status{
			{"kubernetes/prod", 2, "ok", ""},
			{"ecs", 1, "gap", "list tasks of cluster <web> & co: denied"},
		},
		Uses: []image.Use{
			{Source: "kubernetes/prod", State: image.Declared, Reference: web + ":1", Holder: "kubernetes/prod/shop/Deployment/web"},
			{Source: "ecs", State: image.Rollback, Reference: web + ":1", ImageID: digest2, Holder: "ecs/web"},
			{Source: "kubernetes/prod", State: image.Running, Reference: web + ":2@" + digest1, Holder: "kubernetes/prod/shop/Deployment/web"},
		},
	}
}

func encode(t testing.TB, s *Snapshot) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEncode(t *testing.T) {
	for name, s := range map[string]*Snapshot{"snapshot": sample(), "empty": {CreatedAt: now}} {
		t.Run(name, func(t *testing.T) {
			path := "testdata/" + name + ".golden.json"
			got := encode(t, s)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestEncodeReturnsTheErrorOfTheWriter(t *testing.T) {
	if err := sample().Encode(brokenWriter{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

func TestDecodeReadsWhatEncodeWrites(t *testing.T) {
	want := sample()
	got, err := Decode(strings.NewReader(encode(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	want.CreatedAt = want.CreatedAt.UTC().Truncate(time.Second)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	const (
		head    = `{"schema":"regsweep.usage/v1","createdAt":"2026-11-20T08:00:00Z",`
		sources = `"sources":[{"name":"ecs","uses":1,"status":"ok","detail":""}],`
		use     = `"source":"ecs","state":"running","reference":"a","holder":"ecs/a"`
	)
	withSource := func(s string) string { return head + `"sources":[` + s + `],"uses":[]}` }
	withUse := func(s string) string { return head + sources + `"uses":[{` + s + `}]}` }
	tests := []struct{ name, in, field, want string }{
		{"nothing", "", "", "unexpected EOF"},
		{"white space", " \n", "", "unexpected EOF"},
		{"no JSON", "nginx:1\n", "", "invalid character"},
		{"a list", "[]", "", "starts with ["},
		{"a number", "7", "", "starts with 7"},
		{"an empty object", "{}", "schema", "missing"},
		{"another schema", `{"schema":"regsweep.usage/v2","news":1}`, "schema", `"regsweep.usage/v2"`},
		{"a plan", `{"schema":"regsweep.plan/v1"}`, "schema", `"regsweep.plan/v1"`},
		{"schema is null", `{"schema":null}`, "schema", "missing"},
		{"schema is a number", `{"schema":1}`, "schema", "cannot unmarshal number"},
		{"schema at the end", `{"createdAt":"2026-11-20T08:00:00Z",` + sources + `"uses":[]}`, "schema", "missing"},
		{"no time", `{"schema":"regsweep.usage/v1",` + sources + `"uses":[]}`, "createdAt", "missing"},
		{"no such time", `{"schema":"regsweep.usage/v1","createdAt":"2026-13-20T08:00:00Z",` + sources + `"uses":[]}`, "createdAt", "2026-13-20"},
		{"a date", `{"schema":"regsweep.usage/v1","createdAt":"2026-11-20",` + sources + `"uses":[]}`, "createdAt", "not a time"},
		{"a time beyond the calendar", `{"schema":"regsweep.usage/v1","createdAt":"9999-12-31T23:59:59-01:00",` + sources + `"uses":[]}`, "createdAt", "not a time"},
		{"no sources", head + `"uses":[]}`, "sources", "missing"},
		{"sources are null", head + `"sources":null,"uses":[]}`, "sources", "null"},
		{"no uses", head + `"sources":[]}`, "uses", "missing"},
		{"uses are null", head + `"sources":[],"uses":null}`, "uses", "null"},
		{"uses twice", head + sources + `"uses":[{` + use + `}],"uses":[]}`, "uses", "twice"},
		{"uses in another case", head + sources + `"Uses":[]}`, "Uses", "unknown field"},
		{"unknown field", head + sources + `"uses":[],"more":1}`, "more", "unknown field"},
		{"unknown field of a source", withSource(`{"name":"ecs","uses":1,"status":"ok","details":""}`), "sources[0].details", "unknown field"},
		{"source without a name", withSource(`{"uses":1,"status":"ok"}`), "sources[0].name", "missing"},
		{"source without a count", withSource(`{"name":"ecs","status":"ok"}`), "sources[0].uses", "missing"},
		{"source with a negative count", withSource(`{"name":"ecs","uses":-1,"status":"ok"}`), "sources[0].uses", "-1"},
		{"source without a status", withSource(`{"name":"ecs","uses":1}`), "sources[0].status", "missing"},
		{"source with another status", withSource(`{"name":"ecs","uses":1,"status":"fine"}`), "sources[0].status", `"fine"`},
		{"source is null", withSource(`null`), "sources[0]", "null"},
		{"source with two counts", withSource(`{"name":"ecs","uses":1,"status":"ok","uses":0}`), "sources[0].uses", "twice"},
		{"source with two states", withSource(`{"name":"ecs","uses":1,"status":"gap","Status":"ok"}`), "sources[0].Status", "unknown field"},
		{"sources are an object", head + `"sources":{},"uses":[]}`, "sources", "starts with {"},
		{"unknown field of a use", withUse(use + `,"image":"x"`), "uses[0].image", "unknown field"},
		{"use is null", head + sources + `"uses":[null]}`, "uses[0]", "null"},
		{"use is a list", head + sources + `"uses":[[]]}`, "uses[0]", "starts with ["},
		{"use of two references", withUse(use + `,"reference":"b"`), "uses[0].reference", "twice"},
		{"use of two references in two cases", withUse(use + `},{` + use + `,"Reference":"b"`), "uses[1].Reference", "unknown field"},
		{"use without a source", withUse(`"state":"running","reference":"a","holder":"b"`), "uses[0].source", "missing"},
		{"use without a state", withUse(`"source":"ecs","reference":"a","holder":"b"`), "uses[0].state", "missing"},
		{"use with another state", withUse(`"source":"ecs","state":"asleep","reference":"a","holder":"b"`), "uses[0].state", `"asleep"`},
		{"use without a reference", withUse(`"source":"ecs","state":"running","holder":"b"`), "uses[0].reference", "missing"},
		{"use of a reference with a damaged digest", withUse(`"source":"ecs","state":"running","reference":"a@sha256:0123","holder":"b"`), "uses[0].reference", `"a@sha256:0123"`},
		{"use without a holder", withUse(`"source":"ecs","state":"running","reference":"a"`), "uses[0].holder", "missing"},
		{"use with a bad image id", withUse(use + `,"imageId":"1234"`), "uses[0].imageId", `"1234"`},
		{"two snapshots", head + sources + `"uses":[]} {}`, "", "something follows"},
		{"text behind it", head + sources + `"uses":[]} x`, "", "something follows"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Decode(strings.NewReader(tt.in))
			format, ok := errors.AsType[*FormatError](err)
			if !ok {
				t.Fatalf("got %+v, %v, want a *FormatError", s, err)
			}
			if format.Field != tt.field || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q of field %q", err, tt.want, tt.field)
			}
		})
	}
}

func TestDecodeRefusesEveryTruncation(t *testing.T) {
	text := strings.TrimSpace(encode(t, sample()))
	for end := range len(text) {
		_, err := Decode(strings.NewReader(text[:end]))
		format, ok := errors.AsType[*FormatError](err)
		if !ok || !errors.Is(format, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d of %d bytes: %v", end, len(text), err)
		}
	}
}

func TestDecodeReturnsTheErrorOfTheReader(t *testing.T) {
	for name, text := range map[string]string{"within": `{"schema":`, "at the end": encode(t, sample())} {
		broken := io.MultiReader(strings.NewReader(text), brokenReader{})
		if _, err := Decode(broken); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzDecode(f *testing.F) {
	text := encode(f, sample())
	f.Add([]byte(text))
	f.Add([]byte(encode(f, &Snapshot{CreatedAt: now})))
	f.Add([]byte(text[:len(text)/2]))
	f.Add([]byte(`{"schema":"regsweep.usage/v1","createdAt":"2026-11-20T08:00:00+23:00","sources":[],"uses":[],"uses":[]}`))
	f.Add([]byte(`[{"schema":null}]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := Decode(bytes.NewReader(content))
		if err != nil {
			if _, ok := errors.AsType[*FormatError](err); !ok {
				t.Fatalf("not a *FormatError: %v", err)
			}
			return
		}
		again, err := Decode(strings.NewReader(encode(t, s)))
		if err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
		s.CreatedAt = s.CreatedAt.Truncate(time.Second)
		if diff := cmp.Diff(s, again); diff != "" {
			t.Fatalf("(-read +read again):\n%s", diff)
		}
		if len(s.Uses) != 0 && !IsJSON(content) {
			t.Fatal("a snapshot that is no JSON")
		}
	})
}

func TestListed(t *testing.T) {
	use := func(source, reference, id string) image.Use {
		return image.Use{Source: source, State: image.Running, Reference: reference, ImageID: id, Holder: source + "/x"}
	}
	const elsewhere = "mirror.example.org/apps/web"
	here := []image.Use{
		use("a", web+":1", ""),
		use("a", elsewhere+"@"+digest1, ""),
		use("a", elsewhere+":1@"+digest1, ""),
		use("a", elsewhere+"@"+sha512, ""),
		use("a", elsewhere+":1", digest2),
		use("a", digest1, digest1),
		use("b", ecrWeb+":1", ""),
		use("b", fipsWeb+":1", ""),
		use("b", "not a reference", ""),
	}
	all := &Snapshot{
		CreatedAt: now,
		Sources:   []Status{{"a", 8, "ok", ""}, {"b", 4, "gap", "denied"}, {"c", 0, "ok", ""}},
		Uses: append(append([]image.Use{}, here...),
			use("a", elsewhere+":1", ""), use("a", "docker.io/library/nginx:latest", ""),
			use("b", "444455556666.dkr.ecr.eu-west-1.amazonaws.com/apps/web:1", "")),
	}
	before := encode(t, all)
	got := all.Listed([]registry.Identity{
		{Name: "lab", Host: "images.example.com"},
		{Name: "prod", Host: "111122223333.dkr.ecr.eu-west-1.amazonaws.com", Account: "111122223333", Region: "eu-west-1"},
	})
	want := &Snapshot{CreatedAt: now, Uses: here, Sources: []Status{
		{"a", 6, "ok", "2 uses by tag of hosts that are not configured left out, --all lists them"},
		{"b", 3, "gap", "denied; 1 use by tag of hosts that are not configured left out, --all lists them"},
		{"c", 0, "ok", ""},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, encode(t, all)); diff != "" {
		t.Errorf("the snapshot itself changed:\n%s", diff)
	}
}

func TestFindings(t *testing.T) {
	s := sample()
	s.Sources[0].Detail = "a note"
	got, err := s.Findings()
	want := Findings{
		Observations: []Observation{
			{Holder: "kubernetes/prod/shop/Deployment/web", State: image.Declared, Asked: web + ":1"},
			{Holder: "ecs/web", State: image.Rollback, Asked: web + ":1", Got: digest2},
			{Holder: "kubernetes/prod/shop/Deployment/web", State: image.Running, Asked: web + ":2@" + digest1},
		},
		Notes: []string{"kubernetes/prod: a note"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err == nil || !strings.Contains(err.Error(), "its source ecs is a gap: list tasks of cluster <web> & co: denied") {
		t.Errorf("the gap is lost: %v", err)
	}
}

func TestFindingsOfNothing(t *testing.T) {
	if _, err := (&Snapshot{CreatedAt: now}).Findings(); err == nil {
		t.Error("a snapshot that looked nowhere proves nothing")
	}
	looked := &Snapshot{CreatedAt: now, Sources: []Status{{"ecs", 0, "ok", ""}}}
	if _, err := looked.Findings(); err != nil {
		t.Errorf("a source that found nothing: %v", err)
	}
}

// TestFindingsCount: what a source says of its own number must be so.
func TestFindingsCount(t *testing.T) {
	use := func(source, tag string) image.Use {
		return image.Use{Source: source, State: image.Running, Reference: web + ":" + tag, Holder: "h"}
	}
	for _, tt := range []struct {
		name    string
		sources []Status
		want    string
	}{
		{"as listed", []Status{{"a", 2, "ok", ""}, {"b", 1, "ok", ""}, {"c", 0, "ok", ""}}, ""},
		{"one said in two parts", []Status{{"a", 1, "ok", ""}, {"a", 1, "ok", ""}, {"b", 1, "ok", ""}}, ""},
		{"a use is lost", []Status{{"a", 3, "ok", ""}, {"b", 1, "ok", ""}}, "its source a says that it has 3 uses, and 2 are listed"},
		{"all of one are lost", []Status{{"a", 2, "ok", ""}, {"b", 1, "ok", ""}, {"c", 1, "ok", ""}}, "its source c says that it has 1 use, and 0 are listed"},
		{"one is too many", []Status{{"a", 1, "ok", ""}, {"b", 1, "ok", ""}}, "its source a says that it has 1 use, and 2 are listed"},
		{"of no source", []Status{{"a", 2, "ok", ""}}, "it has 1 use of the source b, which is not among its sources"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &Snapshot{CreatedAt: now, Sources: tt.sources, Uses: []image.Use{use("a", "1"), use("a", "2"), use("b", "3")}}
			got, err := s.Findings()
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(tt.want, text); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if len(got.Observations) != 3 {
				t.Errorf("%d observations, want all 3: what is listed protects", len(got.Observations))
			}
		})
	}
}
