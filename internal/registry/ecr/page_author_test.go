package ecr

import (
	"fmt"
	"strings"

	"github.com/regsweep/regsweep/internal/image"
)

// author writes answers as choose says: it returns a number
// from 0 up to n, which is at most 256, and in the end nothing but 0.
type author struct {
	strings.Builder
	choose func(n int) int
	// wrong says that values may be of the wrong type, and broken that it need
	// not even be JSON.
	wrong, broken bool
}

// write returns an answer of DescribeImages.
func write(choose func(n int) int) []byte {
	return writeAnswer(choose, func(a *author) {
		a.members(map[string]func(){"imageDetails": func() { a.list(a.detail) }, "nextToken": a.text}, "imageDetails", "nextToken", "other")
	})
}

// writeAnswer returns an answer of which document writes the JSON; some it spoils.
func writeAnswer(choose func(n int) int, document func(*author)) []byte {
	a := &author{choose: choose}
	kind := choose(8)
	a.wrong, a.broken = kind >= 4, kind >= 6
	a.space()
	document(a)
	a.space()
	body := []byte(a.String())
	if kind != 5 {
		return body
	}
	at := (choose(256)*256 + choose(256)) % len(body)
	switch choose(5) {
	case 0:
		return body[:at]
	case 1:
		body[at] = byte(choose(256))
	case 2:
		body[at] = "{}[]:,\"\\"[choose(8)]
	case 3:
		return append(body, body[at:]...)
	case 4:
		return append(body[:at:at], body[min(at+1+choose(10), len(body)):]...)
	}
	return body
}

// one writes one of the texts.
func (a *author) one(texts ...string) { a.WriteString(texts[a.choose(len(texts))]) }

// mistake says whether to make a mistake here, which happens once in so many
// places.
func (a *author) mistake(allowed bool, places int) bool { return allowed && a.choose(places) == 1 }

// space writes nothing, mostly.
func (a *author) space() {
	if a.mistake(a.broken, 40) {
		a.one("\v", "\u00a0", "//", ",")
	} else if a.choose(8) == 1 {
		a.one(" ", "\t", "\r\n", "\n  ")
	}
}

// members writes an object. Each of the names occurs once, at times more often
// or not at all, and has a value as in values, or any.
func (a *author) members(values map[string]func(), names ...string) {
	a.WriteByte('{')
	first := true
	for _, name := range names {
		if kind := a.choose(16); kind == 1 {
			continue
		} else if kind == 2 {
			name = names[a.choose(len(names))]
		}
		if !first {
			a.WriteByte(',')
			a.space()
		}
		first = false
		if a.choose(20) == 1 { // with an escape
			fmt.Fprintf(a, `"\u%04x%s"`, name[0], name[1:])
		} else {
			fmt.Fprintf(a, "%q", name)
		}
		a.space()
		a.WriteByte(':')
		a.space()
		switch value := values[name]; {
		case value == nil || a.mistake(a.wrong, 16):
			a.any(3)
		case a.choose(16) == 1:
			a.WriteString("null")
		default:
			value()
		}
		a.space()
	}
	a.WriteByte('}')
}

// list writes an array.
func (a *author) list(item func()) {
	a.WriteByte('[')
	for n := range a.choose(5) {
		if n > 0 && !a.mistake(a.broken, 30) {
			a.WriteByte(',')
		}
		a.space()
		if item(); a.mistake(a.broken, 30) {
			a.any(2)
		}
	}
	a.WriteByte(']')
}

// any writes a value of any kind, of which so many can be in each other.
func (a *author) any(depth int) {
	kind := a.choose(8)
	switch {
	case kind == 1 && depth > 0:
		a.list(func() { a.any(depth - 1) })
	case kind == 2 && depth > 0:
		a.members(map[string]func(){"a": func() { a.any(depth - 1) }}, "a", "imageDigest", "imageDetails")
	case kind < 5:
		a.number()
	case kind == 5:
		a.text()
	default:
		a.one("null", "true", "false")
	}
}

