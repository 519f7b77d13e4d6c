package awsapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// limit is the middleware that makes every attempt of a call wait for the
// limiter of its operation. It stands within the retries, since each attempt
// counts against the quota, and before the signing, since a signature ages.
type limit struct {
	limiters *limiters
	classes  classes
	// account is the account of the calls, "" for the session's own, and region
	// where they go unless the client has one of its own.
	account, region string
}

// attemptKey holds a call's *attempts so far.
type attemptKey struct{}

// attempts are those of one call.
type attempts struct {
	n int
	// open says that one of them had no answer, or another one than a denial or a
	// throttle, so that it may have been carried out.
	open bool
}

// ID names the middleware.
func (*limit) ID() string { return "RegsweepLimit" }

// HandleFinalize sends one attempt.
func (m *limit) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	made, ok := middleware.GetStackValue(ctx, attemptKey{}).(*attempts)
	if !ok { // explain is in every stack that this is in
		made = &attempts{}
	}
	made.n++
	region := awsmiddleware.GetRegion(ctx)
	if region == "" {
		region = m.region
	}
	limiter := m.limiters.of(operation{m.account, region, awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)})
	permit, err := limiter.await(ctx, made)
	if err != nil {
		return out, metadata, &aws.RequestCanceledError{Err: err}
	}
	var result outcome
	defer func() { limiter.done(permit, result) }() // also when next panics
	out, metadata, err = next.HandleFinalize(ctx, in)
	var unsent *credentialsFailure
	if errors.As(err, &unsent) {
		result = outcome{unsent: true}
		return out, metadata, err
	}
	result = outcome{
		succeeded:  err == nil || answered(err),
		throttled:  m.classes.throttle(err),
		retryAfter: retryAfter(err, m.limiters.clock.now()),
	}
	if !result.throttled && !isDenial(err) {
		made.open = true
	}
	return out, metadata, err
}

// answered reports whether an error is the answer to a call that AWS let
// through, such as that something does not exist.
func answered(err error) bool {
	code := status(err)
	return code >= 200 && code < 500
}

// retryAfter returns how long AWS asked to wait, or 0. Retry-After is in
// seconds or a date (RFC 9110, 10.2.3), X-Amz-Retry-After in milliseconds.
func retryAfter(err error, now time.Time) time.Duration {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil || response.Response.Response == nil {
		return 0
	}
	header := response.Response.Header
	if n, err := strconv.ParseInt(header.Get("X-Amz-Retry-After"), 10, 32); err == nil {
		return max(time.Duration(n)*time.Millisecond, 0)
	}
	value := header.Get("Retry-After")
	if n, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(time.Duration(n)*time.Second, 0)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
