package ecr

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
)

// scanner reads JSON (RFC 8259) from memory, as far as that goes: whatever runs
// into its end returns errShort, and can be read again once there is more.
//
// It reads what the SDK's own parser does, and refuses what that refuses: the
// grammar is checked in what is skipped too.
type scanner struct {
	data []byte
	// at is the position in data of what is read next.
	at int
	// depth is how many objects and arrays are open.
	depth int
}

// errShort says that what is to be read goes on after the end of the data.
var errShort = errors.New("the document ends too early")

// maxDepth bounds how deep objects and arrays can be in each other, as
// encoding/json and the SDK do.
const maxDepth = 10_000

// next returns the first byte of the next token, which remains to be read.
func (s *scanner) next() (byte, error) {
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c, nil
		}
	}
	return 0, errShort
}

// wrong is the error of a token that is something else than what is wanted.
func (s *scanner) wrong(want string) error {
	return fmt.Errorf("want %s, got %.40q", want, s.data[s.at:min(len(s.data), s.at+40)])
}

// open reads the bracket that an object or an array begins with.
func (s *scanner) open(bracket byte) error {
	c, err := s.next()
	if err != nil {
		return err
	}
	if c != bracket {
		return s.wrong(string(bracket))
	}
	if s.depth++; s.depth > maxDepth {
		return fmt.Errorf("more than %d objects and arrays within each other", maxDepth)
	}
	s.at++
	return nil
}

