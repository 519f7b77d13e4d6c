package ecr

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answerProtocol is the protocol of one call. It does what the SDK's own does,
// but has an answer with status 200 read by read, and leaves the SDK's output
// empty. All else remains the SDK's and awsapi's: how requests are made, errors,
// retries, limits. An answer with another status of success is read by the SDK,
// so read is not called: that must not look like an answer with nothing in it.
type answerProtocol struct {
	smithyhttp.ClientProtocol
	read func(body io.Reader) error
}

// readAnswer is an option of a call: its answer is read by read, which is called
// again when the call is repeated after a broken answer.
func readAnswer(read func(body io.Reader) error) func(*ecr.Options) {
	return func(o *ecr.Options) { o.Protocol = &answerProtocol{o.Protocol, read} }
}

// DeserializeResponse reads an answer. An error is a broken answer, after which
// the call can be repeated, unless it is an unusableError.
func (p *answerProtocol) DeserializeResponse(
	ctx context.Context, schema *smithy.OperationSchema, registry *smithy.TypeRegistry, response *smithyhttp.Response, out smithy.Deserializable,
) error {
	if response.StatusCode != http.StatusOK {
		return p.ClientProtocol.DeserializeResponse(ctx, schema, registry, response, out)
	}
	err := p.read(response.Body)
	var unusable *unusableError
	if err == nil || errors.As(err, &unusable) {
		return err
	}
	return &smithy.DeserializationError{Err: err}
}
