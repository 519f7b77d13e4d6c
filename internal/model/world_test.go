// Package model_test runs the whole command against random accounts and compares
// what is left with what an oracle says must be. The oracle reads the account
// itself and not what regsweep read, and shares no code with it.
//
// More worlds, or a failure again:
//
//	go test ./internal/model -run TestModel -model.worlds=200000 [-rapid.seed=N]
package model_test

import (
	"fmt"
	"strings"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/oracle"
)

const (
	second = int64(1000)
	minute = 60 * second
	day    = 24 * 60 * minute
)

// world is everything that a run depends on, as it is drawn. Images are named by
// their position in their repository, and repositories by their position.
type world struct {
	Repos  []repoSpec
	Policy oracle.Policy
	// MaxDeletes is the limit of a run; 0 is the default.
	MaxDeletes int
	// Ripe says that the grace period is over when the second run begins.
	Ripe    bool
	Sources []source
	Uses    []use
	// Moves are tags that move after the uses began.
	Moves []move
	// Alias says that the registry has an alias.
	Alias bool
	// Excluded says that regsweep's own pulls are not recorded.
	Excluded bool
	// NoTags denies the resource tags.
	NoTags bool
	// Flaky lets every so many calls fail once, for a passing reason; 0 is never.
	Flaky int
	// Now is the time of judgement that the commands are given.
	Now judgement
	// Saved applies a saved plan; without it apply plans itself.
	Saved bool
	// All lists kept images in the plan.
	All bool
	// Pause is how long after the plan it is applied, in milliseconds.
	Pause int64
	// Batch is how many images one call deletes at most.
	Batch int
	// Between are events between plan and apply, and During those of the apply.
	Between []event
	During  []during
	// Kill ends the process in the first apply, or is nil.
	Kill *kill
}

// judgement is a time of judgement.
type judgement int

const (
	clockNow  judgement = iota // none is given
	givenNow                   // that of the clock when the command begins
	givenPast                  // the beginning of the world
)

// repoSpec is a repository.
type repoSpec struct {
	Name      string
	Region    string
	Tags      map[string]string
	Immutable bool
	// Unreadable says that the images of the repository cannot be listed.
	Unreadable bool
	Images     []img
}

// kind is the form of a manifest.
type kind int

const (
	plain kind = iota
	docker
	index
	dockerList
	artifact
	soci
)

func (k kind) String() string {
	return [...]string{"image", "docker image", "index", "docker list", "artifact", "soci index"}[k]
}

// Positions that are none.
const (
	none = -1
	gone = -2
)

// img is an image.
type img struct {
	// Seed names its content. Equal content in two repositories has one digest.
	Seed int
	Kind kind
	// Lists are images before it, and Platforms says that the index names theirs.
	Lists     []int
	Platforms bool
	// Subject is an image before it, gone, or none.
	Subject int
	Tags    []string
	// AttachTag makes it an artifact of another image by its tag, which ends so;
	// AttachTo is that image, or gone.
	AttachTag string
	AttachTo  int
	// Ago is how long ago it was pushed, and Pulled how long ago it was pulled,
	// or none.
	Ago, Pulled int64
	Archived    bool
	// Fails says that it can neither be read nor deleted.
	Fails bool
	// Deleted says that somebody deletes it before regsweep runs.
	Deleted bool
	Big     bool
}

func (i *img) isIndex() bool { return i.Kind == index || i.Kind == dockerList }

// source is a usage source.
type source struct {
	Kind    string // ecs, lambda, appRunner or snapshot
	Covers  []string
	AtLeast int
	// Broken says that it cannot be read, and Ignored that this is overridden.
	Broken, Ignored bool
}

// ref is how somebody refers to an image.
type ref struct {
	// Repo is a repository, or gone.
	Repo int
	Tag  string
	// Digest is an image, gone, or none.
	Digest int
	Host   host
	// ID is an image that is named by its config, or none.
	ID int
}

// host is the form of a registry's name.
type host int

