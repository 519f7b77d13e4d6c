package jsonscan

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// Text reads a string. The result is a part of the data, and good as long as
// that is. Bytes in it that are not UTF-8 are as they are in the data, where
// there are no escapes, and U+FFFD where there are.
func (s *Scanner) Text() ([]byte, error) {
	token, escaped, err := s.quoted()
	switch {
	case err != nil:
		return nil, err
	case escaped:
		return unescape(token)
	}
	return token[1 : len(token)-1], nil
}

// AppendText reads a string as Text does, and appends it to a buffer. It is for
// strings that have many escapes, such as a document within a document.
func (s *Scanner) AppendText(to []byte) ([]byte, error) {
	token, escaped, err := s.quoted()
	switch {
	case err != nil:
		return to, err
	case escaped:
		return appendUnescaped(to, token)
	}
	return append(to, token[1:len(token)-1]...), nil
}

// quoted reads a string and returns it with its quotation marks, and whether it
// has escapes, which have not been checked.
func (s *Scanner) quoted() (token []byte, escaped bool, err error) {
	c, err := s.Next()
	if err != nil {
		return nil, false, err
	}
	if c != '"' {
		return nil, false, s.Wrong("a string")
	}
	for i := s.At + 1; ; {
		i += untilSpecial(s.Data[i:])
		if i == len(s.Data) {
			return nil, false, ErrShort
		}
		switch c := s.Data[i]; {
		case c == '"':
			token := s.Data[s.At : i+1]
			s.At = i + 1
			return token, escaped, nil
		case c == '\\':
			if escaped = true; i+1 == len(s.Data) {
				return nil, false, ErrShort
			}
			i += 2 // what it is an escape of, unescape checks
		default:
			return nil, false, fmt.Errorf("a string contains the control character %#02x", c)
		}
	}
}

// appendUnescaped is unescape for a string with the usual escapes, of which there
// may be many. Whatever is less usual it leaves to that.
func appendUnescaped(to, token []byte) ([]byte, error) {
	rest, begin := token[1:len(token)-1], len(to)
	for ok := utf8.Valid(rest); ok; {
		n := bytes.IndexByte(rest, '\\')
		if n < 0 {
			return append(to, rest...), nil
		}
		to = append(to, rest[:n]...)
		var c byte
		if c, rest, ok = simpleEscape(rest[n:]); ok {
			to = append(to, c)
		}
	}
	text, err := unescape(token)
	return append(to[:begin], text...), err
}

// simpleEscape reads an escape that stands for one character of ASCII.
func simpleEscape(text []byte) (c byte, rest []byte, ok bool) {
	switch c, rest = text[1], text[2:]; c {
	case '"', '\\', '/':
		return c, rest, true
	case 'n':
		return '\n', rest, true
	case 't':
		return '\t', rest, true
	case 'r':
		return '\r', rest, true
	case 'b':
		return '\b', rest, true
	case 'f':
		return '\f', rest, true
	case 'u':
		if len(rest) >= 4 && rest[0] == '0' && rest[1] == '0' && rest[2] >= '0' && rest[2] <= '7' {
			if low := bytes.IndexByte(hexDigits, rest[3]|' '); low >= 0 {
				return (rest[2]-'0')<<4 | byte(low), rest[4:], true
			}
		}
	}
	return 0, nil, false
}

var hexDigits = []byte("0123456789abcdef")

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

// Number reads a number and returns it as it is written. The result is good as
// long as the data.
func (s *Scanner) Number() ([]byte, error) {
	if _, err := s.Next(); err != nil {
		return nil, err
	}
	data, i := s.Data, s.At
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
		return nil, ErrShort
	case !ok:
		return nil, s.Wrong("a number")
	}
	token := data[s.At:i]
	s.At = i
	return token, nil
}

// Integer reads an integer of so many bits.
func (s *Scanner) Integer(size int) (int64, error) {
	token, err := s.Number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(token), 10, size)
	if err != nil {
		return 0, fmt.Errorf("read an integer: %w", err)
	}
	return n, nil
}
