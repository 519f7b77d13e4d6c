package awsapi

import (
	"context"
	"errors"
	"regexp"
	"strings"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// explain is the outermost middleware. It turns the errors of a call into this
// package's types, with the SDK's error within.
type explain struct {
	classes classes
}

// ID names the middleware.
func (explain) ID() string { return "RegsweepExplain" }

// HandleInitialize makes the call.
func (m explain) HandleInitialize(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, metadata middleware.Metadata, err error,
) {
	made := &attempts{}
	ctx = middleware.WithStackValue(ctx, attemptKey{}, made)
	out, metadata, err = next.HandleInitialize(ctx, in)
	err = m.typed(err, actionOf(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)))
	var d *DeniedError
	if made.open && errors.As(err, &d) {
		err = &LateDenialError{err}
	}
	return out, metadata, err
}

// actionOf returns the IAM action of an operation. All that regsweep calls are
// named like their operation; the prefix is that of the service authorization
// reference, which but for the tagging API is the SDK's name in lower case.
func actionOf(service, name string) string {
	prefix := strings.ToLower(strings.ReplaceAll(service, " ", ""))
	if service == "Resource Groups Tagging API" {
		prefix = "tag"
	}
	return prefix + ":" + name
}

// typed returns the error of a call as one of this package's types, or as it
// is.
func (m explain) typed(err error, action string) error {
	if err == nil || isTyped(err) {
		return err
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		if m.classes.throttle(err) {
			return &ThrottledError{Action: action, Err: err}
		}
		return err
	}
	if isDenial(err) {
		return denied(err, api.ErrorMessage(), action)
	}
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return &CredentialsError{Expired: true, Err: err}
	case "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
		"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "AuthFailure",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException", "InvalidToken":
		return &CredentialsError{Err: err}
	}
	if m.classes.throttle(err) {
		return &ThrottledError{Action: action, Err: err}
	}
	return err
}

// isDenial reports whether an error is AWS's answer that the caller may not make
// the call.
func isDenial(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized":
		return true
	}
	return false
}

// isTyped reports whether an error already has one of the types: that of a call
// for credentials comes out of the call that needed them.
func isTyped(err error) bool {
	var d *DeniedError
	var c *CredentialsError
	var t *ThrottledError
	return errors.As(err, &d) || errors.As(err, &c) || errors.As(err, &t)
}

// refusal is how AWS words a denial: who, what, on what, and why. Amazon S3 puts
// the resource in quotes, and keys of objects may hold spaces.
var refusal = regexp.MustCompile(`^User: (\S+) is not authorized to perform: ([A-Za-z0-9-]+:\w+)(?: on resource: (?:"([^"]+)"|([^\s"]+)))?(.*)$`)

// denied returns a DeniedError with what AWS's message says. That it was a
// denial is known already; the message only fills in names.
func denied(err error, message, action string) error {
	d := &DeniedError{Action: action, Err: err}
	if m := refusal.FindStringSubmatch(message); m != nil {
		d.Principal, d.Action, d.Resource, d.reason = m[1], m[2], m[3]+m[4], m[5]
	}
	return d
}
