// Package lambdarun is regsweep as an AWS Lambda function: it reads the event of
// an invocation, does what it asks for over package app, ends before the
// deadline, and answers with a result that is small enough for every limit. The
// lists are in Amazon S3.
package lambdarun
