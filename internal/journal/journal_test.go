package journal_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const host = "registry.example.com"

var began = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// clock is a second later each time it is asked.
func clock() func() time.Time {
	now := began
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func d(name string) image.Digest { return image.DigestOf([]byte(name)) }

// session reaches an embedded account with the bucket "journals".
func session(t *testing.T) (*awsapi.Session, *embedded.Bucket) {
	t.Helper()
	srv := embedded.New(embedded.Options{Clock: func() time.Time { return began }})
	account := srv.Account(embedded.DefaultAccount)
	bucket := embedded.Must(account.Region("eu-west-1").S3().CreateBucket("journals"))
	return awsapi.NewSession(awsapi.Options{
		Region: "eu-west-1", Now: func() time.Time { return began }, HTTPClient: srv.Client(), Random: func() float64 { return 0 },
		Credentials: credentials.NewStaticCredentialsProvider(account.AccessKeyID(), "secret", ""),
	}), bucket
}

// places are all that can be read again, by name.
func places(t *testing.T) map[string]*journal.Place {
	t.Helper()
	aws, _ := session(t)
	list := map[string]*journal.Place{}
	for name, path := range map[string]string{
		"a file": filepath.Join(t.TempDir(), "a.jsonl"), "a folder": filepath.Join(t.TempDir(), "not/there/yet") + "/",
		"a prefix": "s3://journals/team a/runs", "a bucket": "s3://journals",
	} {
		list[name] = open(t, path, objects.Env{AWS: aws})
	}
	return list
}

func open(t *testing.T, path string, env objects.Env) *journal.Place {
	t.Helper()
	p, err := journal.Open(path, env, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// begin begins a run of a plan.
func begin(t *testing.T, p *journal.Place, id string, now func() time.Time) *journal.Run {
	t.Helper()
	r, err := p.Begin(t.Context(), journal.Begin{Plan: id, Tool: "test", Registries: []journal.Registry{{Name: "prod", Host: host}}}, now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// root is an image that goes with others.
func root(name string, members ...string) journal.Image {
	img := journal.Image{Digest: d(name), Tags: []string{name}, Rule: "all", MediaType: "m", Manifest: []byte(name)}
	for _, m := range members {
		img.Family = append(img.Family, journal.Member{Digest: d(m), Tags: []string{}, PushedAt: image.At(began)})
	}
	return img
}

// before writes that images are about to be deleted.
func before(t *testing.T, r *journal.Run, images ...journal.Image) int {
	t.Helper()
	n, err := r.Before(t.Context(), journal.Batch{Action: journal.Delete, Registry: "prod", Repository: "apps/web", Images: images})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func after(t *testing.T, r *journal.Run, batch int, state journal.State, names ...string) {
	t.Helper()
	var list []journal.Outcome
	for _, name := range names {
		list = append(list, journal.Outcome{Digest: d(name), Outcome: state})
	}
	if err := r.After(t.Context(), batch, list); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, r *journal.Run) {
	t.Helper()
	if err := r.End(t.Context(), journal.End{}); err != nil {
		t.Fatal(err)
	}
}

// unfinished returns what is left in apps/web, sorted, and how many sources were
// read to their end.
func unfinished(t *testing.T, p *journal.Place) (names []string, read int) {
	t.Helper()
	u, errs := p.Unfinished(t.Context())
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	known := map[image.Digest]string{}
	for _, name := range []string{"index", "amd", "arm", "sbom", "second", "shared"} {
		known[d(name)] = name
	}
	for digest := range u.Of(host, "apps/web") {
		names = append(names, known[digest])
	}
	if u.Of("another.example.com", "apps/web") != nil || u.Of(host, "apps/other") != nil {
		t.Error("something is left elsewhere")
	}
	slices.Sort(names)
	return names, u.Read
}

// TestUnfinished cuts one run off at each of its records, in every place, and
// looks at what of its family may be left.
func TestUnfinished(t *testing.T) {
	all := []string{"amd", "arm", "sbom"}
	for i, tt := range []struct {
		name string
		left []string
		read int
	}{
		{"begun", nil, 1},
		{"the root is about to go", all, 1}, // it may be gone
		{"the root is gone", all, 1},
		{"the members are about to go", all, 1}, // they may be there
		{"one is gone, one failed", []string{"arm", "sbom"}, 1},
		{"the last is about to go", []string{"arm", "sbom"}, 1},
		{"the last is gone", []string{"arm"}, 1},
		{"the end", []string{"arm"}, 1},
	} {
		for name, p := range places(t) {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				r := begin(t, p, "sha256:abc", clock())
				var n int
				for step, do := range []func(){
					func() { n = before(t, r, root("index", "amd", "arm", "sbom")) },
					func() { after(t, r, n, journal.Done, "index") },
					func() { n = before(t, r, root("amd"), root("arm")) },
					func() {
						err := r.After(t.Context(), n, []journal.Outcome{{Digest: d("amd"), Outcome: journal.Done}, {Digest: d("arm"), Outcome: journal.Failed}})
						if err != nil {
							t.Fatal(err)
						}
					},
					func() { n = before(t, r, root("sbom")) },
					func() { after(t, r, n, journal.Done, "sbom") },
					func() { end(t, r) },
				} {
					if step < i {
						do()
					}
				}
				left, read := unfinished(t, p)
				if diff := cmp.Diff(tt.left, left); diff != "" || read != tt.read {
					t.Errorf("%d sources read (-want +got):\n%s", read, diff)
				}
			})
		}
	}
}

// A root that is known to be there has not left anything.
func TestNothingIsLeftOfWhatDidNotGo(t *testing.T) {
	for _, state := range []journal.State{journal.Failed, journal.Left} {
		for name, p := range places(t) {
			t.Run(fmt.Sprint(state, "/", name), func(t *testing.T) {
				r := begin(t, p, "sha256:abc", clock())
				after(t, r, before(t, r, root("index", "amd")), state, "index")
				if left, _ := unfinished(t, p); left != nil {
					t.Errorf("left: %v", left)
				}
			})
		}
	}
}

// TestSettledRunsAreNotRead: of a run that left nothing only the end is read.
func TestSettledRunsAreNotRead(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			now := clock()
			for i := range 3 {
				r := begin(t, p, fmt.Sprintf("sha256:%d", i), now)
				after(t, r, before(t, r, root("index", "amd")), journal.Done, "index")
				if i != 1 {
					after(t, r, before(t, r, root("amd")), journal.Done, "amd")
				}
				r.Finished("prod", "apps/web")
				end(t, r)
			}
			left, read := unfinished(t, p)
			if diff := cmp.Diff([]string{"amd"}, left); diff != "" || read != 1 {
				t.Errorf("%d sources read (-want +got):\n%s", read, diff)
			}
			u, _ := p.Unfinished(t.Context())
			got := u.Of(host, "apps/web")[d("amd")]
			want := policy.Unfinished{Plan: "sha256:1", Root: d("index"), Rule: "all", Tags: []string{}, PushedAt: image.At(began)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestTornAnywhere cuts a file off at each of its bytes, as a crash does, and
// lets another run write behind it.
func TestTornAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	p := open(t, path, objects.Env{})
	r := begin(t, p, "sha256:abc", clock())
	after(t, r, before(t, r, root("index", "amd")), journal.Done, "index")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end(t, r)
	lines := strings.SplitAfter(string(whole), "\n")
	for cut := range len(whole) + 1 {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		var want []string
		if cut >= len(lines[0])+len(lines[1])-1 { // the root is about to go
			want = []string{"amd"}
		}
		if left, _ := unfinished(t, p); !slices.Equal(left, want) {
			t.Fatalf("cut at byte %d: left %v, want %v", cut, left, want)
		}
		next := begin(t, p, "sha256:def", clock())
		after(t, next, before(t, next, root("second")), journal.Done, "second")
		end(t, next)
		if left, _ := unfinished(t, p); !slices.Equal(left, want) {
			t.Fatalf("cut at byte %d, and another run behind it: left %v, want %v", cut, left, want)
		}
		h, err := p.History(t.Context(), everything)
		if err != nil {
			t.Fatalf("cut at byte %d: %v", cut, err)
		}
		if last := h.Runs[len(h.Runs)-1]; last.Plan != "sha256:def" || last.Interrupted || last.Torn {
			t.Fatalf("cut at byte %d: the last run is %+v", cut, last)
		}
	}
}

// TestForeignFile appends to no file that is something else.
func TestForeignFile(t *testing.T) {
	for _, c := range []struct {
		name, content string
		foreign       bool
	}{
		{"nothing", "", false},
		{"a record cut off", `{"ru`, false},
		{"a record cut off, and its line ended", "{\"ru\n", false},
		{"zeros of a crash", "\x00\x00\x00", false},
		{"a saved plan", "{\n \"schema\": \"regsweep.plan/v1\"\n}\n", true},
		{"a configuration", "version: 1\n", true},
		{"other JSON in one line", `{"a":1}`, true},
		{"an empty line and text", "\nversion: 1\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := open(t, path, objects.Env{}).Begin(t.Context(), journal.Begin{Plan: "sha256:abc"}, clock())
			_, foreign := errors.AsType[*journal.ForeignError](err)
			if foreign != c.foreign {
				t.Fatalf("Begin: %v", err)
			}
			if !foreign {
				end(t, r)
				return
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != c.content {
				t.Errorf("the file is now %q, %v", b, err)
			}
		})
	}
}

var everything = journal.Filter{Interrupted: true, Event: func(*journal.Event) bool { return true }}

func TestHistory(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			now := clock()
			r := begin(t, p, "sha256:abc", now)
			after(t, r, before(t, r, root("index", "amd"), root("second")), journal.Done, "index", "second")
			before(t, r, root("amd")) // and it is killed
			r = begin(t, p, "sha256:def", now)
			n, err := r.Before(t.Context(), journal.Batch{Action: journal.Tag, Registry: "prod", Repository: "apps/web",
				Images: []journal.Image{{Digest: d("arm"), Tags: []string{}, Tag: "mark"}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.After(t.Context(), n, []journal.Outcome{{Digest: d("arm"), Outcome: journal.Failed, Detail: "denied"}}); err != nil {
				t.Fatal(err)
			}
			if err := r.End(t.Context(), journal.End{Error: "denied"}); err != nil {
				t.Fatal(err)
			}
			h, err := p.History(t.Context(), everything)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, run := range h.Runs {
				got = append(got, fmt.Sprintf("%s interrupted=%t unfinished=%d %s", run.Plan, run.Interrupted, run.Unfinished, run.Error))
				for _, e := range run.Events {
					got = append(got, fmt.Sprintf("  %s %s/%s %v%s %s %s", e.Action, e.Host, e.Repository, e.Tags, e.Tag, e.Outcome, e.Detail))
				}
			}
			want := []string{
				"sha256:abc interrupted=true unfinished=1 ",
				"  delete registry.example.com/apps/web [index] done ",
				"  delete registry.example.com/apps/web [second] done ",
				"  delete registry.example.com/apps/web [amd] unknown the run ended before the answer was written down",
				"sha256:def interrupted=false unfinished=0 denied",
				"  tag registry.example.com/apps/web []mark failed denied",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for name, tt := range map[string]struct {
				filter journal.Filter
				runs   int
			}{
				"later":      {journal.Filter{Since: began.Add(time.Hour), Interrupted: true, Event: everything.Event}, 0},
				"the second": {journal.Filter{Since: began.Add(5 * time.Second), Event: everything.Event}, 1},
				"no event":   {journal.Filter{Event: func(*journal.Event) bool { return false }}, 0},
				"one image":  {journal.Filter{Event: func(e *journal.Event) bool { return e.Digest == d("amd") }}, 1},
			} {
				h, err := p.History(t.Context(), tt.filter)
				if err != nil || len(h.Runs) != tt.runs {
					t.Errorf("%s: %d runs, %v", name, len(h.Runs), err)
				}
			}
		})
	}
}

func TestDeletedComesWithItsManifest(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			now := clock()
			r := begin(t, p, "sha256:abc", now)
			after(t, r, before(t, r, root("index")), journal.Failed, "index")
			after(t, r, before(t, r, root("amd"), root("arm")), journal.Done, "amd", "arm")
			end(t, r)
			r = begin(t, p, "sha256:def", now)
			before(t, r, root("amd"))
			var got []string
			for deleted, err := range p.Deleted(t.Context(), host, "apps/web") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, deleted.Plan+" "+string(deleted.Manifest))
			}
			if diff := cmp.Diff([]string{"sha256:def amd", "sha256:abc arm", "sha256:abc amd"}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, at := range [][2]string{{host, "apps/other"}, {"other.example.com", "apps/web"}} {
				for deleted, err := range p.Deleted(t.Context(), at[0], at[1]) {
					t.Errorf("%v has %s, %v", at, deleted.Manifest, err)
				}
			}
		})
	}
}

// Runs that begin in the same moment have journals of their own.
func TestNamesAreTakenOnce(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			still := func() time.Time { return began }
			var last string
			for i := range 3 {
				r := begin(t, p, "sha256:abc", still)
				if r.ID() <= last && name != "a file" {
					t.Errorf("run %d is called %s, after %s", i, r.ID(), last)
				}
				last = r.ID()
				end(t, r)
			}
			sources, err := p.Sources(t.Context())
			if err != nil || len(sources) != map[bool]int{true: 1, false: 3}[name == "a file"] {
				t.Errorf("sources %v, %v", sources, err)
			}
		})
	}
}

