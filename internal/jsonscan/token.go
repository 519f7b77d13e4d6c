package jsonscan

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
)

// Text reads a string. The result is a part of the data, and good as long as
// that is. Bytes in it that are not UTF-8 are as they are in the data, where
// there are no escapes, and U+FFFD where there are.
func (s *Scanner) Text() ([]byte, error) {
	c, err := s.Next()
	if err != nil {
		return nil, err
	}
	if c != '"' {
		return nil, s.Wrong("a string")
	}
	begin, escaped := s.At+1, false
	for i := begin; ; {
		i += untilSpecial(s.Data[i:])
		if i == len(s.Data) {
			return nil, ErrShort
		}
		switch c := s.Data[i]; {
		case c == '"':
			token := s.Data[s.At : i+1]
			s.At = i + 1
			if escaped {
				return unescape(token)
			}
			return token[1 : len(token)-1], nil
		case c == '\\':
			if escaped = true; i+1 == len(s.Data) {
				return nil, ErrShort
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
