// Package jsonscan reads JSON (RFC 8259) token by token, for the documents of
// which there are so many that encoding/json would be most of the work. It
// allocates nothing but for strings with escapes.
package jsonscan

import (
	"errors"
	"fmt"
)

// Scanner reads JSON from memory, as far as that goes: whatever runs into its
// end returns ErrShort, and can be read again once there is more, from where At
// and Depth were before.
//
// It refuses what encoding/json does: the grammar is checked in what is skipped
// too.
type Scanner struct {
	// Data is what is read.
	Data []byte
	// At is the position in Data of what is read next.
	At int
	// Depth is how many objects and arrays are open.
	Depth int
}

// ErrShort says that what is to be read goes on after the end of the data.
var ErrShort = errors.New("unexpected end of the document")

// MaxDepth bounds how deep objects and arrays can be in each other, as
// encoding/json does.
const MaxDepth = 10_000

// Next returns the first byte of the next token, which remains to be read.
func (s *Scanner) Next() (byte, error) {
	for ; s.At < len(s.Data); s.At++ {
		switch c := s.Data[s.At]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c, nil
		}
	}
	return 0, ErrShort
}

// Wrong is the error of a token that is something else than what is wanted.
func (s *Scanner) Wrong(want string) error {
	return fmt.Errorf("want %s, got %.40q", want, s.Data[s.At:min(len(s.Data), s.At+40)])
}

// Open reads the bracket that an object or an array begins with.
func (s *Scanner) Open(bracket byte) error {
	c, err := s.Next()
	if err != nil {
		return err
	}
	if c != bracket {
		return s.Wrong(string(bracket))
	}
	if s.Depth++; s.Depth > MaxDepth {
		return fmt.Errorf("more than %d objects and arrays within each other", MaxDepth)
	}
	s.At++
	return nil
}

// Object reads an object. It calls each for each member but those that are
// null, to read the value; name is good until then.
func (s *Scanner) Object(each func(name []byte) error) error {
	if err := s.Open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		name, more, err := s.Member(first)
		if err != nil || !more {
			return err
		}
		if null, err := s.Null(); err != nil || null {
			if err != nil {
				return err
			}
			continue
		}
		if err := each(name); err != nil {
			return err
		}
	}
}

// Member reads the name of an object's next member, or the end of the object.
func (s *Scanner) Member(first bool) (name []byte, more bool, err error) {
	c, err := s.separator(first, '}')
	if err != nil || c == '}' {
		return nil, false, err
	}
	if name, err = s.Text(); err != nil {
		return nil, false, err
	}
	if c, err = s.Next(); err != nil {
		return nil, false, err
	}
	if c != ':' {
		return nil, false, s.Wrong("a colon")
	}
	s.At++
	return name, true, nil
}

// List reads an array, and calls each to read each of its items.
func (s *Scanner) List(each func() error) error {
	if err := s.Open('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.Item(first)
		if err != nil || !more {
			return err
		}
		if err := each(); err != nil {
			return err
		}
	}
}

// Item reads up to an array's next item, or the end of the array.
func (s *Scanner) Item(first bool) (more bool, err error) {
	c, err := s.separator(first, ']')
	return err == nil && c != ']', err
}

// separator reads the comma before what is not the first, or the closing
// bracket, which it returns.
func (s *Scanner) separator(first bool, bracket byte) (byte, error) {
	c, err := s.Next()
	switch {
	case err != nil:
		return 0, err
	case c == bracket:
		s.At++
		s.Depth--
		return c, nil
	case first:
		return 0, nil
	case c != ',':
		return 0, s.Wrong("a comma or " + string(bracket))
	}
	s.At++
	return 0, nil
}

// Null reads null, if that is what comes next.
func (s *Scanner) Null() (bool, error) {
	c, err := s.Next()
	if err != nil || c != 'n' {
		return false, err
	}
	return true, s.literal("null")
}

// literal reads a word.
func (s *Scanner) literal(word string) error {
	rest := s.Data[s.At:]
	if len(rest) < len(word) {
		return ErrShort
	}
	if string(rest[:len(word)]) != word {
		return s.Wrong(word)
	}
	s.At += len(word)
	return nil
}

// Skip reads a value of any kind.
func (s *Scanner) Skip() error {
	c, err := s.Next()
	if err != nil {
		return err
	}
	switch c {
	case '{':
		return s.Object(func([]byte) error { return s.Skip() })
	case '[':
		return s.List(s.Skip)
	case '"':
		_, err = s.Text()
	case 't':
		err = s.literal("true")
	case 'f':
		err = s.literal("false")
	case 'n':
		err = s.literal("null")
	default:
		_, err = s.Number()
	}
	return err
}

// End reads up to the end of the data, where there must be nothing more.
func (s *Scanner) End() error {
	if _, err := s.Next(); err == nil {
		return fmt.Errorf("%.40q after top-level value", s.Data[s.At:min(len(s.Data), s.At+40)])
	}
	return nil
}
