package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// documents are the beginnings of what the fuzzer makes.
var documents = []string{
	``, ` `, `null`, `true`, `false`, ` {} `, `[]`, `{"a":[1,-0,0.5,1e9,-1.5E+3,2e-1],"b":{"":"x"},"c":null}`,
	`"\u00e9\n\"\\\/\b\f\r\t"`, `"\ud83d\ude00"`, `"{\n\t\"a\\\\\": \u003cb\u007F\/\u000a\b\f\r\u0080c\u003g\""`, `"\u003"`, `"\n\u00e9\t"`, "\"\\n\xff\"", `"\ud83d"`, "\"\xff\"", "\"\u20ac\x7f\"", `"0123456789abcdef\u0041"`, `"` + strings.Repeat("x", 20) + "\x1f\"",
	`[1,]`, `[,1]`, `[1 2]`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{1:2}`, `{"a" 1}`, `{]`, `[}`, `nul`, `nulL`, `truE`, `tru`, `+1`, `-`, `01`, `1.`, `.5`, `1e`, `1e+`,
	`"\x"`, `"\u12"`, `"\`, `"\"`, "\"\n\"", "\v1", "\ufeff1", `1 2`, `{}{}`, `[]]`, "null\x00", `'a'`, `NaN`, `Infinity`, `/**/1`,
	strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
	strings.Repeat(`{"a":`, MaxDepth) + `1` + strings.Repeat("}", MaxDepth),
}

// errDiffers says that AppendText reads another string than Text.
var errDiffers = errors.New("the string is read in two ways")

// read reads a document and returns what it says, as encoding/json has it, but
// without members that are null.
func read(s *Scanner) (any, error) {
	c, err := s.Next()
	if err != nil {
		return nil, err
	}
	switch c {
	case '{':
		object := map[string]any{}
		err := s.Object(func(name []byte) error {
			key := valid(name)
			value, err := read(s)
			object[key] = value
			return err
		})
		return object, err
	case '[':
		list := []any{}
		err := s.List(func() error {
			value, err := read(s)
			list = append(list, value)
			return err
		})
		return list, err
	case '"':
		at := s.At
		text, err := s.Text()
		end := s.At
		s.At = at
		appended, appendErr := s.AppendText([]byte("before "))
		if string(appended) != "before "+string(text) || (err == nil) != (appendErr == nil) || s.At != end {
			return nil, fmt.Errorf("%w: %q up to %d (%w), and appended %q up to %d (%w)", errDiffers, text, end, err, appended, s.At, appendErr)
		}
		return valid(text), err
	case 'n':
		_, err := s.Null()
		return nil, err
	case 't', 'f':
		return c == 't', s.Skip()
	}
	number, err := s.Number()
	return json.Number(number), err
}

// valid returns a text with U+FFFD for each byte that is not UTF-8.
func valid(text []byte) string { return string([]rune(string(text))) }

// check reads a document and skips it, and compares both with encoding/json. A
// space follows it, since a number may go on where the data end.
func check(t *testing.T, document []byte) {
	t.Helper()
	data := append(bytes.Clone(document), ' ')
	s := &Scanner{Data: data}
	err := s.Skip()
	if err == nil {
		err = s.End()
	}
	if valid := json.Valid(document); (err == nil) != valid {
		t.Fatalf("Skip of %q: error %v, and json.Valid says %t", document, err, valid)
	}
	s = &Scanner{Data: data}
	got, readErr := read(s)
	if readErr == nil {
		readErr = s.End()
	}
	if (readErr == nil) != (err == nil) || errors.Is(readErr, errDiffers) {
		t.Fatalf("reading %q: error %v, and skipping it: %v", document, readErr, err)
	}
	if err != nil {
		return
	}
	if s.Depth != 0 {
		t.Fatalf("depth %d after %q", s.Depth, document)
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var want any
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	// Not go-cmp, which takes minutes where lists are 10,000 deep.
	if !reflect.DeepEqual(withoutNulls(want), withoutNulls(got)) {
		t.Fatalf("reading %q gives %v, want %v", document, got, want)
	}
}

// withoutNulls takes members that are null out of objects. Where a name occurs
// again, the last one that is not null counts to the Scanner, and the last one
// to encoding/json, so those are of no interest here: see FuzzScanner.
func withoutNulls(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if member = withoutNulls(member); member == nil {
				delete(value, name)
			}
		}
	case []any:
		for _, item := range value {
			withoutNulls(item)
		}
	}
	return value
}

func TestScanner(t *testing.T) {
	for _, document := range documents {
		check(t, []byte(document))
	}
}

// FuzzScanner compares with encoding/json.
func FuzzScanner(f *testing.F) {
	for _, document := range documents {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		if bytes.Contains(document, []byte("null")) && bytes.Count(document, []byte(`:`)) > 1 {
			document = bytes.ReplaceAll(document, []byte("null"), []byte("true"))
		}
		check(t, document)
	})
}

// Whatever ends too early says so, and can be read again when there is more.
func TestScannerShort(t *testing.T) {
	const document = `{"a\n":[1.5e3,{"b":null},"x\u0041y",true,false], "c" : -0 } `
	whole := len(strings.TrimSpace(document))
	s := &Scanner{}
	for n := range len(document) {
		at, depth := s.At, s.Depth
		s.Data = []byte(document[:n])
		err := s.Skip()
		if n >= whole {
			if err != nil || s.At != whole {
				t.Fatalf("Skip of %q: %v, at %d", s.Data, err, s.At)
			}
		} else if !errors.Is(err, ErrShort) {
			t.Fatalf("Skip of %q: error %v, want ErrShort", s.Data, err)
		}
		s.At, s.Depth = at, depth
	}
}

func TestInteger(t *testing.T) {
	for _, tt := range []struct {
		text string
		size int
		want int64
		ok   bool
	}{
		{"0", 64, 0, true}, {"-0", 64, 0, true}, {" 17", 64, 17, true}, {"9223372036854775807", 64, 1<<63 - 1, true},
		{"9223372036854775808", 64, 0, false}, {"2147483648", 32, 0, false}, {"-2147483648", 32, -1 << 31, true},
		{"1.0", 64, 0, false}, {"1e3", 64, 0, false}, {`"1"`, 64, 0, false}, {"null", 64, 0, false}, {"", 64, 0, false},
	} {
		s := &Scanner{Data: []byte(tt.text + ",")}
		got, err := s.Integer(tt.size)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("Integer(%d) of %q = %d, %v", tt.size, tt.text, got, err)
		}
	}
}