// object reads an object. It calls each for each member but those that are
// null, to read the value; name is good until then.
func (s *scanner) object(each func(name []byte) error) error {
	if err := s.open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		name, more, err := s.member(first)
		if err != nil || !more {
			return err
		}
		if null, err := s.null(); err != nil || null {
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

// member reads the name of an object's next member, or the end of the object.
func (s *scanner) member(first bool) (name []byte, more bool, err error) {
	c, err := s.separator(first, '}')
	if err != nil || c == '}' {
		return nil, false, err
	}
	if name, err = s.text(); err != nil {
		return nil, false, err
	}
	if c, err = s.next(); err != nil {
		return nil, false, err
	}
	if c != ':' {
		return nil, false, s.wrong("a colon")
	}
	s.at++
	return name, true, nil
}

// list reads an array, and calls each to read each of its items.
func (s *scanner) list(each func() error) error {
	if err := s.open('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.item(first)
		if err != nil || !more {
			return err
		}
		if err := each(); err != nil {
			return err
		}
	}
}

// item reads up to an array's next item, or the end of the array.
func (s *scanner) item(first bool) (more bool, err error) {
	c, err := s.separator(first, ']')
	return err == nil && c != ']', err
}

// separator reads the comma before what is not the first, or the closing
// bracket, which it returns.
func (s *scanner) separator(first bool, bracket byte) (byte, error) {
	c, err := s.next()
	switch {
	case err != nil:
		return 0, err
	case c == bracket:
		s.at++
		s.depth--
		return c, nil
	case first:
		return 0, nil
	case c != ',':
		return 0, s.wrong("a comma or " + string(bracket))
	}
	s.at++
	return 0, nil
}

// null reads null, if that is what comes next.
func (s *scanner) null() (bool, error) {
	c, err := s.next()
	if err != nil || c != 'n' {
		return false, err
	}
	return true, s.literal("null")
}

// literal reads a word.
func (s *scanner) literal(word string) error {
	rest := s.data[s.at:]
	if len(rest) < len(word) {
		return errShort
	}
	if string(rest[:len(word)]) != word {
		return s.wrong(word)
	}
	s.at += len(word)
	return nil
}

// text reads a string. The result is a part of the data, and good as long as
// that is.
func (s *scanner) text() ([]byte, error) {
	c, err := s.next()
	if err != nil {
		return nil, err
	}
	if c != '"' {
		return nil, s.wrong("a string")
	}
	begin, escaped := s.at+1, false
	for i := begin; ; {
		i += untilSpecial(s.data[i:])
		if i == len(s.data) {
			return nil, errShort
		}
		switch c := s.data[i]; {
		case c == '"':
			token := s.data[s.at : i+1]
			s.at = i + 1
			if escaped {
				return unescape(token)
			}
			return token[1 : len(token)-1], nil
		case c == '\\':
			if escaped = true; i+1 == len(s.data) {
				return nil, errShort
			}
			i += 2 // what it is an escape of, unescape checks
		default:
			return nil, fmt.Errorf("a string contains the control character %#02x", c)
		}
	}
}

// unescape reads a string that has escapes in it, which hardly ever occurs.
func unescape(token []byte) ([]byte, error) {
	var text string
	if err := json.Unmarshal(token, &text); err != nil {
		return nil, fmt.Errorf("the string %.40q: %w", token, err)
	}
	return []byte(text), nil
}

// untilSpecial returns how many bytes come before the first that is a quotation mark,
// a backslash or a control character. It looks at eight at a time.
func untilSpecial(data []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; n+8 <= len(data); n += 8 {
		v := binary.LittleEndian.Uint64(data[n:])
		quotes, slashes := v^ones*'"', v^ones*'\\'
		// x-ones sets the top bit of each byte that is zero, and of a byte above
		// one only where another one found something; bytes from 0x80 on are
		// masked out.
		if found := ((quotes-ones)&^quotes | (slashes-ones)&^slashes | (v-ones*' ')&^v) & tops; found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for ; n < len(data); n++ {
		if c := data[n]; c == '"' || c == '\\' || c < ' ' {
			return n
		}
	}
	return n
}

// number reads a number and returns it as it is written. The result is good as
// long as the data.
func (s *scanner) number() ([]byte, error) {
	if _, err := s.next(); err != nil {
		return nil, err
	}
	data, i := s.data, s.at
	digits := func() bool {
		begin := i
		for i < len(data) && data[i] >= '0' && data[i] <= '9' {
			i++
		}
		return i > begin
	}
	is := func(a, b byte) bool {
		if i < len(data) && (data[i] == a || data[i] == b) {
			i++
			return true
		}
		return false
	}
	is('-', '-')
	ok := is('0', '0') || digits()
	if ok && is('.', '.') {
		ok = digits()
	}
	if ok && is('e', 'E') {
		is('+', '-')
		ok = digits()
	}
	switch {
	case i == len(data): // a number may go on where the data end
		return nil, errShort
	case !ok:
		return nil, s.wrong("a number")
	}
	token := data[s.at:i]
	s.at = i
	return token, nil
}

// decimal reads a number as most are: of at most 15 digits, so that it is
// digits / 10^places and both of these are exact as a float64, and without a
// sign or an exponent. Another number remains to be read.
func (s *scanner) decimal() (digits int64, places int, ok bool) {
	rest := s.data[s.at:min(len(s.data), s.at+16)]
	if len(rest) == 0 || rest[0] < '1' || rest[0] > '9' {
		return 0, 0, false
	}
	point := -1
	for i, c := range rest {
		switch {
		case c >= '0' && c <= '9':
			digits = digits*10 + int64(c-'0')
		case c == '.' && point < 0:
			point = i
		case c == '.' || c == 'e' || c == 'E' || point == i-1:
			return 0, 0, false
		default:
			if point >= 0 {
				places = i - point - 1
			}
			s.at += i
			return digits, places, true
		}
	}
	return 0, 0, false
}

// skip reads a value of any kind.
func (s *scanner) skip() error {
	c, err := s.next()
	if err != nil {
		return err
	}
	switch c {
	case '{':
		return s.object(func([]byte) error { return s.skip() })
	case '[':
		return s.list(s.skip)
	case '"':
		_, err = s.text()
	case 't':
		err = s.literal("true")
	case 'f':
		err = s.literal("false")
	case 'n':
		err = s.literal("null")
	default:
		_, err = s.number()
	}
	return err
}
