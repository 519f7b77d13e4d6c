package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
	"github.com/regsweep/regsweep/internal/registry"
	"github.com/regsweep/regsweep/internal/tagging"
	"github.com/regsweep/regsweep/internal/usage"
)

// taggable is a registry in memory: a Reader and a Tagger.
type taggable struct {
	registry.Reader // nil: tagging asks for nothing else
	mu              sync.Mutex
	repos           map[string]*Repository
	reads, writes   int
	// fail answers every Tag.
	fail func() error
}

func (r *taggable) Identity() registry.Identity {
	return registry.Identity{Name: "prod", Host: "registry.example.com"}
}

func (r *taggable) Repositories(_ context.Context, want func(string) bool, _ bool) (list []image.Repository, err error) {
	for name := range r.repos {
		if want(name) {
			list = append(list, image.Repository{Registry: "prod", Name: name})
		}
	}
	return list, nil
}

func (r *taggable) Read(_ context.Context, repo image.Repository, _ bool) (*image.Contents, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reads++
	found := r.repos[repo.Name]
	if found == nil {
		return nil, &registry.RepositoryGoneError{Repository: repo.Name}
	}
	contents := found.Contents
	contents.Repository = repo
	contents.Images = slices.Clone(contents.Images)
	for i := range contents.Images {
		contents.Images[i].Tags = slices.Clone(contents.Images[i].Tags)
	}
	return &contents, nil
}

func (r *taggable) image(repo string, digest image.Digest) *image.Image {
	images := r.repos[repo].Images
	return &images[slices.IndexFunc(images, func(i image.Image) bool { return i.Digest == digest })]
}

func (r *taggable) Tag(_ context.Context, repo string, digest image.Digest, tag string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(); err != nil {
			return err
		}
	}
	for i := range r.repos[repo].Images {
		if img := &r.repos[repo].Images[i]; slices.Contains(img.Tags, tag) && img.Digest != digest {
			return &registry.TagTakenError{Digest: digest, Tag: tag, Other: img.Digest}
		}
	}
	r.writes++
	img := r.image(repo, digest)
	img.Tags = append(img.Tags, tag)
	return nil
}

func (r *taggable) MoveTag(ctx context.Context, repo string, digest image.Digest, tag string) error {
	r.mu.Lock()
	for i := range r.repos[repo].Images {
		img := &r.repos[repo].Images[i]
		img.Tags = slices.DeleteFunc(slices.Clone(img.Tags), func(t string) bool { return t == tag })
	}
	r.mu.Unlock()
	return r.Tag(ctx, repo, digest, tag)
}

func (r *taggable) Untag(_ context.Context, repo string, digest image.Digest, tag, anchor string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	img := r.image(repo, digest)
	if !slices.Contains(img.Tags, anchor) {
		return &registry.LastTagError{Digest: digest, Tag: tag, Anchor: anchor}
	}
	img.Tags = slices.DeleteFunc(slices.Clone(img.Tags), func(t string) bool { return t == tag })
	return nil
}

// tagsOf returns the tags of an image.
func (r *taggable) tagsOf(repo, name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.image(repo, D(name)).Tags, " ")
}

// counts returns how often a repository was read and a tag written.
func (r *taggable) counts() (reads, writes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads, r.writes
}

// answer makes every Tag answer so.
func (r *taggable) answer(fail func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = fail
}

// live is a usage source that can be watched: a test tells what it sees.
type live struct {
	mu      sync.Mutex
	found   []usage.Observation
	err     error
	reads   int
	see     func([]usage.Observation)
	fail    func(error)
	stopped bool
}

func (*live) Name() string { return "live" }

func (s *live) Collect(context.Context) (usage.Findings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return usage.Findings{Observations: slices.Clone(s.found)}, s.err
}

func (s *live) Watch(ctx context.Context, seen func([]usage.Observation), failed func(error)) {
	s.mu.Lock()
	s.see, s.fail = seen, failed
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
}

