package embedded

import (
	"slices"
	"strings"
	"time"
)

type lifecycleInput struct {
	repositoryInput
	LifecyclePolicyText *string `json:"lifecyclePolicyText"` // StartLifecyclePolicyPreview can do without
}

type lifecycleOutput struct {
	RegistryID          string `json:"registryId"`
	RepositoryName      string `json:"repositoryName"`
	LifecyclePolicyText string `json:"lifecyclePolicyText"`
	LastEvaluatedAt     epoch  `json:"lastEvaluatedAt,omitzero"`
	Status              string `json:"status,omitempty"`
}

// putLifecyclePolicy stores the policy. It acts when ApplyLifecyclePolicies is
// called.
func putLifecyclePolicy(c *Call, repo *Repository, in *lifecycleInput) (any, error) {
	if in.LifecyclePolicyText == nil {
		return nil, invalidAt("lifecyclePolicyText", "must not be null")
	}
	if _, err := parseLifecyclePolicy(*in.LifecyclePolicyText); err != nil {
		return nil, err
	}
	repo.mu.Lock()
	defer repo.mu.Unlock()
	repo.lifecycle.text, repo.lifecycle.evaluated = *in.LifecyclePolicyText, time.Time{}
	return repo.lifecycleOutput(*in.LifecyclePolicyText), nil
}

func (r *Repository) lifecycleOutput(text string) lifecycleOutput {
	return lifecycleOutput{RegistryID: r.region.Account.ID, RepositoryName: r.name, LifecyclePolicyText: text}
}

func getLifecyclePolicy(_ *Call, repo *Repository, _ *repositoryInput) (any, error) {
	return repo.lifecyclePolicy(false)
}

func deleteLifecyclePolicy(_ *Call, repo *Repository, _ *repositoryInput) (any, error) {
	return repo.lifecyclePolicy(true)
}

// lifecyclePolicy returns the policy, and removes it when asked to.
func (r *Repository) lifecyclePolicy(remove bool) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lifecycle.text == "" {
		return nil, r.noLifecyclePolicy()
	}
	out := r.lifecycleOutput(r.lifecycle.text)
	out.LastEvaluatedAt = epoch(r.lifecycle.evaluated)
	if remove {
		r.lifecycle.text, r.lifecycle.evaluated = "", time.Time{}
	}
	return out, nil
}

func (r *Repository) noLifecyclePolicy() *Error {
	return errorf("LifecyclePolicyNotFoundException",
		"Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", r.name, r.region.Account.ID)
}

// previewExpiry is how long a preview is kept. ECR has the status EXPIRED and
// does not say when.
const previewExpiry = 24 * time.Hour

// status returns LifecyclePolicyPreviewStatus at a time.
func (p *lifecyclePreview) status(now time.Time, takes time.Duration) string {
	switch age := now.Sub(p.started); {
	case age < takes:
		return "IN_PROGRESS"
	case age > previewExpiry:
		return "EXPIRED"
	}
	return "COMPLETE"
}

func startLifecyclePolicyPreview(c *Call, repo *Repository, in *lifecycleInput) (any, error) {
	settings := repo.region.lifecycleSettings()
	repo.mu.Lock()
	defer repo.mu.Unlock()
	text := repo.lifecycle.text
	if in.LifecyclePolicyText != nil {
		text = *in.LifecyclePolicyText
	} else if text == "" {
		return nil, repo.noLifecyclePolicy()
	}
	if p := repo.lifecycle.preview; p != nil && p.status(c.Now, settings.previewTime) == "IN_PROGRESS" {
		return nil, errorf("LifecyclePolicyPreviewInProgressException",
			"There is already a lifecycle policy preview in progress for the repository with name '%s' in the registry with id '%s'", repo.name, repo.region.Account.ID)
	}
	if err := repo.startPreview(text, settings, c.Now); err != nil {
		return nil, err
	}
	out := repo.lifecycleOutput(text)
	out.Status = "IN_PROGRESS"
	return out, nil
}

type lifecyclePreviewInput struct {
	page
	repositoryInput
	ImageIDs []imageID   `json:"imageIds"`
	Filter   imageFilter `json:"filter"`
}

