package awsapi

import "strings"

// partitions are the AWS partitions by the beginning of their regions' names
// (the SDK's endpoint rules). All other regions are in the first one, "aws".
var partitions = []struct{ regions, name string }{
	{"cn-", "aws-cn"},
	{"us-gov-", "aws-us-gov"},
	{"us-iso-", "aws-iso"},
	{"us-isob-", "aws-iso-b"},
	{"eu-isoe-", "aws-iso-e"},
	{"us-isof-", "aws-iso-f"},
	{"eusc-", "aws-eusc"},
}

// Partition returns the partition that a region is in, as ARNs name it: "aws"
// for most.
func Partition(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			return p.name
		}
	}
	return "aws"
}