func TestDamage(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"no JSON":             {"{\n{\"run\":\"a\"}\n", "a.jsonl:1: the journal is damaged"},
		"another document":    {"{}\n{\"run\":\"a\"}\n", "a.jsonl:1: the journal is damaged: it is no record of a journal"},
		"a later format":      {`{"run":"a","begin":{"schema":"regsweep.journal/v2"}}` + "\n{\"run\":\"a\"}\n", `it is of the format "regsweep.journal/v2"`},
		"in the middle of it": {`{"run":"a"}` + "\nx\n" + `{"run":"a"}` + "\n", "a.jsonl:2: the journal is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.jsonl")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			p := open(t, path, objects.Env{})
			_, err := p.History(t.Context(), everything)
			if damage, ok := errors.AsType[*journal.DamageError](err); !ok || !strings.Contains(damage.Error(), tt.want) {
				t.Errorf("history: %v, want %s", err, tt.want)
			}
			if _, errs := p.Unfinished(t.Context()); len(errs) != 1 {
				t.Errorf("unfinished: %v", errs)
			}
		})
	}
}

func TestDamageInS3(t *testing.T) {
	aws, bucket := session(t)
	p := open(t, "s3://journals/runs", objects.Env{AWS: aws})
	r := begin(t, p, "sha256:abc", clock())
	before(t, r, root("index", "amd"))
	bucket.Put("runs/"+r.ID()+"/00000009.json", []byte("{}"))
	_, err := p.History(t.Context(), everything)
	if damage, ok := errors.AsType[*journal.DamageError](err); !ok || !strings.Contains(damage.Error(), "it stands where 00000003.json belongs") {
		t.Errorf("a record is missing: %v", err)
	}
	bucket.Put("runs/notes.txt", []byte("not ours"))
	bucket.Put("runs/other/1.json", []byte("not ours"))
	if sources, err := p.Sources(t.Context()); err != nil || len(sources) != 1 {
		t.Errorf("sources: %v, %v", sources, err)
	}
}

func TestOpen(t *testing.T) {
	for path, want := range map[string]string{
		"": "the path is empty", "https://example.com/a": "neither a file nor", "s3://B": "is not a place in S3",
	} {
		if _, err := journal.Open(path, objects.Env{}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, p := range places(t) {
		var unwritten *journal.WriteError
		if _, err := p.Begin(canceled, journal.Begin{Plan: "sha256:abc"}, clock()); !errors.As(err, &unwritten) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: begun after the end: %v", name, err)
		}
	}
}

// A run without a journal does nothing and needs no question.
func TestNoRun(t *testing.T) {
	var r *journal.Run
	n, err := r.Before(t.Context(), journal.Batch{})
	r.Finished("a", "b")
	if err = errors.Join(err, r.After(t.Context(), n, nil), r.End(t.Context(), journal.End{})); err != nil || r.ID()+r.Plan() != "" {
		t.Error(err)
	}
	var u *journal.Unfinished
	if u.Of(host, "a") != nil {
		t.Error("something is left of nothing")
	}
}
