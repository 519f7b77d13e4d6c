package embedded

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Mutability says whether the tags of a repository can move to another image.
type Mutability string

// The four modes of ECR. With an exclusion, tags that match one of the
// repository's filters are treated the other way.
const (
	Mutable                Mutability = "MUTABLE"
	Immutable              Mutability = "IMMUTABLE"
	MutableWithExclusion   Mutability = "MUTABLE_WITH_EXCLUSION"
	ImmutableWithExclusion Mutability = "IMMUTABLE_WITH_EXCLUSION"
)

// repositoryName is the pattern of RepositoryName in the service model.
var repositoryName = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// RepositoryOptions configures a new repository. The zero value is what ECR
// makes by default.
type RepositoryOptions struct {
	// Tags are the resource tags.
	Tags map[string]string
	// Mutability defaults to Mutable.
	Mutability Mutability
	// Exclusions are the wildcard filters of the modes with an exclusion.
	Exclusions []string
	// CreatedAt defaults to the time on the server's clock.
	CreatedAt time.Time
}

// Repository is one ECR repository. It is safe for concurrent use.
type Repository struct {
	region *Region
	name   string

	mu         sync.Mutex
	created    time.Time
	mutability Mutability
	exclusions []string
	scan       bool
	encryption encryption
	lifecycle  lifecycle
	tags       map[string]string
	everTagged bool // the tagging API lists a repository once it had a tag
	images     ordered[*image]
	byTag      map[string]*image
	parents    map[string][]string // child digest to the indexes that list it
	referrers  map[string][]string // subject digest to its referrers
	layers     map[string]bool     // uploaded layers that no image need list
	leftovers  map[string]leftover // blobs of deleted images that are not collected yet
	failures   map[string]string   // digest or tag to failure code; "" for all
}

// ecrState is the ECR registry of one account and region.
type ecrState struct {
	mu           sync.Mutex
	repositories ordered[*Repository]
	exclusions   ordered[time.Time] // principals whose pulls are not recorded
	lifecycle    lifecycleSettings
}

// CreateRepository makes a repository. The error is an *Error, as the API
// gives it.
func (r *Region) CreateRepository(name string, o RepositoryOptions) (*Repository, error) {
	if o.Mutability == "" {
		o.Mutability = Mutable
	}
	if o.CreatedAt.IsZero() {
		o.CreatedAt = r.Account.server.clock()
	}
	if err := checkRepositoryName(name); err != nil {
		return nil, err
	}
	if err := checkMutability(o.Mutability, o.Exclusions); err != nil {
		return nil, err
	}
	if err := checkTags(o.Tags); err != nil {
		return nil, err
	}
	repo := &Repository{
		region: r, name: name, created: o.CreatedAt,
		mutability: o.Mutability, exclusions: slices.Clone(o.Exclusions),
		encryption: encryption{EncryptionType: "AES256"},
		tags:       maps.Clone(o.Tags), everTagged: len(o.Tags) > 0,
		byTag: map[string]*image{}, parents: map[string][]string{}, referrers: map[string][]string{},
		layers: map[string]bool{}, leftovers: map[string]leftover{}, failures: map[string]string{},
	}
	r.ecr.mu.Lock()
	defer r.ecr.mu.Unlock()
	if _, exists := r.ecr.repositories.get(name); exists {
		return nil, errorf("RepositoryAlreadyExistsException",
			"The repository with name '%s' already exists in the registry with id '%s'", name, r.Account.ID)
	}
	if r.ecr.repositories.len() >= maxRepositories {
		return nil, errorf("LimitExceededException", "The registry with id '%s' already has %d repositories", r.Account.ID, maxRepositories)
	}
	r.ecr.repositories.put(name, repo)
	return repo, nil
}

// MustCreateRepository is CreateRepository for names and options that are
// known to be right; it panics on an error.
func (r *Region) MustCreateRepository(name string, o RepositoryOptions) *Repository {
	repo, err := r.CreateRepository(name, o)
	if err != nil {
		panic(fmt.Errorf("create repository %s: %w", name, err))
	}
	return repo
}

