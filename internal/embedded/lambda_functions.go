package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// latestVersion is the name of a function's unpublished version.
const latestVersion = "$LATEST"

// aliasName is the pattern of alias names: those of versions are left out
// (service model, Alias).
var aliasName = regexp.MustCompile(`^[a-zA-Z0-9_-]*[a-zA-Z_-][a-zA-Z0-9_-]*$`)

// lambdaImage is what the image of a function begins with: the standard host of a
// registry (API reference, FunctionCode), which is of the function's region
// (developer guide, "Create a Lambda function using a container image").
var lambdaImage = regexp.MustCompile(`^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/`)

// Lambda is AWS Lambda of one account and region. Its methods may be called by
// many goroutines at once.
type Lambda struct{ region *Region }

// Lambda returns the region's Lambda.
func (r *Region) Lambda() Lambda { return Lambda{r} }

// lambdaState is what Lambda has in one account and region.
type lambdaState struct {
	mu        sync.Mutex
	functions ordered[*Function] // by name
	last      map[string]int     // the last version number of each name: they are not given again
}

// Function is one Lambda function. The lock of its region's lambdaState guards
// it.
type Function struct {
	region    *Region
	name      string
	archive   bool // a .zip file, and no image
	latest    functionVersion
	published []functionVersion // by number
	aliases   ordered[*functionAlias]
}

// functionVersion is one version of a function.
type functionVersion struct {
	name            string // "$LATEST" or the number
	image, resolved string // ImageUri and ResolvedImageUri
	sum             string // CodeSha256
	modified        time.Time
}

// functionAlias is one alias of a function.
type functionAlias struct {
	name, version string
	weights       map[string]float64
}

// Name returns the function's name.
func (f *Function) Name() string { return f.name }

// ARN returns the function's Amazon resource name.
func (f *Function) ARN() string { return f.region.lambdaARN(f.name) }

func (f *Function) state() *lambdaState { return &f.region.lambda }

// CreateFunction makes a function that runs an image of the embedded ECR. The
// tag is resolved to a digest now. The error is an *Error, as the API gives it.
func (l Lambda) CreateFunction(name, imageURI string) (*Function, error) {
	return l.create(name, imageURI, false)
}

// CreateArchiveFunction makes a function that runs a .zip file.
func (l Lambda) CreateArchiveFunction(name string) (*Function, error) {
	return l.create(name, "", true)
}

func (l Lambda) create(name, imageURI string, archive bool) (*Function, error) {
	reference, ok := parseFunction(name)
	if !ok || reference.qualifier != "" {
		return nil, invalidValue("%s is not a function name", name)
	}
	f := &Function{region: l.region, name: reference.name, archive: archive}
	if err := f.setCode(imageURI); err != nil {
		return nil, err
	}
	state := f.state()
	state.mu.Lock()
	defer state.mu.Unlock()
	if _, exists := state.functions.get(f.name); exists {
		return nil, conflict("Function already exist: " + f.name)
	}
	state.functions.put(f.name, f)
	return f, nil
}

// setCode makes the image the code of the unpublished version.
func (f *Function) setCode(imageURI string) error {
	server := f.region.Account.server
	code := functionVersion{name: latestVersion, image: imageURI, modified: server.clock()}
	if !f.archive {
		parts := registryReference.FindStringSubmatch(imageURI)
		if parts == nil || !lambdaImage.MatchString(imageURI) || parts[2] != f.region.Name {
			return invalidValue("Source image %s is not valid. Provide a valid source image.", imageURI)
		}
		digest := server.resolve(imageURI)
		if digest == "" {
			return invalidValue("Source image %s does not exist. Provide a valid source image.", imageURI)
		}
		name, _, _ := strings.Cut(imageURI, "@")
		if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
			name = name[:colon]
		}
		code.resolved = name + "@" + digest
		code.sum = strings.TrimPrefix(digest, "sha256:")
	} else {
		sum := sha256.Sum256(fmt.Appendf(nil, "archive of %s", f.name))
		code.sum = hex.EncodeToString(sum[:])
	}
	f.latest = code
	return nil
}

// UpdateCode gives the unpublished version another image.
func (f *Function) UpdateCode(imageURI string) error {
	f.state().mu.Lock()
	defer f.state().mu.Unlock()
	return f.setCode(imageURI)
}

// Publish publishes the unpublished version and returns the number. Where
// nothing changed since the last one, that one is returned, as by the API.
func (f *Function) Publish() string {
	f.state().mu.Lock()
	defer f.state().mu.Unlock()
	return f.publish().name
}

func (f *Function) publish() functionVersion {
	if n := len(f.published); n > 0 && f.published[n-1].sum == f.latest.sum && f.published[n-1].image == f.latest.image {
		return f.published[n-1]
	}
	state := f.state()
	if state.last == nil {
		state.last = map[string]int{}
	}
	state.last[f.name]++
	v := f.latest
	v.name = strconv.Itoa(state.last[f.name])
	f.published = append(f.published, v)
	return v
}

// PutAlias makes or changes an alias. It routes to the version, and to other
// versions by their weights, which are shares of 1.
func (f *Function) PutAlias(name, version string, weights map[string]float64) error {
	f.state().mu.Lock()
	defer f.state().mu.Unlock()
	return f.putAlias(name, version, weights)
}

func (f *Function) putAlias(name, version string, weights map[string]float64) error {
	if !aliasName.MatchString(name) {
		return invalidValue("%s is not an alias name", name)
	}
	for _, v := range append([]string{version}, slices.Sorted(maps.Keys(weights))...) {
		if _, exists := f.version(v); !exists {
			return functionNotFound(f.ARN() + ":" + v)
		}
	}
	f.aliases.put(name, &functionAlias{name, version, maps.Clone(weights)})
	return nil
}

// Delete deletes the function with all its versions.
func (f *Function) Delete() {
	f.state().mu.Lock()
	defer f.state().mu.Unlock()
	f.state().functions.remove(f.name)
}

// version returns the version that has the name or number. The lock is held.
func (f *Function) version(name string) (functionVersion, bool) {
	if name == "" || name == latestVersion {
		return f.latest, true
	}
	for _, v := range f.published {
		if v.name == name {
			return v, true
		}
	}
	return functionVersion{}, false
}

// versions returns all versions in the order in which they are listed.
func (f *Function) versions() []functionVersion {
	return append([]functionVersion{f.latest}, f.published...)
}
