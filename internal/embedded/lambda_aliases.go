package embedded

import "net/http"

// routesTo reports whether the alias routes to the version.
func (a *functionAlias) routesTo(version string) bool {
	_, weighted := a.weights[version]
	return weighted || a.version == version
}

// routing is AliasRoutingConfiguration in the service model.
type routing struct {
	AdditionalVersionWeights map[string]float64
}

// aliasOutput is AliasConfiguration in the service model.
type aliasOutput struct {
	AliasArn        string
	Name            string
	FunctionVersion string
	RoutingConfig   *routing `json:",omitempty"`
}

func (f *Function) describeAlias(a *functionAlias) aliasOutput {
	out := aliasOutput{AliasArn: f.ARN() + ":" + a.name, Name: a.name, FunctionVersion: a.version}
	if len(a.weights) > 0 {
		out.RoutingConfig = &routing{a.weights}
	}
	return out
}

type aliasInput struct {
	Name, FunctionVersion string
	RoutingConfig         routing
}

func createAlias(c *Call, in *aliasInput) (any, error) {
	return putAlias(c, in, in.Name, true)
}

func updateAlias(c *Call, in *aliasInput) (any, error) {
	return putAlias(c, in, c.Path("Name"), false)
}

func putAlias(c *Call, in *aliasInput, name string, create bool) (any, error) {
	c.Region.lambda.mu.Lock()
	defer c.Region.lambda.mu.Unlock()
	f, _, err := c.function()
	if err != nil {
		return nil, err
	}
	known, exists := f.aliases.get(name)
	switch {
	case create && exists:
		return nil, conflict("Alias already exists: " + f.ARN() + ":" + name)
	case !create && !exists:
		return nil, &Error{Code: "ResourceNotFoundException", Message: "Cannot find alias arn: " + f.ARN() + ":" + name, Status: http.StatusNotFound}
	case !create && in.FunctionVersion == "":
		in.FunctionVersion = known.version
	}
	if err := f.putAlias(name, in.FunctionVersion, in.RoutingConfig.AdditionalVersionWeights); err != nil {
		return nil, err
	}
	a, _ := f.aliases.get(name)
	return f.describeAlias(a), nil
}

func listAliases(c *Call) (any, error) {
	c.Region.lambda.mu.Lock()
	defer c.Region.lambda.mu.Unlock()
	f, _, err := c.function()
	if err != nil {
		return nil, err
	}
	version := c.Query.Get("FunctionVersion")
	all := []aliasOutput{}
	for _, alias := range f.aliases.from("") {
		if version == "" || alias.version == version {
			all = append(all, f.describeAlias(alias))
		}
	}
	page, next, err := cut(c, f.name+"/"+version, all, 50)
	if err != nil {
		return nil, err
	}
	return struct {
		Aliases    []aliasOutput
		NextMarker string `json:",omitempty"`
	}{page, next}, nil
}
