package awsapi

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// renewBefore is how long before its end the session of a role is renewed. A
// call may wait that long for its turn after it got its credentials.
const renewBefore = 2 * time.Minute

// assume returns the credentials of a role, which are renewed as long as those
// of cfg may assume it.
func assume(cfg aws.Config, role string) aws.CredentialsProvider {
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "regsweep"
	})
	return credentials{aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = renewBefore
	})}
}

// accountOf returns the account id in the ARN of a role.
func accountOf(role string) (string, error) {
	parsed, err := arn.Parse(role)
	if err != nil {
		return "", fmt.Errorf("assume the role %q: %w", role, err)
	}
	return parsed.AccountID, nil
}