func (s *live) Namespace(holder string) string {
	first, _, _ := strings.Cut(holder, "/")
	return first
}

// runs is what a pod says.
func runs(pod, reference, got string) []usage.Observation {
	return []usage.Observation{{Holder: pod, State: image.Running, Asked: "registry.example.com/" + reference, Got: got}}
}

// watchWorld is a WatchTags in a bubble of synctest.
type watchWorld struct {
	*taggable
	source *live
	log    *bytes.Buffer
	app    *App
	cancel context.CancelFunc
	done   chan error
}

func startTagging(t *testing.T, repos map[string]*Repository, change func(*Watching, *watchWorld)) *watchWorld {
	t.Helper()
	w := &watchWorld{taggable: &taggable{repos: repos}, source: &live{}, log: &bytes.Buffer{}, done: make(chan error, 1)}
	p, problems := policy.Compile(policy.Spec{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	w.app = &App{
		Readers: []registry.Reader{w.taggable}, Sources: []usage.Entry{{Source: w.source}}, Policy: p,
		Usage: usage.Options{Now: time.Now}, Judge: time.Now, Now: time.Now,
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})),
	}
	watching := Watching{
		Tagging: Tagging{
			Spec: tagging.Spec{Refresh: 24 * time.Hour, KeepPerImage: 1},
			Open: func(context.Context, string) (registry.Tagger, error) { return w.taggable, nil },
		},
		Interval: 5 * time.Minute,
	}
	if change != nil {
		change(&watching, w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() { w.done <- w.app.WatchTags(ctx, watching) }()
	synctest.Wait()
	return w
}

// end ends the watch and waits for it.
func (w *watchWorld) end(t *testing.T) {
	t.Helper()
	w.cancel()
	if err := <-w.done; err != nil {
		t.Errorf("WatchTags: %v", err)
	}
	if !w.source.stopped {
		t.Error("the source is still watched")
	}
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// epoch is the time at which a bubble begins, as a mark tells it.
const epoch = 946684800

func inUse(after time.Duration) string {
	return fmt.Sprintf("in-use-%d", epoch+int(after/time.Second))
}

func shop() map[string]*Repository {
	return map[string]*Repository{
		"shop/web":  New("shop/web").Add("v1", Tags("v1")).Add("v2", Tags("v2")),
		"shop/jobs": New("shop/jobs").Add("j1", Tags("j1")),
	}
}

// What comes into use is marked a second later, once, however many pods there
// are; and again when the mark is too old.
func TestWatchTags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startTagging(t, shop(), func(_ *Watching, w *watchWorld) { w.source.found = runs("ns/Pod/a", "shop/web:v1", "") })
		if got := w.tagsOf("shop/web", "v1"); got != "v1 "+inUse(0) {
			t.Errorf("at the beginning: %s", got)
		}
		// A Job that lives for three seconds, and a hundred pods of it.
		for i := range 100 {
			w.source.see(runs(fmt.Sprintf("ns/Pod/p%d", i), "shop/jobs:j1", ""))
		}
		pass(1100 * time.Millisecond)
		if got := w.tagsOf("shop/jobs", "j1"); got != "j1 "+inUse(time.Second) {
			t.Errorf("the job: %s", got)
		}
		reads, writes := w.counts()
		for i := range 100 {
			w.source.see(runs(fmt.Sprintf("ns/Pod/q%d", i), "shop/jobs:j1", ""))
			w.source.see(runs(fmt.Sprintf("ns/Pod/q%d", i), "shop/web:v1", ""))
			pass(100 * time.Millisecond)
		}
		if r, m := w.counts(); r != reads || m != writes {
			t.Errorf("more pods of the same images: %d reads and %d marks more", r-reads, m-writes)
		}
		pass(25 * time.Hour)
		if got := w.tagsOf("shop/web", "v1"); !strings.HasPrefix(got, "v1 in-use-9467712") || strings.Count(got, "in-use") != 1 {
			t.Errorf("a day later: %s", got)
		}
		if got := w.tagsOf("shop/jobs", "j1"); got != "j1 "+inUse(time.Second) {
			t.Errorf("the job a day later: %s", got)
		}
		w.end(t)
		if got := strings.Count(w.log.String(), "level=INFO msg=tagged"); got != 3 {
			t.Errorf("%d lines of marks:\n%s", got, w.log)
		}
	})
}

