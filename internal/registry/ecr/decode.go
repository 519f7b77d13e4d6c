package ecr

import (
	"errors"
	"fmt"
	"io"

	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/jsonscan"
)

// pageReader reads answers of DescribeImages, one after the other, straight into
// our records. That costs a fraction of the SDK's generic decoding, and nothing
// is allocated for a single image. Of a page it holds a window and never the
// whole text.
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
	jsonscan.Scanner
	body io.Reader
	// ended is set when the body has been read to its end.
	ended bool

	images []image.Image
	tags   tagBlock
	shared interner
	// window is how much of a page is in memory at once, unless an image takes
	// more.
	window int
}

const (
	// pageWindow is the usual window.
	pageWindow = 64 << 10
	// maxUnit bounds what must be in memory as a whole. An image with 1,000 tags
	// of 300 characters, the most that ECR allows, has a third of a megabyte.
	maxUnit = 16 << 20
)

// unusableError is an answer that is well formed, but says what this program
// cannot take. To ask again would not change it.
type unusableError struct{ error }

// Unwrap returns what is wrong.
func (e *unusableError) Unwrap() error { return e.error }

// read reads an answer to its end. With an error there is no page.
func (p *pageReader) read(body io.Reader, shared interner) (page, error) {
	if cap(p.Data) < p.window || cap(p.Data) > 8*p.window {
		p.Data = make([]byte, 0, p.window)
	}
	p.Scanner = jsonscan.Scanner{Data: p.Data[:0]}
	p.body, p.ended, p.shared = body, false, shared
	defer p.forget()
	next, listed, err := p.answer()
	if err == nil && !listed {
		err = errors.New("the answer has no list of images")
	}
	if err != nil {
		return page{}, err
	}
	return page{images: append(make([]image.Image, 0, len(p.images)), p.images...), next: next}, nil
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

// answer reads the whole document.
func (p *pageReader) answer() (token string, listed bool, err error) {
	if err := p.whole(func() error { return p.Open('{') }); err != nil {
		return "", false, err
	}
	for first := true; ; first = false {
		var name string
		var more, null bool
		err := p.whole(func() error {
			text, is, err := p.Member(first)
			if err == nil && is {
				null, err = p.Null()
			}
			name, more = string(text), is
			return err
		})
		switch {
		case err != nil:
		case !more:
			return token, listed, p.end()
		case null:
		case name == "imageDetails":
			listed, err = true, p.details()
		case name == "nextToken":
			err = p.whole(func() error {
				text, err := p.Text()
				token = string(text)
				return err
			})
		default:
			err = p.whole(p.Skip)
		}
		if err != nil {
			return "", false, err
		}
	}
}

// details reads the images. Of two lists the last one counts.
func (p *pageReader) details() error {
	p.drop()
	if err := p.whole(func() error { return p.Open('[') }); err != nil {
		return err
	}
	more := true
	for first := true; more; first = false {
		err := p.whole(func() (err error) {
			if more, err = p.Item(first); err == nil && more {
				err = p.detail()
			}
			return err
		})
		if err != nil {
			return err
		}
		if !more || p.tags.full() {
			p.tags.settle(p.images)
		}
	}
	return nil
}

// whole does a read, and again as long as that needs more of the body.
func (p *pageReader) whole(read func() error) error {
	for {
		at, depth := p.At, p.Depth
		err := read()
		if err == nil || !errors.Is(err, jsonscan.ErrShort) {
			return err
		}
		p.At, p.Depth = at, depth
		if err := p.more(); err != nil {
			return err
		}
	}
}

// more fills the window from the body. What has not been read moves to its
// beginning; where that is all, the window grows, so that whatever the body
// comes in, nothing is read more than a few times.
func (p *pageReader) more() error {
	if p.ended {
		return io.ErrUnexpectedEOF
	}
	rest := p.Data[p.At:]
	to := p.Data[:cap(p.Data)]
	if len(rest) == len(to) {
		if len(to) >= maxUnit {
			return fmt.Errorf("a part of the answer has more than %d bytes", maxUnit)
		}
		to = make([]byte, 2*len(to))
	}
	n := copy(to, rest)
	p.At = 0
	for n < len(to) && !p.ended {
		got, err := p.body.Read(to[n:])
		n += got
		switch {
		case errors.Is(err, io.EOF):
			p.ended = true
		case err != nil:
			return fmt.Errorf("read the answer: %w", err)
		}
	}
	p.Data = to[:n]
	return nil
}

// end reads up to the end of the body, where there must be nothing more: a body
// that was cut off shows only there.
func (p *pageReader) end() error {
	for {
		if _, err := p.Next(); err == nil {
			return p.Wrong("the end of the answer")
		}
		if p.ended {
			return nil
		}
		if err := p.more(); err != nil {
			return err
		}
	}
}
