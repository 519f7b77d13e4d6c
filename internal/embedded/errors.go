package embedded

import (
	"fmt"
	"net/http"
)

// Error is an answer of the API that is not a success.
type Error struct {
	// Code is the name of the error shape, such as "RepositoryNotFoundException".
	Code string
	// Message is what the caller reads.
	Message string
	// Status is the HTTP status; 0 means 400.
	Status int

	// region is where the bucket is that is not here, or "".
	region string
}

// Error returns code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// status returns the HTTP status of the error.
func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// errorf makes an Error with HTTP 400, which is what nearly all errors of the
// JSON protocols have.
func errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid makes an InvalidParameterException.
func invalid(format string, args ...any) *Error {
	return errorf("InvalidParameterException", format, args...)
}

// internalFailure is the answer to a failure of the service itself.
func internalFailure(message string) *Error {
	return &Error{Code: "InternalFailure", Message: message, Status: http.StatusInternalServerError}
}