// What fails is tried again, with longer and longer pauses, until it is done;
// what cannot succeed is not.
func TestWatchTagsTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := 3
		w := startTagging(t, shop(), nil)
		w.answer(func() error {
			if fails--; fails >= 0 {
				return errors.New("throttled")
			}
			return nil
		})
		w.source.see(runs("ns/Pod/a", "shop/web:v1", ""))
		pass(7 * time.Second)
		if got := w.tagsOf("shop/web", "v1"); got != "v1" {
			t.Errorf("after 7 s: %s", got)
		}
		pass(time.Second)
		if got := w.tagsOf("shop/web", "v1"); got != "v1 "+inUse(8*time.Second) {
			t.Errorf("after 8 s: %s", got)
		}
		if got := strings.Count(w.log.String(), `msg="not tagged"`); got != 1 {
			t.Errorf("the failure was told %d times:\n%s", got, w.log)
		}
		w.answer(func() error { return &registry.TagLimitError{Digest: D("j1"), Err: errors.New("1000")} })
		reads, _ := w.counts()
		w.source.see(runs("ns/Pod/j", "shop/jobs:j1", ""))
		pass(time.Minute)
		if r, _ := w.counts(); r != reads+1 {
			t.Errorf("an image with too many tags was read %d times", r-reads)
		}
		w.end(t)
	})
}

// What was seen and not marked yet is marked when the watch ends.
func TestWatchTagsLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startTagging(t, shop(), nil)
		w.source.see(runs("ns/Pod/a", "shop/web:v2", "registry.example.com/shop/web@"+D("v2").String()))
		w.end(t)
		if got := w.tagsOf("shop/web", "v2"); got != "v2 "+inUse(0) {
			t.Errorf("tags: %s", got)
		}
	})
}

// A source that fails is a gap that is told, and what it found is marked; when it
// can be read again the rest is.
func TestWatchTagsGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startTagging(t, shop(), func(_ *Watching, w *watchWorld) {
			w.source.found, w.source.err = runs("ns/Pod/a", "shop/web:v1", ""), errors.New("denied")
		})
		w.source.fail(errors.New("watch denied"))
		w.source.fail(errors.New("watch denied"))
		w.source.mu.Lock()
		w.source.found, w.source.err = runs("ns/Pod/a", "shop/web:v2", ""), nil
		w.source.mu.Unlock()
		pass(5*time.Minute + time.Second)
		if a, b := w.tagsOf("shop/web", "v1"), w.tagsOf("shop/web", "v2"); a != "v1 "+inUse(0) || b != "v2 "+inUse(5*time.Minute) {
			t.Errorf("tags %q and %q", a, b)
		}
		w.end(t)
		for _, text := range []string{"a source is a gap", "watch denied"} {
			if strings.Count(w.log.String(), text) != 1 {
				t.Errorf("the log tells %q not once:\n%s", text, w.log)
			}
		}
	})
}

// One name goes to the newest image that runs, of all that are known.
func TestWatchTagsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repos := map[string]*Repository{"shop/web": New("shop/web").Add("old", Tags("old"), Age(48*time.Hour)).Add("new", Tags("new"), Age(time.Hour))}
		w := startTagging(t, repos, func(c *Watching, w *watchWorld) {
			c.Tag.Name = "production"
			w.source.found = runs("ns/Pod/a", "shop/web:old", "")
		})
		if got := w.tagsOf("shop/web", "old"); got != "old production" {
			t.Errorf("tags of old: %s", got)
		}
		w.source.see(runs("ns/Pod/b", "shop/web:new", ""))
		pass(2 * time.Second)
		w.source.see(runs("ns/Pod/c", "shop/web:old", "registry.example.com/shop/web@"+D("old").String()))
		pass(2 * time.Second)
		if a, b := w.tagsOf("shop/web", "old"), w.tagsOf("shop/web", "new"); a != "old" || b != "new production" {
			t.Errorf("tags %q and %q", a, b)
		}
		w.end(t)
	})
}

