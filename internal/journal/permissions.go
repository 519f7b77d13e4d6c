package journal

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/permissions"
)

// IAM returns what reading the journals of the place needs of AWS, and with write
// what writing one does. A place that is not in Amazon S3 needs nothing. The
// ARNs of buckets and objects name neither region nor account (service
// authorization reference, "Actions, resources, and condition keys for Amazon
// S3").
func (p *Place) IAM(run permissions.Run, write bool) []permissions.Need {
	if !p.isS3() {
		return nil
	}
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(p.folder.String(), "s3://"), "/")
	resource := func(name string) arn.ARN {
		a := arn.ARN{Service: "s3", Resource: name}
		if run.Region != "" {
			a.Partition = awsapi.Partition(run.Region)
		}
		return a
	}
	objects := permissions.Need{Actions: []string{"s3:GetObject"}, Resource: resource(permissions.Literal(bucket+"/"+prefix) + "*")}
	if write {
		objects.Actions = append(objects.Actions, "s3:PutObject")
	}
	return []permissions.Need{objects, {Actions: []string{"s3:ListBucket"}, Resource: resource(permissions.Literal(bucket))}}
}
