package embedded

import (
	"slices"
	"time"
)

// image is one manifest in a repository. Its repository's lock guards it.
type image struct {
	digest, mediaType, artifactType, subject string
	manifest                                 []byte
	size                                     int64 // imageSizeInBytes
	children                                 []string
	tags                                     []string // sorted
	pushed, pulled                           time.Time
	archive                                  *archive // nil when it never was archived
}

// archive is what happened to an image that was archived at least once.
type archive struct {
	archivedAt time.Time
	// restoredAt is when the image became or becomes active again; zero while
	// nobody asked for it.
	restoredAt time.Time
	// activatedBefore is when it became active the time before.
	activatedBefore time.Time
}

// The values of ImageStatus.
const (
	statusActive     = "ACTIVE"
	statusArchived   = "ARCHIVED"
	statusActivating = "ACTIVATING"
)

// status returns the image's status at a time.
func (i *image) status(now time.Time) string {
	switch {
	case i.archive == nil:
		return statusActive
	case i.archive.restoredAt.IsZero():
		return statusArchived
	case now.Before(i.archive.restoredAt):
		return statusActivating
	}
	return statusActive
}

// archivedAt returns when the image was last archived; zero means never.
func (i *image) archivedAt() time.Time {
	if i.archive == nil {
		return time.Time{}
	}
	return i.archive.archivedAt
}

// activatedAt returns when the image last became active again, as of now; zero
// means never.
func (i *image) activatedAt(now time.Time) time.Time {
	switch {
	case i.archive == nil:
		return time.Time{}
	case i.archive.restoredAt.IsZero() || now.Before(i.archive.restoredAt):
		return i.archive.activatedBefore
	}
	return i.archive.restoredAt
}

// toArchive archives the image.
func (i *image) toArchive(now time.Time) {
	i.archive = &archive{archivedAt: now, activatedBefore: i.activatedAt(now)}
}

// restore starts to make an archived image active again.
func (i *image) restore(now time.Time, takes time.Duration) {
	if i.status(now) == statusArchived {
		i.archive.restoredAt = now.Add(takes)
	}
}

// addTag gives the image a tag that it does not have.
func (i *image) addTag(tag string) {
	at, _ := slices.BinarySearch(i.tags, tag)
	i.tags = slices.Insert(i.tags, at, tag)
}

// removeTag takes a tag from the image.
func (i *image) removeTag(tag string) {
	if at, found := slices.BinarySearch(i.tags, tag); found {
		i.tags = slices.Delete(i.tags, at, at+1)
	}
}

// matches reports whether the image has the tag status and the image status
// of a filter; "ANY" is any, and so is "" for tags. No image status means
// ACTIVE.
func (i *image) matches(f imageFilter, now time.Time) bool {
	switch f.TagStatus {
	case "TAGGED":
		if len(i.tags) == 0 {
			return false
		}
	case "UNTAGGED":
		if len(i.tags) > 0 {
			return false
		}
	}
	switch f.ImageStatus {
	case "ANY":
		return true
	case "":
		return i.status(now) == statusActive
	}
	return i.status(now) == f.ImageStatus
}

// export returns what is known of the image.
func (i *image) export(now time.Time) Image {
	return Image{
		Digest: i.digest, Tags: slices.Clone(i.tags), MediaType: i.mediaType, ArtifactType: i.artifactType,
		Subject: i.subject, Children: slices.Clone(i.children), Size: i.size,
		PushedAt: i.pushed, PulledAt: i.pulled,
		Status: i.status(now), ArchivedAt: i.archivedAt(), ActivatedAt: i.activatedAt(now),
		Manifest: slices.Clone(i.manifest),
	}
}
