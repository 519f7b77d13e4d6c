package awsusage

import (
	"fmt"
	"slices"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/usage"
)

// PerRegion makes the sources of one entry of the configuration. Without
// regions those of env count, and without those the session's own; with one
// region the source is called name too; with several they are called
// name/region. It returns an error for a region that is empty or is named twice.
func PerRegion(env usage.Env, name string, regions []string, assumeRole string, open func(name string, target awsapi.Target) usage.Source) ([]usage.Source, error) {
	if len(regions) == 0 {
		regions = env.Regions
	}
	if len(regions) == 0 {
		regions = []string{""}
	} else if slices.Contains(regions, "") {
		return nil, fmt.Errorf("regions: a region is empty")
	}
	var sources []usage.Source
	for i, region := range regions {
		if slices.Contains(regions[:i], region) {
			return nil, fmt.Errorf("regions: %s is named twice", region)
		}
		part := name
		if len(regions) > 1 {
			part = name + "/" + region
		}
		sources = append(sources, open(part, awsapi.Target{Region: region, AssumeRole: assumeRole}))
	}
	return sources, nil
}
