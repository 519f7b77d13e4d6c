package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/tagging"
	"github.com/regsweep/regsweep/internal/usage"
)

const (
	// gather is how long what is seen waits for more: the pods of a rollout come
	// together, and a node tells the digest shortly after a pod is there.
	gather = time.Second
	// again is how long a reference by tag alone is not looked at again: the tag
	// can be moved. One with a digest names the same image for good.
	again = time.Minute
	// firstRetry and lastRetry are the pauses before what failed is tried again;
	// each is twice as long as the one before.
	firstRetry, lastRetry = time.Second, 5 * time.Minute
	// lastWords is how long what was seen and not marked yet is marked when the
	// watch ends. Kubernetes gives a pod 30 seconds.
	lastWords = 10 * time.Second
	// maxWaiting and maxSettled bound what is remembered. A full reading finds what
	// there was no room for, if it is still in use.
	maxWaiting, maxSettled = 20_000, 100_000
	// tellAgain is how long the same failure is not told again.
	tellAgain, maxTold = time.Hour, 1_000
)

// Watching is what a run marks as long as it lasts.
type Watching struct {
	Tagging
	// Interval is the time between two readings of all sources, which find what
	// cannot be watched and write marks again that are too old.
	Interval time.Duration
}

// WatchTags marks what is in use, and then at once what comes into use, until
// the context ends, which is no error. Every mark and every failure is logged. An
// error means that it could not begin.
func (a *App) WatchTags(ctx context.Context, w Watching) error {
	narrowed, err := a.narrow(w.Tagging)
	if err != nil {
		return err
	}
	t := &tagWatch{
		App: narrowed, part: len(narrowed.Sources) < len(a.Sources), w: w, waiting: map[useKey]*waiting{}, settled: map[useKey]time.Time{},
		told: map[string]time.Time{}, wake: make(chan struct{}, 1),
		last: tagSeen{deployed: map[place]map[string]string{}},
	}
	watchCtx, end := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	for _, e := range narrowed.Sources {
		if source, ok := e.Source.(usage.Watcher); ok {
			watchers.Go(func() {
				source.Watch(watchCtx, func(all []usage.Observation) { t.seen(source.Name(), all) },
					func(err error) { t.tell("cannot watch", "source", source.Name(), "error", err) })
			})
		}
	}
	err = t.loop(ctx)
	end()
	watchers.Wait()
	if err == nil {
		t.lastPass(ctx)
	}
	return err
}

// useKey tells uses apart as far as marks depend on it: however many pods run an
// image, it is one.
type useKey struct {
	reference, imageID string
	// running matters where one image gets the one tag.
	running bool
}

// waiting is a use that is to be marked.
type waiting struct {
	use image.Use
	// due is when, and attempts how often it was tried.
	due      time.Time
	attempts int
}

// tagWatch is the state of a WatchTags.
type tagWatch struct {
	*App
	w Watching
	// wake tells the loop that something new is waiting.
	wake chan struct{}

	mu      sync.Mutex
	waiting map[useKey]*waiting
	// settled says until when a use needs no look.
	settled map[useKey]time.Time
	// full asks for a reading of all sources before its time.
	full bool
	told map[string]time.Time

	// known are the uses of the last full reading and what was seen since, each once,
	// for choosing the image of a name. Only the loop has them.
	known []image.Use
	// grown is how many came since that reading, and last what else it knew. part
	// says that some of the configured sources are never read.
	grown int
	last  tagSeen
	part  bool
}

func (t *tagWatch) key(u image.Use) useKey {
	return useKey{u.Reference, u.ImageID, t.w.Tag.Name != "" && u.State == image.Running}
}

