package ecr

import (
	"errors"
	"io"

	"github.com/regsweep/regsweep/internal/image"
)

// pageReader reads answers of DescribeImages, one after the other, straight into
// our records. That costs a fraction of the SDK's generic decoding, and nothing
// is allocated for a single image.
//
// It takes for a page what the SDK does and reads the same from it, but these,
// which it takes for broken answers:
//   - what is not JSON to its last byte, or goes on after that;
//   - an answer without a list of images, or with two of which the first has an
//     image that cannot be taken;
//   - a tag that is null;
//   - a time that is a string (the SDK takes "NaN" and "Infinity"), or that
//     nanoseconds of 64 bits cannot hold (in the SDK they overflow);
//   - a number that begins with the digits of the lowest integer of 64 bits and
//     goes on after them (the SDK reads it for that integer);
//   - an image, or another member of the answer, of more than maxUnit bytes.
type pageReader struct {
	bodyReader

	images []image.Image
	tags   tagBlock
	shared interner
}

// newPageReader returns a reader with a window of so many bytes.
func newPageReader(window int) *pageReader {
	return &pageReader{bodyReader: bodyReader{window: window}}
}

// unusableError is an answer that is well formed, but says what this program
// cannot take. To ask again would not change it.
type unusableError struct{ error }

// Unwrap returns what is wrong.
func (e *unusableError) Unwrap() error { return e.error }

// read reads an answer to its end. With an error there is no page.
func (p *pageReader) read(body io.Reader, shared interner) (page, error) {
	p.open(body)
	p.shared = shared
	defer p.forget()
	var token string
	listed := false
	err := p.document(func(name string) error {
		switch name {
		case "imageDetails":
			listed = true
			return p.details()
		case "nextToken":
			return p.whole(func() error {
				text, err := p.Text()
				token = string(text)
				return err
			})
		}
		return p.whole(p.Skip)
	})
	if err == nil && !listed {
		err = errors.New("the answer has no list of images")
	}
	if err != nil {
		return page{}, err
	}
	return page{images: append(make([]image.Image, 0, len(p.images)), p.images...), next: token}, nil
}

// forget lets go of what is not the reader's own.
func (p *pageReader) forget() {
	p.body, p.shared = nil, nil
	p.drop()
}

// drop drops the images read so far.
func (p *pageReader) drop() {
	clear(p.images)
	p.images = p.images[:0]
	p.tags.reset()
}

// details reads the images. Of two lists the last one counts.
func (p *pageReader) details() error {
	p.drop()
	err := p.items(p.detail, func() {
		if p.tags.full() {
			p.tags.settle(p.images)
		}
	})
	if err == nil {
		p.tags.settle(p.images)
	}
	return err
}
