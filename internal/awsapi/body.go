package awsapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// errNoAnswer is HTTP 200 with a body that says nothing.
var errNoAnswer = errors.New("AWS answered 200 without a document")

// queryType is the type of requests of the Query protocol.
const queryType = "application/x-www-form-urlencoded"

// wholeBody is the middleware that keeps an answer without content from being
// read as a success with nothing in it. The SDK takes an empty body, and for
// some services a body that is no document at all, for an answer in which every
// field is absent: for a list that would be "there is nothing". It is for
// services that answer with a JSON object or, to the Query protocol, with XML.
// Amazon S3 is left out: an object may be empty, or hold anything.
type wholeBody struct{}

// ID names the middleware.
func (wholeBody) ID() string { return "RegsweepWholeBody" }

// HandleDeserialize looks at the beginning of the answer.
func (wholeBody) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
) {
	out, metadata, err = next.HandleDeserialize(ctx, in)
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if err != nil || !ok || response.StatusCode != http.StatusOK || awsmiddleware.GetServiceID(ctx) == "S3" {
		return out, metadata, err
	}
	seen, err := toFirst(response.Body)
	if err != nil {
		return out, metadata, &smithy.DeserializationError{Err: err}
	}
	want := byte('{')
	if request, ok := in.Request.(*smithyhttp.Request); ok && strings.HasPrefix(request.Header.Get("Content-Type"), queryType) {
		want = '<'
	}
	if first := seen[len(seen)-1]; first != want {
		return out, metadata, &smithy.DeserializationError{Err: fmt.Errorf("%w: the answer begins with %q and not with %q", errNoAnswer, first, want)}
	}
	response.Body = &joined{io.MultiReader(bytes.NewReader(seen), response.Body), response.Body}
	return out, metadata, nil
}

// joined reads from one and closes the other.
type joined struct {
	io.Reader
	io.Closer
}

// toFirst reads up to the first byte that is no space, and returns what it
// read.
func toFirst(body io.Reader) ([]byte, error) {
	var seen []byte
	for {
		var b [1]byte
		if _, err := io.ReadFull(body, b[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, errNoAnswer
			}
			return nil, err
		}
		seen = append(seen, b[0])
		if !strings.ContainsRune(" \t\r\n", rune(b[0])) {
			return seen, nil
		}
		if len(seen) == 4096 {
			return nil, fmt.Errorf("%w: it begins with %d spaces", errNoAnswer, len(seen))
		}
	}
}
