package image

import (
	"strings"
)

// author writes manifests as data says, in all the ways that encoding/json reads
// and some that it does not; without data it writes what is usual.
type author struct {
	strings.Builder
	data []byte
	// wrong says that values may be of the wrong type.
	wrong bool
}

// writeManifest returns a document.
func writeManifest(data []byte) []byte {
	a := &author{data: data}
	kind := a.choose(8)
	a.wrong = kind >= 6
	a.space()
	if a.choose(30) == 1 {
		a.other()
	} else {
		a.manifest()
	}
	a.space()
	body := []byte(a.String())
	if kind != 5 {
		return body
	}
	at := (a.choose(256)*256 + a.choose(256)) % len(body)
	switch a.choose(4) {
	case 0:
		return body[:at]
	case 1:
		body[at] = byte(a.choose(256))
	case 2:
		return append(body, body[at:]...)
	default:
		return append(body[:at:at], body[min(at+1+a.choose(10), len(body)):]...)
	}
	return body
}

// choose returns a number from 0 up to n, which is at most 256.
func (a *author) choose(n int) int {
	if len(a.data) == 0 {
		return 0
	}
	choice := int(a.data[0]) % n
	a.data = a.data[1:]
	return choice
}

// one writes one of the texts.
func (a *author) one(texts ...string) { a.WriteString(texts[a.choose(len(texts))]) }

// space writes nothing, mostly.
func (a *author) space() {
	if a.choose(10) == 1 {
		a.one(" ", "\t", "\r\n", "\n  ")
	}
}

// field is a member of an object, with what writes its value.
type field struct {
	name  string
	value func()
}

// members writes an object. Each field occurs once, at times not at all, twice
// or with another value.
func (a *author) members(fields ...field) {
	a.WriteByte('{')
	first := true
	for i := 0; i < len(fields); i++ {
		f := fields[i]
		switch a.choose(16) {
		case 1, 2:
			continue
		case 3:
			f = fields[a.choose(len(fields))]
		case 4:
			i -= min(i, a.choose(3))
		}
		if !first {
			a.WriteByte(',')
			a.space()
		}
		first = false
		a.name(f.name)
		a.space()
		a.WriteByte(':')
		a.space()
		switch kind := a.choose(24); {
		case kind == 1:
			a.WriteString("null")
		case kind == 2 && a.wrong:
			a.other()
		default:
			f.value()
		}
	}
	a.space()
	a.WriteByte('}')
}

// name writes the name of a field, at times in another way.
func (a *author) name(name string) {
	switch a.choose(20) {
	case 1:
		name = strings.ToUpper(name)
	case 2:
		name = strings.ToLower(name)
	case 3:
		name = strings.Replace(name, "s", "\u017f", 1) // the old s, which folds to s
	case 4:
		name = strings.Replace(name, "i", `\u0069`, 1)
	case 5:
		name = strings.Replace(name, "i", "\u0130", 1) // which does not fold to i
	case 6:
		name += []string{"s", " ", "\xff", `\"`, `\ud800`}[a.choose(5)]
	}
	a.WriteString(`"` + name + `"`)
}

// items writes an array.
func (a *author) items(each func()) {
	a.WriteByte('[')
	for i := range a.choose(5) {
		if i > 0 {
			a.WriteByte(',')
		}
		a.space()
		switch kind := a.choose(24); {
		case kind == 1:
			a.WriteString("null")
		case kind == 2 && a.wrong:
			a.other()
		default:
			each()
		}
	}
	a.space()
	a.WriteByte(']')
}

func (a *author) manifest() {
	list := func() { a.items(a.descriptor) }
	index := field{"manifests", list}
	if a.choose(2) == 1 {
		index = field{"annotations", a.other}
	}
	a.members(field{"schemaVersion", a.number}, field{"mediaType", a.mediaType}, index,
		field{"config", a.descriptor}, field{"layers", list}, field{"layers", list}, field{"artifactType", a.text},
		field{"subject", a.descriptor}, field{"blobs", list},
		field{"fsLayers", func() { a.items(func() { a.members(field{"blobSum", a.digest}, field{"other", a.other}) }) }},
		field{"other", a.other})
}

func (a *author) descriptor() {
	if a.choose(6) == 1 { // most others are of no use without
		a.members(field{"size", a.number})
		return
	}
	a.members(field{"digest", a.digest}, field{"mediaType", a.mediaType}, field{"size", a.number},
		field{"platform", func() {
			a.members(field{"os", a.text}, field{"architecture", a.text}, field{"variant", a.text}, field{"os.version", a.other})
		}},
		field{"annotations", a.other})
}

func (a *author) digest() {
	digest := DigestOf([]byte{byte(a.choose(6))}).String()
	switch a.choose(40) {
	case 1:
		digest = ""
	case 2:
		digest = strings.Replace(digest, "a", `\u0061`, 1)
	case 3:
		digest = "sha256:" + strings.Repeat("0", 64)
	case 4:
		if a.wrong {
			digest = []string{strings.ToUpper(digest), digest + "0", digest[1:], "sha512:00", "\xff"}[a.choose(5)]
		}
	}
	a.WriteString(`"` + digest + `"`)
}

func (a *author) mediaType() {
	if a.choose(3) == 1 {
		a.text()
		return
	}
	a.one(`"`+MediaTypeOCIManifest+`"`, `"`+MediaTypeOCIIndex+`"`, `"`+strings.ToUpper(MediaTypeDockerManifestList)+` ; a=b"`)
}

func (a *author) text() {
	a.one(`"linux"`, `"arm64"`, `""`, `"v8"`, `"\u00e9\n\"\\\/"`, "\"\xff\xfe/\xe2\x82\"", `"\ud83d\ude00"`, `"\ud83d"`, "\"\u20ac\U0001f600\x7f\"", `"`+strings.Repeat("long", 20)+`"`)
	if a.wrong && a.choose(12) == 1 {
		a.one(`"\x"`, "\"\n\"", `"\u12"`, `"`)
	}
}

func (a *author) number() {
	a.one("2", "0", "-0", "12345", "9223372036854775807", "-9223372036854775808")
	if a.wrong && a.choose(8) == 1 {
		a.one("1", ".5", "e3", "9", " 1", "+")
	}
}

// other writes a value of any kind.
func (a *author) other() {
	switch a.choose(9) {
	case 0:
		a.one("true", "false", "null", "-1.5e+3", "1E400", "0.0")
	case 1:
		a.text()
	case 2:
		a.items(a.other)
	case 3:
		a.members(field{"digest", a.other}, field{"manifests", a.text})
	case 4:
		a.descriptor()
	case 5:
		if a.wrong {
			a.one("tru", "nul", "01", "1.", "-", "[1,]", "{1:2}", `{"a"}`, "'a'", "NaN", "\x00")
			return
		}
		a.one("[]", "{}", "[[[]]]")
	default:
		a.number()
	}
}
