package awsapi

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// throttleAttempts is how often a throttled call is sent. It is many, since
	// several processes may share a quota, and the limiter spaces them.
	throttleAttempts = 10
	// otherAttempts is how often a call is sent that failed in another way.
	otherAttempts = 6
)

// delays are the waits before retries. They double with each.
type delays struct {
	// throttle and other are the first, and longest bounds them.
	throttle, other, longest time.Duration
}

// defaultDelays returns the waits of a run.
func defaultDelays() delays {
	return delays{throttle: 100 * time.Millisecond, other: 200 * time.Millisecond, longest: 5 * time.Second}
}

// classes tells errors that a call can be repeated after from others.
type classes struct {
	throttles map[string]struct{}
}

// newClasses returns the SDK's classes without LimitExceededException: the SDK
// repeats it as a throttle, but ECR and ECS mean a hard quota by it, such as
// the tags of an image, which no waiting raises.
func newClasses() classes {
	throttles := maps.Clone(retry.DefaultThrottleErrorCodes)
	delete(throttles, "LimitExceededException")
	return classes{throttles: throttles}
}

// throttle reports whether AWS refused a call for its rate.
func (c classes) throttle(err error) bool {
	var api smithy.APIError
	if errors.As(err, &api) {
		if _, ok := c.throttles[api.ErrorCode()]; ok {
			return true
		}
	}
	return status(err) == http.StatusTooManyRequests
}

// status returns the HTTP status of the answer that an error came with, or 0.
func status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil && response.Response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}

// broken reports whether an answer came but could not be read. The SDK does not
// repeat such a call; here a cut connection must not end a run of an hour, and
// every call that regsweep makes can be made twice.
func broken(err error) bool {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	var unreadable *smithy.DeserializationError
	return errors.As(err, &unreadable) && status(err)/100 == 2
}

// retryer returns the SDK's standard retryer with these classes and delays. It has
// no budget of retries over all calls, as the number of attempts bounds them and the
// limiter their rate.
func (c classes) retryer(d delays, random func() float64) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = throttleAttempts
		o.RateLimiter = ratelimit.None
		o.Retryables = []retry.IsErrorRetryable{
			retry.NoRetryCanceledError{},
			retry.RetryableError{},
			retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
				if broken(err) || c.throttle(err) {
					return aws.TrueTernary
				}
				return aws.UnknownTernary
			}),
			retry.RetryableConnectionError{},
			retry.RetryableHTTPStatusCode{Codes: retry.DefaultRetryableHTTPStatusCodes},
			retry.RetryableErrorCode{Codes: retry.DefaultRetryableErrorCodes},
		}
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			throttled := c.throttle(err)
			if !throttled && attempt >= otherAttempts {
				return 0, &retry.MaxAttemptsError{Attempt: attempt, Err: err}
			}
			return d.after(attempt, throttled, random()), nil
		})
	})
}

// after returns how long to wait after an attempt, counted from 1. After a
// throttle that only spreads the calls, as the limiter makes them wait; after
// another error at least half of it is sure.
func (d delays) after(attempt int, throttled bool, random float64) time.Duration {
	first, sure := d.other, 0.5
	if throttled {
		first, sure = d.throttle, 0
	}
	whole := min(first<<min(max(attempt-1, 0), 10), d.longest)
	return time.Duration((sure + (1-sure)*random) * float64(whole))
}
