package policy

import (
	"fmt"
	"time"

	"github.com/regsweep/regsweep/internal/image"
)

// Verdict is what becomes of an image.
type Verdict uint8

// The verdicts, weakest first: an image that lives with several roots gets the
// strongest of theirs.
const (
	VerdictDelete Verdict = iota
	VerdictArchive
	VerdictHeld
	VerdictKeep
)

var verdictNames = [...]string{"delete", "archive", "held", "keep"}

func (v Verdict) String() string { return verdictNames[v] }

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, name := range verdictNames {
		if name == string(text) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a verdict", text)
}

// Code names a kind of reason. Codes are stable: programs read them in plans.
// No code of this module decides by them.
type Code string

// The codes of reasons.
const (
	CodeInUse     Code = "in-use"
	CodeProtected Code = "protected"
	CodeNewest    Code = "newest"
	CodeYounger   Code = "younger"
	CodePulled    Code = "pulled"
	CodeUsed      Code = "used"
	CodeSemver    Code = "semver"
	CodeWhen      Code = "when"
	CodeMaxImages Code = "max-images"
	CodeFamily    Code = "family"
	CodeNoRule    Code = "no-rule"
	CodeNotKept   Code = "not-kept"
	CodeOrphan    Code = "orphan"
	CodeGap       Code = "gap"
	CodeLimit     Code = "limit"
	CodeGrace     Code = "grace"
	CodeChanged   Code = "changed"
)

// Reason is one reason for a verdict. Most images are kept and nobody asks why,
// so the parts are stored and the text is made only by Detail.
type Reason struct {
	Code Code
	// Path is the place in the configuration that the reason comes from, or "".
	Path string

	n    int64
	at   image.Time
	age  time.Duration
	text string
	use  *image.Use
}

// Detail returns the reason in words.
func (r Reason) Detail() string {
	switch r.Code {
	case CodeInUse:
		return r.useDetail()
	case CodeNewest:
		if r.text != "" {
			return fmt.Sprintf("number %d of the newest of %s", r.n, r.text)
		}
		return fmt.Sprintf("number %d of the newest", r.n)
	case CodeYounger:
		return fmt.Sprintf("pushed %s, not more than %s ago", FormatDate(r.at), FormatDuration(r.age))
	case CodePulled:
		if !r.at.Known() {
			return "the last pull is not known, which keeps"
		}
		return fmt.Sprintf("pulled %s, within %s and a day's slack", FormatDate(r.at), FormatDuration(r.age))
	case CodeUsed:
		return fmt.Sprintf("marked as in use %s, within %s", FormatDate(r.at), FormatDuration(r.age))
	case CodeMaxImages:
		return fmt.Sprintf("with it %d images remain in the repository", r.n)
	default:
		return r.text
	}
}

func (r Reason) useDetail() string {
	s := fmt.Sprintf("%s by %s", r.use.State, r.use.Holder)
	if r.n > 1 {
		s += fmt.Sprintf(" and %d more", r.n-1)
	}
	if r.text != "" {
		s += "; " + r.text
	}
	return s
}

// FormatDate formats a time for people, in UTC.
func FormatDate(t image.Time) string {
	if !t.Known() {
		return "at an unknown time"
	}
	return t.Time().Format("2006-01-02 15:04")
}

// FormatDuration formats a duration in the largest unit up to days that divides it: 720h is
// "30d".
func FormatDuration(d time.Duration) string {
	units := []struct {
		name string
		d    time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	for _, u := range units {
		if d >= u.d && d%u.d == 0 {
			return fmt.Sprintf("%d%s", d/u.d, u.name)
		}
	}
	return d.String()
}

// Changed is the reason of an image that is no longer as it was planned.
func Changed(text string) Reason { return Reason{Code: CodeChanged, text: text} }
