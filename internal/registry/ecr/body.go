package ecr

import (
	"errors"
	"fmt"
	"io"

	"github.com/regsweep/regsweep/internal/jsonscan"
)

const (
	// pageWindow is the usual window for pages of images, and manifestWindow that
	// for manifests, of which more answers are read at the same time.
	pageWindow     = 64 << 10
	manifestWindow = 16 << 10
	// maxUnit bounds what must be in memory as a whole. An image with 1,000 tags
	// of 300 characters, the most that ECR allows, has a third of a megabyte; a
	// manifest of 4 MiB, the most that ECR takes, is twice that if it is nothing
	// but quotation marks.
	maxUnit = 16 << 20
)

// bodyReader reads answers of the API, one after the other. Of an answer it
// holds a window and never the whole text. What is not JSON to its last byte, or
// goes on after that, is an error.
type bodyReader struct {
	jsonscan.Scanner
	body io.Reader
	// ended is set when the body has been read to its end.
	ended bool
	// window is how much of an answer is in memory at once, unless a part of it
	// that is read as a whole takes more.
	window int
}

// open begins with an answer.
func (b *bodyReader) open(body io.Reader) {
	if cap(b.Data) < b.window || cap(b.Data) > 8*b.window {
		b.Data = make([]byte, 0, b.window)
	}
	b.Scanner = jsonscan.Scanner{Data: b.Data[:0]}
	b.body, b.ended = body, false
}

// document reads an answer to its end. It calls each for each member but those
// that are null, to read the value.
func (b *bodyReader) document(each func(name string) error) error {
	if err := b.whole(func() error { return b.Open('{') }); err != nil {
		return err
	}
	for first := true; ; first = false {
		var name string
		var more, null bool
		err := b.whole(func() error {
			text, is, err := b.Member(first)
			if err == nil && is {
				null, err = b.Null()
			}
			name, more = string(text), is
			return err
		})
		switch {
		case err != nil:
		case !more:
			return b.end()
		case !null:
			err = each(name)
		}
		if err != nil {
			return err
		}
	}
}

// items reads an array. It calls item to read each of its items, perhaps in vain
// and then again, and read after that.
func (b *bodyReader) items(item func() error, read func()) error {
	if err := b.whole(func() error { return b.Open('[') }); err != nil {
		return err
	}
	more := true
	for first := true; ; first = false {
		err := b.whole(func() (err error) {
			if more, err = b.Item(first); err == nil && more {
				err = item()
			}
			return err
		})
		if err != nil || !more {
			return err
		}
		read()
	}
}

// whole does a read, and again as long as that needs more of the body.
func (b *bodyReader) whole(read func() error) error {
	for {
		at, depth := b.At, b.Depth
		err := read()
		if err == nil || !errors.Is(err, jsonscan.ErrShort) {
			return err
		}
		b.At, b.Depth = at, depth
		if err := b.more(); err != nil {
			return err
		}
	}
}

// more fills the window from the body. What has not been read moves to its
// beginning; where that is all, the window grows, so that whatever the body
// comes in, nothing is read more than a few times.
func (b *bodyReader) more() error {
	if b.ended {
		return io.ErrUnexpectedEOF
	}
	rest := b.Data[b.At:]
	to := b.Data[:cap(b.Data)]
	if len(rest) == len(to) {
		if len(to) >= maxUnit {
			return fmt.Errorf("a part of the answer has more than %d bytes", maxUnit)
		}
		to = make([]byte, 2*len(to))
	}
	n := copy(to, rest)
	b.At = 0
	for n < len(to) && !b.ended {
		got, err := b.body.Read(to[n:])
		n += got
		switch {
		case errors.Is(err, io.EOF):
			b.ended = true
		case err != nil:
			return fmt.Errorf("read the answer: %w", err)
		}
	}
	b.Data = to[:n]
	return nil
}

// end reads up to the end of the body, where there must be nothing more: a body
// that was cut off shows only there.
func (b *bodyReader) end() error {
	for {
		if _, err := b.Next(); err == nil {
			return b.Wrong("the end of the answer")
		}
		if b.ended {
			return nil
		}
		if err := b.more(); err != nil {
			return err
		}
	}
}