// Repository returns the repository with the name, if there is one.
func (r *Region) Repository(name string) (*Repository, bool) {
	r.ecr.mu.Lock()
	defer r.ecr.mu.Unlock()
	return r.ecr.repositories.get(name)
}

// Repositories returns all repositories, sorted by name.
func (r *Region) Repositories() []*Repository {
	r.ecr.mu.Lock()
	defer r.ecr.mu.Unlock()
	all := make([]*Repository, 0, r.ecr.repositories.len())
	for _, repo := range r.ecr.repositories.from("") {
		all = append(all, repo)
	}
	return all
}

// Name returns the repository's name, such as "apps/web".
func (r *Repository) Name() string { return r.name }

// Region returns the region that the repository is in.
func (r *Repository) Region() *Region { return r.region }

// ARN returns the repository's Amazon resource name.
func (r *Repository) ARN() string { return r.region.repositoryARN(r.name) }

// URI returns the registry's host and the repository's name, as images are
// referred to.
func (r *Repository) URI() string { return r.region.registryHost() + "/" + r.name }

// registryHost returns the host name of the account's registry in the region.
func (r *Region) registryHost() string {
	return r.Account.ID + ".dkr.ecr." + r.Name + ".amazonaws.com"
}

// repositoryARN returns the ARN of a repository, whether or not it exists.
func (r *Region) repositoryARN(name string) string {
	return "arn:aws:ecr:" + r.Name + ":" + r.Account.ID + ":repository/" + name
}

// Image is what is known of one image, for assertions.
type Image struct {
	Digest                  string
	Tags                    []string // sorted
	MediaType, ArtifactType string
	Subject                 string   // digest of what it refers to, or empty
	Children                []string // digests that an index lists
	Size                    int64    // imageSizeInBytes
	PushedAt                time.Time
	PulledAt                time.Time // zero when no pull was recorded
	Status                  string    // ACTIVE, ARCHIVED or ACTIVATING
	ArchivedAt, ActivatedAt time.Time // zero when it never happened
	Manifest                []byte
}

// Images returns all images, sorted by digest.
func (r *Repository) Images() []Image {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Image, 0, r.images.len())
	for _, img := range r.images.from("") {
		all = append(all, img.export(now))
	}
	return all
}

// Image returns one image by digest or tag, if there is one.
func (r *Repository) Image(reference string) (Image, bool) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	img, ok := r.images.get(reference)
	if !ok {
		img, ok = r.byTag[reference]
	}
	if !ok {
		return Image{}, false
	}
	return img.export(now), true
}

// Pull records a pull of the image (by digest or tag) at the time. It reports
// whether there is such an image.
func (r *Repository) Pull(reference string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	img, ok := r.images.get(reference)
	if !ok {
		img, ok = r.byTag[reference]
	}
	if ok {
		img.pulled = at
	}
	return ok
}

// Archive moves the image (by digest or tag) to the archive storage class at
// the time. It reports whether there is such an image.
func (r *Repository) Archive(reference string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	img, ok := r.images.get(reference)
	if !ok {
		img, ok = r.byTag[reference]
	}
	if ok {
		img.toArchive(at)
	}
	return ok
}

// AddLayers makes layers known, as if they had been uploaded, so that PutImage
// accepts manifests that list them.
func (r *Repository) AddLayers(digests ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range digests {
		r.layers[d] = true
	}
}

// Fail makes BatchGetImage and BatchDeleteImage fail for an image with a
// failure code such as KmsError or ImageInaccessible. The reference is a
// digest or tag as requests name it, or "" for every image. An empty code
// takes the failure back.
func (r *Repository) Fail(reference, code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if code == "" {
		delete(r.failures, reference)
		return
	}
	r.failures[reference] = code
}

// failure returns the code that Fail set for the image, or "".
func (r *Repository) failure(id imageID) string {
	return cmp.Or(r.failures[cmp.Or(id.ImageDigest, id.ImageTag)], r.failures[""])
}

// now returns the time on the server's clock.
func (r *Repository) now() time.Time { return r.region.Account.server.clock() }