type lifecycleAction struct {
	Type               string `json:"type"`
	TargetStorageClass string `json:"targetStorageClass,omitempty"`
}

type lifecyclePreviewResult struct {
	ImageTags           []string        `json:"imageTags,omitempty"`
	ImageDigest         string          `json:"imageDigest"`
	ImagePushedAt       epoch           `json:"imagePushedAt"`
	Action              lifecycleAction `json:"action"`
	AppliedRulePriority int             `json:"appliedRulePriority"`
	StorageClass        string          `json:"storageClass"`
}

type transitioningImages struct {
	TargetStorageClass string `json:"targetStorageClass"`
	ImageTotalCount    int    `json:"imageTotalCount"`
}

type lifecyclePreviewOutput struct {
	lifecycleOutput
	NextToken      string                   `json:"nextToken,omitempty"`
	PreviewResults []lifecyclePreviewResult `json:"previewResults"`
	Summary        struct {
		ExpiringImageTotalCount       int                   `json:"expiringImageTotalCount"`
		TransitioningImageTotalCounts []transitioningImages `json:"transitioningImageTotalCounts,omitempty"`
	} `json:"summary"`
}

func getLifecyclePolicyPreview(c *Call, repo *Repository, in *lifecyclePreviewInput) (any, error) {
	if in.ImageIDs != nil {
		if in.page.given() {
			return nil, invalid("nextToken and maxResults cannot be given together with imageIds")
		}
		if err := checkLength("imageIds", in.ImageIDs); err != nil {
			return nil, err
		}
	}
	if err := in.Filter.check(); err != nil {
		return nil, err
	}
	at, err := in.start(c, repo.ARN(), 100, 100)
	if err != nil {
		return nil, err
	}
	settings := repo.region.lifecycleSettings()
	repo.mu.Lock()
	defer repo.mu.Unlock()
	p := repo.lifecycle.preview
	if p == nil {
		return nil, errorf("LifecyclePolicyPreviewNotFoundException",
			"There is no lifecycle policy preview for the repository with name '%s' in the registry with id '%s'", repo.name, repo.region.Account.ID)
	}
	out := lifecyclePreviewOutput{lifecycleOutput: repo.lifecycleOutput(p.text), PreviewResults: []lifecyclePreviewResult{}}
	out.Status = p.status(c.Now, settings.previewTime)
	if out.Status != "COMPLETE" {
		return out, nil
	}
	transitions := 0
	for _, a := range p.affected {
		if a.action == "EXPIRE" {
			out.Summary.ExpiringImageTotalCount++
		} else {
			transitions++
		}
		wanted := in.ImageIDs == nil
		for _, id := range in.ImageIDs {
			img, _ := repo.find(id)
			wanted = wanted || img == a.image
		}
		if !wanted || a.digest < at.key || !a.hasTagStatus(in.Filter.TagStatus) {
			continue
		}
		if len(out.PreviewResults) == at.size {
			out.NextToken = at.next(a.digest)
			at.key = "~" // counted further, and not listed
			continue
		}
		out.PreviewResults = append(out.PreviewResults, a.result(c.Now))
	}
	if transitions > 0 {
		out.Summary.TransitioningImageTotalCounts = []transitioningImages{{"ARCHIVE", transitions}}
	}
	return out, nil
}

func (i *image) hasTagStatus(status string) bool {
	return i.matches(imageFilter{TagStatus: status, ImageStatus: "ANY"}, time.Time{})
}

func (a *affected) result(now time.Time) lifecyclePreviewResult {
	out := lifecyclePreviewResult{
		// A copy, for the answer is encoded when the lock is gone.
		ImageTags: slices.Clone(a.tags), ImageDigest: a.digest, ImagePushedAt: epoch(a.pushed),
		Action: lifecycleAction{Type: a.action}, AppliedRulePriority: a.priority, StorageClass: "STANDARD",
	}
	if strings.EqualFold(a.action, "TRANSITION") {
		out.Action.TargetStorageClass = "ARCHIVE"
	}
	if a.status(now) == statusArchived {
		out.StorageClass = "ARCHIVE"
	}
	return out
}