// seen takes what a source saw.
func (t *tagWatch) seen(source string, all []usage.Observation) {
	uses, err := usage.Join(source, all)
	if err != nil {
		t.tell("cannot be in use", "source", source, "error", err)
		return
	}
	now := t.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, use := range uses {
		key := t.key(use)
		if until, ok := t.settled[key]; ok && now.Before(until) || t.waiting[key] != nil || !t.concerns(use) {
			continue
		}
		if len(t.waiting) >= maxWaiting {
			t.full = true
		} else {
			t.waiting[key] = &waiting{use: use, due: now.Add(gather)}
		}
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// concerns reports whether a use is one to mark.
func (t *tagWatch) concerns(use image.Use) bool {
	ref, err := image.ParseReference(use.Reference)
	return err == nil && len(t.holders(ref)) > 0 && t.inNamespaces(use, t.w.Namespaces)
}

// loop marks what is due until the context ends.
func (t *tagWatch) loop(ctx context.Context) error {
	next, failures, began := t.Now(), 0, false
	for ctx.Err() == nil {
		if !t.pause(ctx, next) {
			continue
		}
		if t.Now().Before(next) && !t.wantsFull() {
			t.someUses(ctx, t.due(t.Now()))
			continue
		}
		err := t.allUses(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil && !began && fatal(ctx, err):
			return err
		case err != nil:
			t.tell("not all was read", "error", err)
			failures++
			next = t.Now().Add(min(t.w.Interval, backoff(failures)))
		default:
			began, failures, next = true, 0, t.Now().Add(t.w.Interval)
		}
	}
	return nil
}

// pause waits until the next full reading or until something is due, and returns
// false where it is to be called again.
func (t *tagWatch) pause(ctx context.Context, full time.Time) bool {
	until := full
	t.mu.Lock()
	for _, w := range t.waiting {
		if w.due.Before(until) {
			until = w.due
		}
	}
	now := t.full
	t.mu.Unlock()
	wait := until.Sub(t.Now())
	if now || wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait) //nolint:forbidigo // waiting for the next to do; tests run it in virtual time
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.wake:
		return false
	case <-timer.C:
		return true
	}
}

func (t *tagWatch) wantsFull() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.full
}

// due returns the uses that wait no longer.
func (t *tagWatch) due(now time.Time) (uses []image.Use) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.waiting {
		if !w.due.After(now) {
			uses = append(uses, w.use)
		}
	}
	return uses
}

// allUses reads all sources and marks what is in use.
func (t *tagWatch) allUses(ctx context.Context) error {
	t.mu.Lock()
	t.full = false
	t.mu.Unlock()
	result, err := t.CollectUsage(ctx)
	if err != nil {
		return err
	}
	for _, g := range result.Gaps {
		t.tell("a source is a gap: what it could not see is not tagged", "source", g.Source, "detail", g.Detail)
	}
	var uses []image.Use
	for _, use := range result.Snapshot.Uses {
		if t.concerns(use) {
			uses = append(uses, use)
		}
	}
	if t.w.Tag.Name != "" {
		t.remember(uses, true)
	}
	if t.last, err = t.tagSeen(t.w.Tagging, result); err != nil {
		return err
	}
	t.last.part = t.part
	report := t.newTagReport(t.w.Tagging)
	report.Warnings = t.emptyNamespaces(result.Snapshot.Uses, t.w.Namespaces)
	err = t.tagUses(ctx, t.w.Tagging, uses, t.last, nil, report)
	t.log(report)
	if err != nil {
		return err
	}
	t.mu.Lock()
	clear(t.settled)
	t.mu.Unlock()
	t.settle(uses, report, nil)
	return nil
}

// someUses marks what was seen since.
func (t *tagWatch) someUses(ctx context.Context, uses []image.Use) {
	if len(uses) == 0 {
		return
	}
	places := map[place]bool{}
	for _, use := range uses {
		for _, p := range t.places(use) {
			places[p] = true
		}
	}
	report := t.newTagReport(t.w.Tagging)
	all := uses
	if t.w.Tag.Name != "" {
		all = slices.Concat(t.known, uses)
		t.remember(all, false)
	}
	t.addDeployed(t.last.deployed, t.w.Tag, uses)
	seen := t.last
	seen.part = true
	err := t.tagUses(ctx, t.w.Tagging, all, seen, places, report)
	t.log(report)
	if err != nil && ctx.Err() == nil {
		t.tell("not all was tagged, and is tried again", "error", err)
	}
	t.settle(uses, report, err)
}

// remember keeps what is known for the uses to come, one use of each image and
// state: who holds it does not matter for which image is the newest that runs. To
// forget a part would be to take another image for the newest, so that what is no
// longer in use goes with a full reading, which is at once where it may be much.
func (t *tagWatch) remember(uses []image.Use, all bool) {
	type about struct {
		reference, imageID string
		state              image.State
	}
	before := len(t.known)
	seen := map[about]bool{}
	t.known = nil
	for _, u := range uses {
		if key := (about{u.Reference, u.ImageID, u.State}); !seen[key] {
			seen[key] = true
			t.known = append(t.known, u)
		}
	}
	if t.grown += len(t.known) - before; all {
		t.grown = 0
	}
	if t.grown > maxSettled {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.full = true
	}
}

