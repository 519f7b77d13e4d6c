package awsapi

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
}

// CredentialsError is a call that could not be made for want of credentials
// that AWS accepts.
type CredentialsError struct {
	// Expired says that there were credentials, and that their time is over.
	Expired bool
	// Err is the SDK's error.
	Err error
}

// ThrottledError is a call that AWS refused for its rate until no attempt was
// left.
type ThrottledError struct {
	// Action is the call, such as "ecr:DescribeImages".
	Action string
	// Err is the SDK's error.
	Err error
}

// Error says which permission is missing and where.
func (e *DeniedError) Error() string { return e.Err.Error() }

// Unwrap returns the SDK's error.
func (e *DeniedError) Unwrap() error { return e.Err }

// Error says what to do about the credentials.
func (e *CredentialsError) Error() string { return e.Err.Error() }

// Unwrap returns the SDK's error.
func (e *CredentialsError) Unwrap() error { return e.Err }

// Error names the call.
func (e *ThrottledError) Error() string { return e.Err.Error() }

// Unwrap returns the SDK's error.
func (e *ThrottledError) Unwrap() error { return e.Err }
