package lambdarun

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/config"
	"github.com/regsweep/regsweep/internal/journal"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/usage"
)

// The types of errors, which a state machine catches by.
const (
	// TypeEvent is an event that asks for nothing that can be done.
	TypeEvent = "EventError"
	// TypeConfiguration is a configuration that cannot be read or has mistakes, or
	// that a plan does not belong to.
	TypeConfiguration = "ConfigurationError"
	// TypeCredentials is credentials that AWS does not accept, such as expired ones.
	TypeCredentials = "CredentialsError"
	// TypeDenied is a call that the role may not make.
	TypeDenied = "DeniedError"
	// TypeThrottled is a call that AWS throttled until no attempt was left. It is
	// worth another invocation.
	TypeThrottled = "ThrottledError"
	// TypeDeadline is an invocation that had no time to get anywhere.
	TypeDeadline = "DeadlineError"
	// TypeFailed is everything else.
	TypeFailed = "FailedError"
)

// ConfigurationError says that the configuration cannot be used.
type ConfigurationError struct{ Err error }

// Error says why.
func (e *ConfigurationError) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *ConfigurationError) Unwrap() error { return e.Err }

// DeadlineError says that an invocation ended before its deadline, and what to do
// about it.
type DeadlineError struct {
	// Doing is what it was at.
	Doing string
}

// Error says what to do about it.
func (e *DeadlineError) Error() string {
	text := "stopped before the function's deadline"
	if e.Doing != "" {
		text += ": " + e.Doing
	}
	return text
}

// errDeadline is the cause that the context of a run ends with.
var errDeadline = &DeadlineError{}

// ended returns a DeadlineError where that is why a run ended with an error. What
// no further invocation would mend stays what it is.
func ended(ctx context.Context, err error, doing string) error {
	var deadline *DeadlineError
	var credentials *awsapi.CredentialsError
	var unwritten *journal.WriteError
	switch {
	case err == nil || ctx.Err() == nil || !errors.As(context.Cause(ctx), &deadline):
		return err
	case errors.As(err, &credentials), errors.As(err, &unwritten):
		return err
	}
	return &DeadlineError{doing}
}

// response is an error as the Runtime API takes it: with its type and a message
// that is not too long.
func response(err error) messages.InvokeResponse_Error {
	message := err.Error()
	const most = 8 << 10
	if len(message) > most {
		message = message[:most] + "…"
	}
	return messages.InvokeResponse_Error{Type: typeOf(err), Message: message}
}

// typeOf says of which type an error is.
func typeOf(err error) string {
	var (
		event         *EventError
		configuration *ConfigurationError
		mistakes      config.Errors
		mismatch      *app.MismatchError
		merge         *plan.MergeError
		unknown       *usage.UnknownSourceError
		deadline      *DeadlineError
		credentials   *awsapi.CredentialsError
		denied        *awsapi.DeniedError
		throttled     *awsapi.ThrottledError
	)
	switch {
	case errors.As(err, &event):
		return TypeEvent
	case errors.As(err, &credentials):
		return TypeCredentials
	case errors.As(err, &throttled):
		return TypeThrottled
	case errors.As(err, &configuration), errors.As(err, &mistakes), errors.As(err, &mismatch), errors.As(err, &merge),
		errors.As(err, &unknown), errors.Is(err, app.ErrNoUsage), errors.Is(err, app.ErrNothingSeen):
		return TypeConfiguration
	case errors.As(err, &denied):
		return TypeDenied
	case errors.As(err, &deadline):
		return TypeDeadline
	}
	return TypeFailed
}

// after adds to an error what was done before it.
func after(report *plan.Report, err error) error {
	if n := report.Deleted + report.Archived; n > 0 {
		return fmt.Errorf("stopped in mid-apply, after %d images: %w", n, err)
	}
	return err
}
