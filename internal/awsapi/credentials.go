package awsapi

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
)

// credentials gives errors of a provider of credentials their type. The SDK's
// providers return all kinds of errors; only here is it known what they mean.
type credentials struct {
	provider aws.CredentialsProvider
}

// Retrieve returns the provider's credentials.
func (c credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	value, err := c.provider.Retrieve(ctx)
	if err == nil {
		return value, nil
	}
	if ctx.Err() == nil && !isTyped(err) {
		err = &CredentialsError{Expired: sessionOver(err), Err: err}
	}
	return value, &credentialsFailure{err}
}

// ProviderSources names the provider in the User-Agent header, as the SDK does.
func (c credentials) ProviderSources() []aws.CredentialSource {
	if named, ok := c.provider.(aws.CredentialProviderSource); ok {
		return named.ProviderSources()
	}
	return nil
}

// sessionOver reports whether a provider failed since a login has expired.
func sessionOver(err error) bool {
	var sso *ssocreds.InvalidTokenError
	if errors.As(err, &sso) {
		return true
	}
	// What IAM Identity Center answers to a token that is expired or revoked, see
	// https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html
	// and https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html.
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	return api.ErrorCode() == "UnauthorizedException" || api.ErrorCode() == "InvalidGrantException"
}

// credentialsFailure is the error of a call that was never sent. The provider
// has made its own attempts, so that the call is not repeated, and it says
// nothing about the quota of the call.
type credentialsFailure struct{ err error }

// Error returns the provider's words.
func (e *credentialsFailure) Error() string { return e.err.Error() }

// Unwrap returns the provider's error.
func (e *credentialsFailure) Unwrap() error { return e.err }

// RetryableError tells the SDK's retryer.
func (e *credentialsFailure) RetryableError() bool { return false }