// While something is not known that may be the newest image, the name is taken from
// no image; it is given where nobody has it, and moves when all is known again.
func TestNameStaysWhileSomethingIsNotKnown(t *testing.T) {
	covers := func(globs ...string) func(*App) { return func(a *App) { a.Sources[0].Covers = globs } }
	for _, tt := range []struct {
		name   string
		change func(*App)
		err    error
		uses   []usage.Observation
		tags   []string
		want   string // the image that has it
	}{
		{"all is known", nil, nil, nil, []string{"b", "production"}, "a"},
		{"a gap", nil, errors.New("denied"), nil, []string{"b", "production"}, "b"},
		{"a gap over other repositories", covers("base/**"), errors.New("denied"), nil, []string{"b", "production"}, "a"},
		{"a gap that is ignored", func(a *App) { a.Usage.IgnoreGaps = []string{"live"} }, errors.New("denied"), nil, []string{"b", "production"}, "a"},
		{"a gap, and nobody has the tag", nil, errors.New("denied"), nil, []string{"b"}, "a"},
		{"an image id that could be any image", nil, nil, runs("ns/Pod/z", "shop/web:gone", D("some config").String()), []string{"b", "production"}, "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				repos := map[string]*Repository{"shop/web": New("shop/web").Add("a", Tags("a"), Age(48*time.Hour)).Add("b", Tags(tt.tags...), Age(time.Hour))}
				w := startTagging(t, repos, func(c *Watching, w *watchWorld) {
					c.Tag.Name = "production"
					w.source.found, w.source.err = slices.Concat(tt.uses, runs("ns/Pod/a", "shop/web:a", "")), tt.err
					if tt.change != nil {
						tt.change(w.app)
					}
				})
				has := func(when string) {
					got := ""
					for _, name := range []string{"a", "b"} {
						if strings.Contains(w.tagsOf("shop/web", name), "production") {
							got += name
						}
					}
					if got != tt.want {
						t.Errorf("%s: %s has it, want %s\n%s", when, got, tt.want, w.log)
					}
				}
				has("after a reading")
				w.source.see(runs("ns/Pod/b", "shop/web:a", "registry.example.com/shop/web@"+D("a").String()))
				pass(2 * time.Second)
				has("after another use was seen")
				w.source.mu.Lock()
				w.source.found, w.source.err = runs("ns/Pod/a", "shop/web:a", ""), nil
				w.source.mu.Unlock()
				pass(6 * time.Minute)
				tt.want = "a"
				has("when all is known")
				w.end(t)
			})
		})
	}
}

// Namespaces narrow what is watched, and a dry run changes nothing and says each
// thing once.
func TestWatchTagsDryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startTagging(t, shop(), func(c *Watching, _ *watchWorld) { c.Open, c.Namespaces = nil, []string{"pro*"} })
		w.source.see(runs("prod/Pod/a", "shop/web:v1", ""))
		w.source.see(runs("test/Pod/b", "shop/web:v2", ""))
		w.source.mu.Lock() // every reading finds it
		w.source.found = runs("prod/Pod/a", "shop/web:v1", "")
		w.source.mu.Unlock()
		pass(30 * time.Minute)
		w.end(t)
		want := "level=WARN msg=\"--namespace pro*: nothing is in use in such a namespace\"\n" +
			"level=INFO msg=\"would be tagged\" registry=prod repository=shop/web image=v1 digest=" + D("v1").String() +
			" tag=" + inUse(time.Second) + " inUseBy=live/prod/Pod/a\n"
		if diff := cmp.Diff(want, w.log.String()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		if w.writes != 0 {
			t.Errorf("%d marks were written", w.writes)
		}
	})
}

