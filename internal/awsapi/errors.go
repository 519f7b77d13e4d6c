package awsapi

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"
)

// DeniedError is a call that the caller may not make.
type DeniedError struct {
	// Action is the IAM action that is missing, such as "ecr:DescribeImages".
	Action string
	// Resource is the ARN that the call was for, or "" if AWS did not say.
	Resource string
	// Principal is the ARN of the caller, or "" if AWS did not say.
	Principal string
	// Err is the SDK's error.
	Err error

	// reason is why, in AWS's words, or "".
	reason string
}

// Error says which permission is missing, whose and where.
func (e *DeniedError) Error() string {
	who := e.Principal
	if who == "" {
		who = "the caller"
	}
	text := fmt.Sprintf("%s may not call %s", who, e.Action)
	if e.Resource != "" {
		text += " on " + e.Resource
	}
	text += e.reason + ": allow the IAM action " + e.Action + " (regsweep permissions iam prints all that is needed, with --for by each command)"
	if e.Principal == "" && e.Err != nil {
		text += ": " + e.Err.Error() // AWS's own words are not yet in it
	}
	return text
}

// Unwrap returns the SDK's error.
func (e *DeniedError) Unwrap() error { return e.Err }

// LateDenialError is a call that was denied after an earlier attempt at it that was
// neither denied nor throttled: the answer to that was lost, or was another error, so
// that it may have been carried out.
type LateDenialError struct {
	// Err has a *DeniedError.
	Err error
}

// Error returns the words of the denial.
func (e *LateDenialError) Error() string { return e.Err.Error() }

// Unwrap returns the denial.
func (e *LateDenialError) Unwrap() error { return e.Err }

// OutcomeUnknown reports that the call may have been carried out.
func (e *LateDenialError) OutcomeUnknown() bool { return true }

// CredentialsError is a call that could not be made for want of credentials
// that AWS accepts. It concerns every call to the same target.
type CredentialsError struct {
	// Expired says that there were credentials, and that their time is over.
	Expired bool
	// Err is the SDK's error.
	Err error
}

// Error says what to do about the credentials.
func (e *CredentialsError) Error() string {
	var api smithy.APIError
	hint := "there are no usable AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or give the pod, task or instance a role"
	switch {
	case e.Expired:
		hint = "the AWS credentials have expired: renew them, for example by `aws sso login` or `aws login`"
	case errors.As(e.Err, &api):
		hint = "AWS does not accept the credentials: check the keys, the clock of this machine, and that the account has the region enabled"
	}
	if e.Err == nil {
		return hint
	}
	return hint + ": " + e.Err.Error()
}

// Unwrap returns the SDK's error.
func (e *CredentialsError) Unwrap() error { return e.Err }

// ThrottledError is a call that AWS refused for its rate until no attempt was
// left.
type ThrottledError struct {
	// Action is the call, such as "ecr:DescribeImages".
	Action string
	// Err is the SDK's error.
	Err error
}

// Error names the call, and what can be done.
func (e *ThrottledError) Error() string {
	text := fmt.Sprintf("AWS went on throttling %s, so others use up its quota: try again later, or have the quota raised", e.Action)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the SDK's error.
func (e *ThrottledError) Unwrap() error { return e.Err }
