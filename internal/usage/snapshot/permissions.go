package snapshot

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/permissions"
)

var _ permissions.AWS = Config{}

// IAM implements permissions.AWS. A snapshot in a file needs nothing. The ARN of
// an object names neither region nor account (service authorization reference,
// "Actions, resources, and condition keys for Amazon S3").
func (c Config) IAM(run permissions.Run) []permissions.Need {
	if !objects.IsS3(c.Path) {
		return nil
	}
	object := arn.ARN{Service: "s3", Resource: permissions.Literal(strings.TrimPrefix(c.Path, "s3://"))}
	if run.Region != "" {
		object.Partition = awsapi.Partition(run.Region)
	}
	return []permissions.Need{{Actions: []string{"s3:GetObject"}, Resource: object}}
}
