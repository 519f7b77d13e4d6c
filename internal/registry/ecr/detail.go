package ecr

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/regsweep/regsweep/internal/image"
)

// errNoDigest is an empty digest, or none.
var errNoDigest = errors.New("it is empty")

// detail reads one image. Of members that occur again the last one counts, and
// those that are null are absent.
func (p *pageReader) detail() error {
	var img image.Image
	digestErr, subjectErr, statusErr := errNoDigest, error(nil), error(nil)
	p.tags.discard()
	err := p.object(func(name []byte) (err error) {
		switch string(name) {
		case "imageDigest":
			img.Digest, digestErr, err = p.digest()
		case "imageTags":
			err = p.imageTags()
		case "imageSizeInBytes":
			img.Size, err = p.integer(64)
		case "imagePushedAt":
			img.PushedAt, err = p.moment()
		case "imageManifestMediaType":
			img.MediaType, err = p.mediaType()
		case "artifactMediaType":
			img.ArtifactType, err = p.mediaType()
		case "lastRecordedPullTime":
			img.PulledAt, err = p.moment()
		case "subjectManifestDigest":
			img.Subject, subjectErr, err = p.digest()
		case "imageStatus":
			img.Status, statusErr, err = p.status()
		case "registryId", "repositoryName":
			_, err = p.text()
		case "lastArchivedAt", "lastActivatedAt":
			_, err = p.moment()
		case "imageScanStatus":
			err = p.scanStatus()
		case "imageScanFindingsSummary":
			err = p.scanFindings()
		default:
			err = p.skip()
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
	p.images = append(p.images, img)
	p.tags.keep()
	return nil
}

// imageTags reads the tags of an image.
func (p *pageReader) imageTags() error {
	p.tags.discard()
	return p.list(func() error {
		tag, err := p.text()
		if err == nil {
			p.tags.add(tag)
		}
		return err
	})
}

// digest reads a digest. unusable is for a string that is none.
func (p *pageReader) digest() (d image.Digest, unusable, err error) {
	const prefix = `"sha256:`
	const size = len(prefix) + 2*len(d) + 1
	if _, err := p.next(); err != nil {
		return d, nil, err
	}
	if rest := p.data[p.at:]; len(rest) >= size && string(rest[:len(prefix)]) == prefix && rest[size-1] == '"' {
		if decodeHex(&d, rest[len(prefix):]) {
			p.at += size
			return d, nil, nil
		}
	}
	text, err := p.text() // something else, or written with escapes
	if err != nil {
		return image.Digest{}, nil, err
	}
	if len(text) == 0 {
		return image.Digest{}, errNoDigest, nil
	}
	d, unusable = image.ParseDigest(string(text))
	return d, unusable, nil
}

// decodeHex decodes lower-case hexadecimal digits, and reports whether they were
// all such.
func decodeHex(d *image.Digest, digits []byte) bool {
	digits = digits[:2*len(d)]
	bad := byte(0)
	for i := range d {
		high, low := nibbles[digits[2*i]], nibbles[digits[2*i+1]]
		bad |= high | low
		d[i] = high<<4 | low&0xf
	}
	return bad <= 0xf
}

// nibbles has the value of each lower-case hexadecimal digit, and 0xff for
// everything else.
var nibbles = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xff
	}
	for value, digit := range []byte("0123456789abcdef") {
		table[digit] = byte(value)
	}
	return table
}()

// mediaType reads a string of which there are few.
func (p *pageReader) mediaType() (string, error) {
	text, err := p.text()
	if err != nil {
		return "", err
	}
	return p.shared.intern(text), nil
}

// status reads an image's status. unusable is for one that is not known.
func (p *pageReader) status() (s image.Status, unusable, err error) {
	text, err := p.text()
	if err != nil {
		return 0, nil, err
	}
	switch string(text) {
	case "", "ACTIVE":
		return image.Active, nil, nil
	case "ARCHIVED":
		return image.Archived, nil, nil
	case "ACTIVATING":
		return image.Activating, nil, nil
	}
	return 0, fmt.Errorf("the status %q, which this version of regsweep does not know", text), nil
}

// moment reads a time in seconds since 1970 (the epoch-seconds of Smithy's
// timestampFormat). It rounds as the SDK does: to the nearest float64, and after
// multiplying that by 1,000 towards zero.
func (p *pageReader) moment() (image.Time, error) {
	token, seconds, err := p.float()
	if err != nil {
		return 0, err
	}
	milliseconds := seconds * 1000
	if math.Abs(milliseconds) >= math.MaxInt64/1_000_000+1 {
		return 0, fmt.Errorf("%s is no time: it is more than 292 years from 1970", token)
	}
	return image.Time(milliseconds), nil
}

// float reads a number.
func (p *pageReader) float() (token []byte, value float64, err error) {
	if _, err := p.next(); err != nil {
		return nil, 0, err
	}
	begin := p.at
	if digits, places, ok := p.decimal(); ok {
		return p.data[begin:p.at], float64(digits) / powersOfTen[places], nil
	}
	if token, err = p.number(); err != nil {
		return nil, 0, err
	}
	if value, err = strconv.ParseFloat(string(token), 64); err != nil {
		return nil, 0, fmt.Errorf("read a number: %w", err)
	}
	return token, value, nil
}

// powersOfTen are 10^0 to 10^15.
var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// integer reads an integer of so many bits.
func (p *pageReader) integer(size int) (int64, error) {
	token, err := p.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(token), 10, size)
	if err != nil {
		return 0, fmt.Errorf("read an integer: %w", err)
	}
	return n, nil
}

// scanStatus reads an ImageScanStatus, of which nothing is used.
func (p *pageReader) scanStatus() error {
	return p.object(func(name []byte) (err error) {
		switch string(name) {
		case "status", "description":
			_, err = p.text()
		default:
			err = p.skip()
		}
		return err
	})
}

// scanFindings reads an ImageScanFindingsSummary, of which nothing is used.
func (p *pageReader) scanFindings() error {
	return p.object(func(name []byte) (err error) {
		switch string(name) {
		case "findingSeverityCounts":
			err = p.object(func([]byte) error {
				_, err := p.integer(32)
				return err
			})
		case "imageScanCompletedAt", "vulnerabilitySourceUpdatedAt":
			_, err = p.moment()
		default:
			err = p.skip()
		}
		return err
	})
}