// A namespace in which nothing is in use may be misspelt, which a single run says
// as well.
func TestTagWarnsOfEmptyNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startTagging(t, shop(), nil)
		w.source.mu.Lock()
		w.source.found = runs("prod/Pod/a", "shop/web:v1", "")
		w.source.mu.Unlock()
		report, gaps, err := w.app.Tag(t.Context(), Tagging{Namespaces: []string{"pro*", "prd"}})
		if err != nil || gaps {
			t.Fatal(gaps, err)
		}
		if diff := cmp.Diff([]string{"--namespace prd: nothing is in use in such a namespace"}, report.Warnings); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
		if report.Totals.Tagged != 1 {
			t.Errorf("totals: %+v", report.Totals)
		}
		w.end(t)
	})
}

// More than can be remembered is not: a full reading finds it.
func TestWatchTagsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startTagging(t, shop(), nil)
		for i := range maxWaiting + 10 {
			w.source.see(runs("ns/Pod/a", fmt.Sprintf("shop/web:x%d", i), ""))
		}
		w.source.mu.Lock()
		w.source.found = runs("ns/Pod/a", "shop/web:v1", "")
		reads := w.source.reads
		w.source.mu.Unlock()
		pass(2 * time.Second)
		w.source.mu.Lock()
		more := w.source.reads - reads
		w.source.mu.Unlock()
		if more != 1 || w.tagsOf("shop/web", "v1") != "v1 "+inUse(0) {
			t.Errorf("read %d times, tags %s", more, w.tagsOf("shop/web", "v1"))
		}
		w.end(t)
	})
}

// What cannot be tagged is bounded too, and so is what is known for choosing the
// image of a name: then all is read again, and no other image is taken for the
// newest.
func TestWatchTagsForgetsWhatIsTooMuch(t *testing.T) {
	t.Run("of what failed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, problems := policy.Compile(policy.Spec{})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			w := &tagWatch{
				App: &App{Readers: []registry.Reader{&taggable{}}, Policy: p, Now: time.Now}, waiting: map[useKey]*waiting{}, settled: map[useKey]time.Time{},
			}
			var uses []image.Use
			for i := range maxWaiting + 10 {
				uses = append(uses, image.Use{State: image.Running, Reference: fmt.Sprintf("registry.example.com/shop/web:x%d", i)})
			}
			w.settle(uses, &tagging.Report{}, errors.New("throttled"))
			if len(w.waiting) != maxWaiting || len(w.settled) > 0 || w.full {
				t.Errorf("%d wait, and %d are settled; read again at once: %t", len(w.waiting), len(w.settled), w.full)
			}
		})
	})
	t.Run("of what is known", func(t *testing.T) {
		w := &tagWatch{}
		uses := func(from, to int) (list []image.Use) {
			for i := from; i < to; i++ {
				list = append(list, image.Use{State: image.Running, Reference: fmt.Sprintf("registry.example.com/shop/web:x%d", i)})
			}
			return list
		}
		w.remember(uses(0, maxSettled+1), true)
		if len(w.known) != maxSettled+1 || w.full {
			t.Errorf("%d are known of a full reading; read again at once: %t", len(w.known), w.full)
		}
		w.known = w.known[:1]
		for pod := range 3 {
			use := w.known[0]
			use.Holder = fmt.Sprint("ns/Pod/", pod)
			w.remember(append(w.known, use), false)
		}
		if len(w.known) != 1 || w.full {
			t.Errorf("%d are known of an image with many pods; read again at once: %t", len(w.known), w.full)
		}
		w.remember(append(w.known, uses(1, maxSettled+2)...), false)
		if len(w.known) != maxSettled+2 || !w.full {
			t.Errorf("%d are known of what was seen since; read again at once: %t", len(w.known), w.full)
		}
	})
}
