// Package awsusage holds what the usage sources of AWS have in common: one
// source for each region, bounded calls in parallel, a record of what was seen
// and of what could not be read, and a cache of what never changes.
package awsusage
