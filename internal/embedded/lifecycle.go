package embedded

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// lifecycle is the lifecycle policy of a repository and its preview.
type lifecycle struct {
	text      string // empty when there is none
	evaluated time.Time
	preview   *lifecyclePreview
}

type lifecyclePreview struct {
	text     string
	started  time.Time
	affected []affected
}

// lifecycleSettings are how a region treats lifecycle policies.
type lifecycleSettings struct {
	countMembers bool
	previewTime  time.Duration
}

// affected is an image that a lifecycle policy expires or archives.
type affected struct {
	*image
	action   string
	priority int
}

// SetLifecyclePolicy stores a lifecycle policy as it is; empty means none.
func (r *Repository) SetLifecyclePolicy(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lifecycle.text = text
}

// LifecyclePolicy returns the lifecycle policy; empty means none.
func (r *Repository) LifecyclePolicy() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lifecycle.text
}

// CountLifecycleMembers makes the lifecycle policies of the region treat what an
// index lists, and what is attached to an image, like any other image. ECR does
// not document what it does; a preview of the real one neither counted nor
// expired them (DefangLabs/pulumi-defang#466), and so this is off at first.
func (r *Region) CountLifecycleMembers(on bool) {
	r.ecr.mu.Lock()
	defer r.ecr.mu.Unlock()
	r.ecr.lifecycle.countMembers = on
}

// SetLifecyclePreviewTime sets how long the previews of the region are
// IN_PROGRESS. At first they are complete at once.
func (r *Region) SetLifecyclePreviewTime(d time.Duration) {
	r.ecr.mu.Lock()
	defer r.ecr.mu.Unlock()
	r.ecr.lifecycle.previewTime = d
}

func (r *Region) lifecycleSettings() lifecycleSettings {
	r.ecr.mu.Lock()
	defer r.ecr.mu.Unlock()
	return r.ecr.lifecycle
}

// ApplyLifecyclePolicies evaluates and applies the lifecycle policies of all
// repositories of the region now, as ECR does within 24 hours. It returns how
// many images were expired or archived. A policy that the API would not have
// taken is an error, and so are those after it not applied.
func (r *Region) ApplyLifecyclePolicies() (int, error) {
	total := 0
	for _, repo := range r.Repositories() {
		n, err := repo.ApplyLifecyclePolicy()
		if total += n; err != nil {
			return total, err
		}
	}
	return total, nil
}

// ApplyLifecyclePolicy evaluates and applies the policy of one repository now.
func (r *Repository) ApplyLifecyclePolicy() (int, error) {
	settings, now := r.region.lifecycleSettings(), r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lifecycle.text == "" {
		return 0, nil
	}
	rules, err := parseLifecyclePolicy(r.lifecycle.text)
	if err != nil {
		return 0, err
	}
	r.lifecycle.evaluated = now
	list := r.evaluateLifecycle(rules, now, settings.countMembers)
	for _, a := range list {
		if a.action == "EXPIRE" {
			r.remove(a.image)
		} else {
			a.toArchive(now)
		}
	}
	return len(list), nil
}

// PreviewLifecyclePolicy starts a preview of a policy, and returns the digests of
// what it would expire or archive, sorted.
func (r *Repository) PreviewLifecyclePolicy(text string) ([]string, error) {
	settings, now := r.region.lifecycleSettings(), r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.startPreview(text, settings, now); err != nil {
		return nil, err
	}
	var digests []string
	for _, a := range r.lifecycle.preview.affected {
		digests = append(digests, a.digest)
	}
	return digests, nil
}

// startPreview replaces the preview. The lock is held.
func (r *Repository) startPreview(text string, settings lifecycleSettings, now time.Time) error {
	rules, err := parseLifecyclePolicy(text)
	if err != nil {
		return err
	}
	r.lifecycle.preview = &lifecyclePreview{text, now, r.evaluateLifecycle(rules, now, settings.countMembers)}
	return nil
}

// evaluateLifecycle returns the images that a policy would act on, by digest. The
// lock is held. The rules are from "How lifecycle policies work" in the ECR user
// guide; of equal push times the smaller digest counts as newer here.
func (r *Repository) evaluateLifecycle(rules []lifecycleRule, now time.Time, members bool) []affected {
	taken := map[*image]bool{} // by a rule whose tag requirement it meets
	found := map[string]affected{}
	for i := range rules {
		rule := &rules[i]
		var selected []*image
		for _, img := range r.images.from("") {
			member := len(r.parents[img.digest]) > 0 || r.attached(img)
			if (members || !member) && rule.archived() == (img.status(now) == statusArchived) && rule.meets(img.tags) {
				selected = append(selected, img)
			}
		}
		slices.SortFunc(selected, func(a, b *image) int {
			return cmp.Or(b.since(rule, now).Compare(a.since(rule, now)), strings.Compare(a.digest, b.digest))
		})
		for n, img := range selected {
			acts := n >= rule.Selection.CountNumber
			if rule.Selection.CountUnit == "days" {
				acts = now.Sub(img.since(rule, now)) > time.Duration(rule.Selection.CountNumber)*24*time.Hour
			}
			if acts && !taken[img] {
				found[img.digest] = affected{img, strings.ToUpper(rule.Action.Type), rule.RulePriority}
			}
		}
		for _, img := range selected {
			taken[img] = true
		}
	}
	r.spareListed(found)
	r.takeAttached(found)
	var list []affected
	for _, a := range found {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b affected) int { return strings.Compare(a.digest, b.digest) })
	return list
}

// attached says whether what the image refers to is there.
func (r *Repository) attached(img *image) bool {
	_, there := r.images.get(img.subject)
	return img.subject != "" && there
}

// since returns from when on a rule counts the days of an image.
func (i *image) since(rule *lifecycleRule, now time.Time) time.Time {
	at := i.pushed
	if restored := i.activatedAt(now); restored.After(at) {
		at = restored
	}
	switch rule.Selection.CountType {
	case "sinceImageTransitioned":
		return i.archivedAt()
	case "sinceImagePulled":
		if i.pulled.After(at) {
			return i.pulled
		}
	}
	return at
}

// spareListed leaves out what an index lists that stays.
func (r *Repository) spareListed(found map[string]affected) {
	for again := true; again; {
		again = false
		for digest := range found {
			for _, parent := range r.parents[digest] {
				if _, goes := found[parent]; !goes {
					delete(found, digest)
					again = true
				}
			}
		}
	}
}

// takeAttached adds what is attached to what goes.
func (r *Repository) takeAttached(found map[string]affected) {
	for again := true; again; {
		again = false
		for _, subject := range found {
			for _, digest := range r.referrers[subject.digest] {
				img, there := r.images.get(digest)
				if _, goes := found[digest]; goes || !there {
					continue
				}
				listed := slices.ContainsFunc(r.parents[digest], func(parent string) bool {
					_, goes := found[parent]
					return !goes
				})
				if !listed {
					found[digest] = affected{img, subject.action, subject.priority}
					again = true
				}
			}
		}
	}
}
