package ecr

import (
	"errors"
	"fmt"

	"github.com/regsweep/regsweep/internal/image"
)

// errNoDigest is an empty digest, or none.
var errNoDigest = errors.New("it is empty")

// detail reads one image. Of members that occur again the last one counts, and
// those that are null are absent.
func (p *pageReader) detail() error {
	var img image.Image
	var mediaType, artifactType []byte
	var subject image.Digest
	digestErr, subjectErr, statusErr := errNoDigest, error(nil), error(nil)
	p.tags.discard()
	err := p.Object(func(name []byte) (err error) {
		switch string(name) {
		case "imageDigest":
			img.Digest, digestErr, err = p.digest()
		case "imageTags":
			err = p.imageTags()
		case "imageSizeInBytes":
			img.Size, err = p.Integer(64)
		case "imagePushedAt":
			img.PushedAt, err = p.moment()
		case "imageManifestMediaType":
			mediaType, err = p.Text()
		case "artifactMediaType":
			artifactType, err = p.Text()
		case "lastRecordedPullTime":
			img.PulledAt, err = p.moment()
		case "subjectManifestDigest":
			subject, subjectErr, err = p.digest()
		case "imageStatus":
			img.Status, statusErr, err = p.status()
		case "registryId", "repositoryName":
			_, err = p.Text()
		case "lastArchivedAt", "lastActivatedAt":
			_, err = p.moment()
		case "imageScanStatus":
			err = p.scanStatus()
		case "imageScanFindingsSummary":
			err = p.scanFindings()
		default:
			err = p.Skip()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case digestErr != nil:
		return &unusableError{fmt.Errorf("read the digest of an image: %w", digestErr)}
	case subjectErr != nil && !errors.Is(subjectErr, errNoDigest):
		return &unusableError{fmt.Errorf("read the subject of image %s: %w", img.Digest, subjectErr)}
	case statusErr != nil:
		return &unusableError{fmt.Errorf("image %s has %w", img.Digest, statusErr)}
	}
	img.Type = p.shared.intern(mediaType, artifactType)
	if !subject.IsZero() {
		img.Type = image.NewType(img.MediaType(), img.ArtifactType(), subject)
	}
	p.images = append(p.images, img)
	p.tags.keep()
	return nil
}

// imageTags reads the tags of an image.
func (p *pageReader) imageTags() error {
	p.tags.discard()
	return p.List(func() error {
		tag, err := p.Text()
		if err == nil {
			p.tags.add(tag)
		}
		return err
	})
}

// digest reads a digest. unusable is for a string that is none.
func (p *pageReader) digest() (d image.Digest, unusable, err error) {
	text, err := p.Text()
	switch {
	case err != nil:
		return d, nil, err
	case len(text) == 0:
		return d, errNoDigest, nil
	}
	unusable = d.UnmarshalText(text)
	return d, unusable, nil
}

// status reads an image's status. unusable is for one that is not known.
func (p *pageReader) status() (s image.Status, unusable, err error) {
	text, err := p.Text()
	if err != nil {
		return 0, nil, err
	}
	s, unusable = statusOf(text)
	return s, unusable, nil
}

// statusOf returns the status of an image by ECR's name of it. No name is that of
// an image of before there was an archive.
func statusOf(name []byte) (image.Status, error) {
	switch string(name) {
	case "", "ACTIVE":
		return image.Active, nil
	case "ARCHIVED":
		return image.Archived, nil
	case "ACTIVATING":
		return image.Activating, nil
	}
	return 0, fmt.Errorf("the status %q, which this version of regsweep does not know", name)
}

// scanStatus reads an ImageScanStatus, of which nothing is used.
func (p *pageReader) scanStatus() error {
	return p.Object(func(name []byte) (err error) {
		switch string(name) {
		case "status", "description":
			_, err = p.Text()
		default:
			err = p.Skip()
		}
		return err
	})
}

// scanFindings reads an ImageScanFindingsSummary, of which nothing is used.
func (p *pageReader) scanFindings() error {
	return p.Object(func(name []byte) (err error) {
		switch string(name) {
		case "findingSeverityCounts":
			err = p.Object(func([]byte) error {
				_, err := p.Integer(32)
				return err
			})
		case "imageScanCompletedAt", "vulnerabilitySourceUpdatedAt":
			_, err = p.moment()
		default:
			err = p.Skip()
		}
		return err
	})
}
