package embedded

import (
	"encoding/base64"
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

// page holds the paging parameters of most ECR requests.
type page struct {
	NextToken  string `json:"nextToken"`
	MaxResults *int   `json:"maxResults"`
}

// start returns where the page starts and how many entries it has.
func (p page) start(c *Call, scope string, most, byDefault int) (string, int, error) {
	size := byDefault
	if p.MaxResults != nil {
		if size = *p.MaxResults; size < 1 || size > most {
			return "", 0, invalidAt("maxResults", "must be between 1 and %d", most)
		}
	}
	key, ok := c.readToken(scope, p.NextToken)
	if !ok {
		return "", 0, invalidAt("nextToken", "must be a token that %s returned for the same request", c.Operation)
	}
	return key, size, nil
}

// given reports whether the request asks for a page at all.
func (p page) given() bool { return p.NextToken != "" || p.MaxResults != nil }
