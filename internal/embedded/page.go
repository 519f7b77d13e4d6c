package embedded

import (
	"encoding/base64"
	"iter"
	"strings"
)

// pageToken returns an opaque token for the page that starts at the key. The
// scope says which list it is a place in, so that the token of one list is
// refused by another.
func (c *Call) pageToken(scope, key string) string {
	return base64.URLEncoding.EncodeToString([]byte(c.Operation + "\x00" + scope + "\x00" + key))
}

// readToken returns the key that a page token names. The token is "" for the
// first page. The last result is false for one that pageToken did not make.
func (c *Call) readToken(scope, token string) (string, bool) {
	if token == "" {
		return "", true
	}
	text, err := base64.URLEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(string(text), c.Operation+"\x00"+scope+"\x00")
}

// page holds the paging parameters of most requests.
type page struct {
	NextToken  string `json:"nextToken"`
	MaxResults *int   `json:"maxResults"`
}

// given reports whether the request asks for a page at all.
func (p page) given() bool { return p.NextToken != "" || p.MaxResults != nil }

// place is where a page of a list starts, and how many entries it has.
type place struct {
	call       *Call
	scope, key string
	size       int
}

// start returns the place that the request asks for.
func (p page) start(c *Call, scope string, most, byDefault int) (place, error) {
	at := place{call: c, scope: scope, size: byDefault}
	if p.MaxResults != nil {
		if at.size = *p.MaxResults; at.size < 1 || at.size > most {
			return at, invalidAt("maxResults", "must be between 1 and %d", most)
		}
	}
	var ok bool
	if at.key, ok = c.readToken(scope, p.NextToken); !ok {
		return at, invalidAt("nextToken", "must be a token that %s returned for the same request", c.Operation)
	}
	return at, nil
}

// next returns the token of the page that starts at the key.
func (at place) next(key string) string { return at.call.pageToken(at.scope, key) }

// entries returns the entries of one page, and the token of the next one or "".
// from walks the list from a key on. entry makes an entry of what is there, and
// says whether the request asks for it.
func entries[T, E any](at place, from func(key string) iter.Seq2[string, T], entry func(key string, v T) (E, bool)) ([]E, string) {
	page := []E{}
	for key, v := range from(at.key) {
		e, wanted := entry(key, v)
		if !wanted {
			continue
		}
		if len(page) == at.size {
			return page, at.next(key)
		}
		page = append(page, e)
	}
	return page, ""
}
