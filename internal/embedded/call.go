package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Call is one request, as a handler sees it.
type Call struct {
	// Context ends when the client goes away.
	Context context.Context
	// Server is the server that was called.
	Server *Server
	// Service and Operation name what was called, such as "ecr" and
	// "DescribeImages".
	Service, Operation string
	// Principal is who calls.
	Principal *Principal
	// Account and Region are those of the caller. A parameter of the request
	// may name another account.
	Account *Account
	Region  *Region
	// Now is the time of the call on the server's clock.
	Now time.Time
	// Body is the request body as received.
	Body []byte
	// Query holds the query string (restJSON) or the form (query).
	Query url.Values

	number  int
	service *service
	request *http.Request
}

// Path returns a label of the operation's route, unescaped (restJSON).
func (c *Call) Path(label string) string { return c.request.PathValue(label) }

// Decode reads the JSON body into v. An empty body is an empty object.
// Anything that does not fit v is a SerializationException; what v itself finds
// wrong is an *Error of its own.
func (c *Call) Decode(v any) error {
	if len(c.Body) == 0 {
		return nil
	}
	err := json.Unmarshal(c.Body, v)
	if apiErr := (*Error)(nil); errors.As(err, &apiErr) {
		return apiErr
	}
	if err != nil {
		return errorf("SerializationException", "%v", err)
	}
	return nil
}

// epoch is a time as the JSON protocols of AWS write it: seconds since 1970,
// with milliseconds as a fraction.
type epoch time.Time

// IsZero lets the JSON option omitzero leave out times that are not known.
func (e epoch) IsZero() bool { return time.Time(e).IsZero() }

// MarshalJSON writes the time as a number.
func (e epoch) MarshalJSON() ([]byte, error) {
	return appendEpoch(nil, time.Time(e)), nil
}

// appendEpoch appends a time as a number of seconds.
func appendEpoch(b []byte, t time.Time) []byte {
	return strconv.AppendFloat(b, float64(t.UnixMilli())/1000, 'f', -1, 64)
}
