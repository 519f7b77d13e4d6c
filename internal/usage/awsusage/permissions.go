package awsusage

import (
	"github.com/regsweep/regsweep/internal/permissions"
)

// Grant is a resource, as the last part of an ARN such as "service/*", with the
// actions that must be allowed on it. "" is for actions that cannot be restricted
// to resources.
type Grant struct {
	Resource string
	Actions  []string
}

// Needs returns what the sources of one entry of the configuration need: the
// grants of a service in each of the regions, as the role. The resources are
// those of the role's account.
func Needs(run permissions.Run, service string, regions []string, assumeRole string, grants []Grant) []permissions.Need {
	if len(regions) == 0 { // as PerRegion has it
		regions = run.Regions
	}
	if len(regions) == 0 {
		regions = []string{run.Region}
	}
	var needs []permissions.Need
	for _, region := range regions {
		for _, g := range grants {
			n := permissions.Need{Role: assumeRole, Actions: g.Actions}
			if g.Resource != "" {
				n.Resource = permissions.Resource(service, region, permissions.Account(assumeRole), g.Resource)
			}
			needs = append(needs, n)
		}
	}
	return needs
}
