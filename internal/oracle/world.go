// Package oracle is a second reading of the law for one repository, for tests
// only. It is written from the design and not from the code that it judges: it
// has its own types (digests are strings, times are milliseconds since 1970 and
// 0 is unknown), asks the same question again and again instead of remembering
// the answer, and is slow. What it shares with the real code is the library for
// semantic versions.
package oracle

// World is everything that the verdicts on one repository follow from.
type World struct {
	Now        int64
	Repository Repository
	Policy     Policy
	Uses       []Use
	// Gaps are what could not be read and could hold a use of this repository.
	Gaps []string
	// Leftovers are images that an earlier run was to delete with their roots and
	// that it may have left, by digest.
	Leftovers map[string]Leftover
}

// Leftover is an image as it was when its root was deleted.
type Leftover struct {
	Root   string
	Tags   []string
	Pushed int64
}

// Repository is one repository with its images, in any order.
type Repository struct {
	Name string
	// Tags are resource tags; they are not known where TagsUnknown is set.
	Tags        map[string]string
	TagsUnknown bool
	// Guards says that the registry refuses to delete what an index lists.
	Guards bool
	Images []Image
}

// Image is one manifest.
type Image struct {
	Digest string
	Tags   []string
	// Pushed and Pulled are 0 where they are not known.
	Pushed, Pulled int64
	// Size is in bytes.
	Size     int64
	Archived bool
	// Index says that it is an index, which Lists others, in any order.
	Index bool
	Lists []Entry
	// Unreadable is an index of which nobody knows what it lists.
	Unreadable bool
	// Subject is what it is attached to by the OCI field, or "".
	Subject string
	// Config is the digest of its config, where its manifest was read, or "".
	Config string
	// OwnPull says that Pulled may be regsweep's own reading of the manifest;
	// PulledBefore is what it was before that.
	OwnPull      bool
	PulledBefore int64
}

// Entry is one entry of an index. Platform says that it names one.
type Entry struct {
	Digest   string
	Platform bool
}

// Use is one reason why an image must not be deleted. Here says that it names
// this repository of this registry; what else it says may be empty.
type Use struct {
	Here        bool
	Tag, Digest string
	// OtherDigest is a digest of another algorithm than SHA-256.
	OtherDigest string
	// ImageID is a config digest.
	ImageID string
}

// Policy is what the configuration says.
type Policy struct {
	Protect []Protect
	Rules   []Rule
	// MaxSharePercent is the largest share of the images that may go.
	MaxSharePercent int
	MinRemaining    int
	// MarkPrefix and MarkName are the tags that `regsweep tag` writes.
	MarkPrefix, MarkName string
	// Grace is how many milliseconds an image is condemned before it goes; 0 is
	// no grace period.
	Grace int64
}

// Protect wins over every rule.
type Protect struct{ Repositories, Tags []string }

// Rule governs roots, or orphans.
type Rule struct {
	Repositories   []string
	RepositoryTags map[string]string
	Tags           []string
	AnyTag         bool
	Untagged       bool
	Orphans        bool
	// Semver orders by version, and not by push time.
	Semver  bool
	Keeps   []Keep
	Archive bool
}

// Keep keeps what all of its fields hold for; 0, "" and nil are not set.
// Durations are milliseconds.
type Keep struct {
	Newest       int
	Per          string
	YoungerThan  *Age
	PulledWithin int64
	UsedWithin   int64
	Semver       string
	MaxImages    int
	When         *When
}

// When stands for the expressions: an image that is smaller than Below bytes and
// has not the tag Without.
type When struct {
	Below   int64
	Without string
}

// Age is a number of milliseconds, or what a resource tag of the repository
// says, in units of Unit milliseconds where the tag names no unit.
type Age struct {
	Fixed      int64
	Tag        string
	Unit       int64
	HasDefault bool
	Default    int64
}

// Judgement is the verdict on one image.
type Judgement struct {
	// Verdict is keep, held, archive or delete.
	Verdict string
	// Grounds are the sorted codes of the reasons, for roots and orphans only.
	Grounds []string
	// Mark is what an apply does about marks: condemn, unmark, or nothing.
	Mark string
}