// number writes a number, or what looks like one.
func (a *author) number() {
	switch {
	case a.mistake(a.broken, 8):
		a.one("01", "1.", ".5", "+1", "1e", "--1", "-", "nul", "nil", "")
	case a.mistake(a.wrong, 8):
		a.one(`"NaN"`, `"Infinity"`, `"-infinity"`, `"1"`, "true", "9223372036.855", "-9223372036.8551", "1e300", "1e400", "-1e400")
	case a.choose(2) == 1:
		a.one("1770000000.123", "1.77E9", "17700000001234e-4", "-0", "-0.0", "0.0005", "12345678.9012345", "9223372036.854", "-9223372036.854",
			"9223372036.8549", "1e-400", "4.9E-324", "1099511627.775", "1073741824.001", "123456789.0123456")
	default:
		fmt.Fprintf(a, "%d%03d%03d.%03d", 1+a.choose(5), a.choose(256), a.choose(256), a.choose(256))
	}
}

// integer writes a number without a fraction, mostly.
func (a *author) integer() {
	if a.mistake(a.wrong, 6) {
		a.one("1.0", "1e3", "2147483648", "-2147483649", "9223372036854775808", "-9223372036854775809", "-92233720368547758081", "-9223372036854775808.5")
		return
	}
	a.one("0", "1", "-1", "-0", "2147483647", "-2147483648", "17700000")
	if a.choose(3) == 1 {
		a.one("000", "00000001", "777777")
	}
}

// text writes a string.
func (a *author) text() {
	a.WriteByte('"')
	for range a.choose(4) {
		if a.mistake(a.broken, 12) {
			a.one("\\u12", "\\x", "\x1f", "\"", "\\")
		}
		a.one("a", "latest", "v1.2.3-rc.1", "\\n", "\\u0041", "\\ud83d\\ude00", "\\ud83d", "\\udead\\u0062", "\u00e9", "\U0001f600", "\xff", "\xed\xa0\x80",
			"\\\"", "\\\\", "\\/", "\x7f", "]", "}", ",\\t", "0123456789abcdef0123456789abcdef")
	}
	a.WriteByte('"')
}

// digest writes a digest.
func (a *author) digest() {
	digest := image.DigestOf([]byte{byte(a.choose(256))}).String()
	switch a.choose(12) {
	case 1:
		digest = "\\u0073" + digest[1:]
	case 2:
		digest = digest[:9] + fmt.Sprintf("\\u%04x", digest[9]) + digest[10:]
	}
	if a.mistake(a.wrong, 12) {
		a.one(`""`, `"sha256:"`, `"`+strings.ToUpper(digest)+`"`, `"`+digest+`0"`, `"`+digest[:len(digest)-1]+`"`)
		return
	}
	a.WriteString(`"` + digest + `"`)
}

// detail writes an image.
func (a *author) detail() {
	a.members(map[string]func(){
		"imageDigest": a.digest, "subjectManifestDigest": a.digest,
		"imageTags": func() { a.list(a.text) }, "imageSizeInBytes": a.integer,
		"imagePushedAt": a.number, "lastRecordedPullTime": a.number, "lastArchivedAt": a.number, "lastActivatedAt": a.number,
		"imageManifestMediaType": a.text, "artifactMediaType": a.text, "registryId": a.text, "repositoryName": a.text,
		"imageStatus": func() { a.one(`"ACTIVE"`, `"ARCHIVED"`, `"ACTIVATING"`, `""`, `"\u0041CTIVE"`, `"active"`) },
		"imageScanStatus": func() {
			a.members(map[string]func(){"status": a.text, "description": a.text}, "status", "description")
		},
		"imageScanFindingsSummary": func() {
			a.members(map[string]func(){
				"imageScanCompletedAt": a.number, "vulnerabilitySourceUpdatedAt": a.number,
				"findingSeverityCounts": func() { a.members(map[string]func(){"HIGH": a.integer, "LOW": a.integer}, "HIGH", "LOW") },
			}, "imageScanCompletedAt", "findingSeverityCounts", "vulnerabilitySourceUpdatedAt")
		},
	}, a.some("imageDigest", "imageTags", "imageSizeInBytes", "imagePushedAt", "lastRecordedPullTime", "imageManifestMediaType", "artifactMediaType",
		"subjectManifestDigest", "imageStatus", "registryId", "repositoryName", "lastArchivedAt", "lastActivatedAt", "imageScanStatus", "imageScanFindingsSummary", "other")...)
}

// some returns the first name and some of the others.
func (a *author) some(names ...string) []string {
	chosen := names[:1:1]
	for range a.choose(6) {
		chosen = append(chosen, names[a.choose(len(names))])
	}
	return chosen
}
