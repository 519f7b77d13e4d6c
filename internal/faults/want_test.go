package faults_test

import (
	"regexp"
	"strings"
)

// extent is how far a run gets with a repository.
type extent int

const (
	// finished: all that should go is gone.
	finished extent = iota
	// untouched: it is as it was.
	untouched
	// between: what must stay is there, and of the rest some may be gone.
	between
)

// want is what must come of a run in which one call goes wrong once.
type want struct {
	exit int
	// at are the repositories that the fault is about, by name or by a prefix
	// that ends in a slash; "" is all. They get to extent, and others to rest.
	at           string
	extent, rest extent
}

// of returns how far the run must get with a repository.
func (w want) of(repository string) extent {
	if w.at == "" || w.at == repository || strings.HasSuffix(w.at, "/") && strings.HasPrefix(repository, w.at) {
		return w.extent
	}
	return w.rest
}

var (
	all = want{exit: done}
	// ended is a run that stops before it changes anything.
	ended = want{exit: failed, extent: untouched}
)

// wanted returns what must come of a fault of one call. It is the design,
// written down again: who fails, and what that holds.
func wanted(k kind, c seen) want {
	service, operation, _ := strings.Cut(c.action, ":")
	if (k.passes || k.passesAt == c.action) && !(service == "s3" && k.name == "malformed") {
		return all
	}
	switch service {
	case "ecs", "lambda", "s3":
		// A source that fails is a gap over what it covers: everything. Half of
		// a snapshot is such a failure too: an object has no form that would
		// tell that it arrived in half.
		return want{exit: held, extent: untouched}
	case "apprunner":
		return want{exit: held, at: "sites/", extent: untouched}
	}
	if k.name == "expired token" {
		// Nothing else could be called either. What was done until then stays
		// done.
		if c.phase == applying && about(c) != "" {
			return want{exit: stopped, extent: between}
		}
		return ended
	}
	switch operation {
	case "GetResources":
		return all // each repository is asked for by itself
	case "ListTagsForResource":
		// A rule reads the tags of jobs/** alone.
		if strings.HasPrefix(about(c), "jobs/") {
			return want{exit: held, at: about(c), extent: untouched}
		}
		return all
	case "BatchGetImage":
		if k.name == "empty object" {
			// The images are known, and of the indexes that cannot be read ECR lets
			// nothing tagged go that they list: whether anything is held depends.
			return want{exit: unknown, at: about(c), extent: between}
		}
		return want{exit: held, at: about(c), extent: untouched}
	case "DescribeImages":
		return want{exit: held, at: about(c), extent: untouched}
	case "BatchDeleteImage", "UpdateImageStorageClass":
		return want{exit: partial, at: about(c), extent: between}
	}
	return ended
}

// rechecked returns what must come of a fault of one call of a reading between
// deletions. What was done until then stays done.
func rechecked(k kind, c seen) want {
	w := wanted(k, c)
	if strings.HasPrefix(c.action, "apprunner:") && w.exit == held {
		w.exit = unknown // of what it covers all may be done by then
	}
	if w.extent == untouched {
		w.extent = between
	}
	return w
}

var (
	named = regexp.MustCompile(`"repositoryName":"([^"]+)"`)
	byARN = regexp.MustCompile(`:repository/([^"]+)"`)
)

// about returns the repository that a call is about, or "".
func about(c seen) string {
	for _, pattern := range []*regexp.Regexp{named, byARN} {
		if m := pattern.FindStringSubmatch(c.request); m != nil {
			return m[1]
		}
	}
	return ""
}
