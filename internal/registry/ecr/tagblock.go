package ecr

import (
	"slices"

	"github.com/regsweep/regsweep/internal/image"
)

// tagBlock collects the tags of some images that were read one after the other,
// to make one string and one slice of them. It is small, since one tag that is
// kept for long keeps its whole block.
type tagBlock struct {
	text []byte
	// ends are the positions in text at which tags end.
	ends []int
	// images holds for each image how many of the tags are its own or those of
	// images before it.
	images []int
	// next is the position of the image after these.
	next int
}

// full reports whether the block should be settled.
func (b *tagBlock) full() bool { return len(b.text) >= 4<<10 || len(b.ends) >= 128 }

// add adds a tag of the image that is being read.
func (b *tagBlock) add(tag []byte) {
	b.text = append(b.text, tag...)
	b.ends = append(b.ends, len(b.text))
}

// discard forgets the tags of the image that is being read.
func (b *tagBlock) discard() {
	count, size := 0, 0
	if n := len(b.images); n > 0 {
		count = b.images[n-1]
	}
	if count > 0 {
		size = b.ends[count-1]
	}
	b.ends, b.text = b.ends[:count], b.text[:size]
}

// keep says that an image has been read.
func (b *tagBlock) keep() {
	b.images = append(b.images, len(b.ends))
	b.next++
}

// settle gives the last images that were read their tags, sorted and each once.
func (b *tagBlock) settle(images []image.Image) {
	text, tags := string(b.text), make([]string, len(b.ends))
	begin := 0
	for i, end := range b.ends {
		tags[i] = text[begin:end]
		begin = end
	}
	from := 0
	for i, to := range b.images {
		if own := tags[from:to:to]; len(own) > 0 {
			slices.Sort(own)
			images[b.next-len(b.images)+i].Tags = slices.Compact(own)
		}
		from = to
	}
	b.text, b.ends, b.images = b.text[:0], b.ends[:0], b.images[:0]
}

// reset makes the block as new.
func (b *tagBlock) reset() {
	b.text, b.ends, b.images, b.next = b.text[:0], b.ends[:0], b.images[:0], 0
}