func (t *tagWatch) places(use image.Use) (places []place) {
	ref, err := image.ParseReference(use.Reference)
	if err != nil {
		return nil
	}
	for _, name := range t.holders(ref) {
		places = append(places, place{name, ref.Repository})
	}
	return places
}

// settle notes what needs no look for a while, and what is to be tried again.
func (t *tagWatch) settle(uses []image.Use, report *tagging.Report, err error) {
	failed := map[place]bool{}
	for _, reg := range report.Registries {
		for _, repo := range reg.Repositories {
			failed[place{reg.Name, repo.Name}] = repo.Retry
		}
	}
	now := t.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.settled)+len(uses) > maxSettled {
		clear(t.settled)
	}
	for _, use := range uses {
		key := t.key(use)
		retry := err != nil
		for _, p := range t.places(use) {
			retry = retry || failed[p]
		}
		if retry {
			w := t.waiting[key]
			switch {
			case w == nil && len(t.waiting) >= maxWaiting:
				continue // the next full reading finds it
			case w == nil:
				w = &waiting{use: use}
				t.waiting[key] = w
			}
			w.attempts++
			w.due = now.Add(backoff(w.attempts))
			continue
		}
		delete(t.waiting, key)
		until := now.Add(again)
		if strings.Contains(use.Reference, "@") {
			until = now.Add(t.w.Interval)
		}
		t.settled[key] = until
	}
}

// backoff is the pause after so many failures.
func backoff(failures int) time.Duration {
	d := firstRetry
	for range failures - 1 {
		if d *= 2; d >= lastRetry {
			return lastRetry
		}
	}
	return d
}

// lastPass marks what was seen and not marked yet when the watch ends: it may
// be gone when the next one begins.
func (t *tagWatch) lastPass(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	t.someUses(ctx, t.due(t.Now().Add(2*lastRetry)))
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) > 0 {
		t.Log.Warn("ended before everything that was seen could be tagged", "references", len(t.waiting))
	}
}

// log writes a line for each mark that was written or removed, and for each that
// was not.
func (t *tagWatch) log(report *tagging.Report) {
	did, removed := "tagged", "older tag removed"
	if report.DryRun {
		did, removed = "would be tagged", "older tag would be removed"
	}
	// A dry run says the same of an image again and again, each time with the tag of
	// another time.
	say := func(message string, what []any, more ...any) {
		if !report.DryRun || t.first(message, what) {
			t.Log.Info(message, slices.Concat(what, more)...)
		}
	}
	for _, reg := range report.Registries {
		for i := range reg.Repositories {
			repo := &reg.Repositories[i]
			where := []any{"registry", reg.Name, "repository", repo.Name}
			if repo.Error != "" {
				t.tell("repository not read", slices.Concat(where, []any{"error", repo.Error})...)
			}
			for _, text := range repo.Unresolved {
				t.tell("not known which image it is", slices.Concat(where, []any{"use", text})...)
			}
			for n := range repo.Images {
				img := &repo.Images[n]
				what := slices.Concat(where, []any{"image", img.Name(), "digest", img.Digest.String()})
				if (img.Action == tagging.Write || img.Action == tagging.Move) && img.Tag != "" {
					say(did, what, "tag", img.Tag, "inUseBy", strings.Join(img.Holders, ", "))
				}
				for _, tag := range img.Remove {
					say(removed, slices.Concat(what, []any{"tag", tag}))
				}
				if img.Error != "" {
					t.tell("not tagged", slices.Concat(what, []any{"error", img.Error})...)
				}
			}
		}
	}
	for _, text := range report.Warnings {
		t.tell(text)
	}
}

// tell logs a failure, but not the same again and again.
func (t *tagWatch) tell(message string, args ...any) {
	if t.first(message, args) {
		t.Log.Warn(message, args...)
	}
}

// first reports whether a line was not logged for a while.
func (t *tagWatch) first(message string, args []any) bool {
	now := t.Now()
	text := message + fmt.Sprint(args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.told[text]; ok && now.Sub(last) < tellAgain {
		return false
	}
	if len(t.told) >= maxTold {
		clear(t.told)
	}
	t.told[text] = now
	return true
}
