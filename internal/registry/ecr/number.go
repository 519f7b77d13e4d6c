package ecr

import (
	"fmt"
	"math"
	"strconv"

	"github.com/regsweep/regsweep/internal/image"
)

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
	if _, err := p.Next(); err != nil {
		return nil, 0, err
	}
	begin := p.At
	if digits, places, ok := p.decimal(); ok {
		return p.Data[begin:p.At], float64(digits) / powersOfTen[places], nil
	}
	if token, err = p.Number(); err != nil {
		return nil, 0, err
	}
	if value, err = strconv.ParseFloat(string(token), 64); err != nil {
		return nil, 0, fmt.Errorf("read a number: %w", err)
	}
	return token, value, nil
}

// decimal reads a number as most are: of at most 15 digits, so that it is
// digits / 10^places and both of these are exact as a float64, and without a
// sign or an exponent. Another number remains to be read.
func (p *pageReader) decimal() (digits int64, places int, ok bool) {
	rest := p.Data[p.At:min(len(p.Data), p.At+16)]
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
			p.At += i
			return digits, places, true
		}
	}
	return 0, 0, false
}

// powersOfTen are 10^0 to 10^15.
var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
