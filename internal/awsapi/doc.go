// Package awsapi gives AWS SDK configurations that share one HTTP client, one
// adaptive limiter for each account, region and operation, and one reading of
// what errors mean.
package awsapi