const (
	own host = iota
	fips
	dualstack
	upper
	alias
	otherAccount
	otherRegion
	foreign
)

const aliasHost = "images.example.com"

func (h host) name(region string) string {
	standard := embedded.DefaultAccount + ".dkr.ecr." + region + ".amazonaws.com"
	switch h {
	case own:
	case fips:
		return embedded.DefaultAccount + ".dkr.ecr-fips." + region + ".amazonaws.com"
	case dualstack:
		return embedded.DefaultAccount + ".dkr-ecr." + region + ".on.aws"
	case upper:
		return strings.ToUpper(standard) + ":443"
	case alias:
		return aliasHost
	case otherAccount:
		return "444455556666.dkr.ecr." + region + ".amazonaws.com"
	case otherRegion:
		return embedded.DefaultAccount + ".dkr.ecr.ap-south-1.amazonaws.com"
	case foreign:
		return "registry.example.com:5000"
	}
	return standard
}

// use is somebody who uses an image.
type use struct {
	// By is task, service, definition, function, apprunner or snapshot.
	By  string
	Ref ref
	// Then is what a service or a function is deployed with afterwards, or nil.
	Then    *ref
	Outcome embedded.DeploymentOutcome
	// Count is how many tasks a service runs.
	Count int
	// Publish says that a function's first version is published.
	Publish bool
}

// of is the kind of the source that sees the use.
func (u use) of() string {
	switch u.By {
	case "function":
		return "lambda"
	case "apprunner":
		return "appRunner"
	case "snapshot":
		return "snapshot"
	}
	return "ecs"
}

// move puts a tag on an image.
type move struct {
	Repo, Image int
	Tag         string
}

// event is something that others do. It is about one of the condemned images of
// a repository, or about any where none is condemned.
type event struct {
	What   string
	Repo   int
	Target int
	// Other is another image, for tags that move.
	Other int
	Tag   string
	Flag  bool
}

// during is what happens whenever the n-th deletion of a repository is sent:
// first the event, in that repository, and then the call takes so long.
type during struct {
	Nth int
	event
	Takes int64
}

// kill ends the process with the n-th deletion of a repository, from 0. Acted
// says that AWS acted on that call.
type kill struct {
	Repo, Nth int
	Acted     bool
}

// GoString prints the world as what a person needs to repeat a failure.
func (w world) GoString() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, "\n  "+format, args...) }
	p("saved %v all %v now %v pause %dms batch %d flaky %d excluded %v no tags %v ripe %v", w.Saved, w.All, w.Now, w.Pause, w.Batch, w.Flaky, w.Excluded, w.NoTags, w.Ripe)
	for _, line := range strings.Split(strings.TrimSpace(w.config()), "\n") {
		p("| %s", line)
	}
	for r, repo := range w.Repos {
		p("repository %d: %s in %s tags %v immutable %v unreadable %v", r, repo.Name, repo.Region, repo.Tags, repo.Immutable, repo.Unreadable)
		for n, i := range repo.Images {
			p("  image %d: seed %d %s %q ago %gd pulled %gd lists %v platforms %v subject %d attached %q to %d archived %v fails %v deleted %v big %v", n, i.Seed, i.Kind,
				i.Tags, float64(i.Ago)/float64(day), float64(i.Pulled)/float64(day), i.Lists, i.Platforms, i.Subject, i.AttachTag, i.AttachTo, i.Archived, i.Fails, i.Deleted, i.Big)
		}
	}
	for _, s := range w.Sources {
		p("source %+v", s)
	}
	for _, u := range w.Uses {
		p("use %+v then %+v", u, u.Then)
	}
	for _, m := range w.Moves {
		p("move %+v", m)
	}
	for _, e := range w.Between {
		p("between %+v", e)
	}
	for _, d := range w.During {
		p("during %+v", d)
	}
	if w.Kill != nil {
		p("kill %+v", *w.Kill)
	}
	return b.String()
}
