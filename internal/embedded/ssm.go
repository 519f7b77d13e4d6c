package embedded

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// ssmService answers for the parameters of AWS Systems Manager, one at a time.
func ssmService() *service {
	return &service{
		name:       "ssm",
		protocol:   json11,
		target:     "AmazonSSM",
		operations: map[string]operation{"GetParameter": handle(getParameter)},
		resources: func(c *Call) []string {
			var in getParameterInput
			if c.Decode(&in) != nil || in.Name == "" {
				return nil
			}
			return []string{parameterARN(c.Region, in.Name)}
		},
	}
}

// ssmState holds the parameters of a region by name.
type ssmState struct {
	mu         sync.Mutex
	parameters map[string]parameter
}

type parameter struct {
	value    string
	secure   bool
	version  int
	modified time.Time
}

// PutParameter gives a parameter a new version with the value. A secure one is a
// SecureString: whoever does not ask for it decrypted gets something else.
func (r *Region) PutParameter(name, value string, secure bool) {
	r.ssm.mu.Lock()
	defer r.ssm.mu.Unlock()
	if r.ssm.parameters == nil {
		r.ssm.parameters = map[string]parameter{}
	}
	r.ssm.parameters[name] = parameter{value, secure, r.ssm.parameters[name].version + 1, r.Account.server.clock()}
}

// parameterARN is the ARN of a parameter: a leading slash of its name is that of
// the ARN ("Actions, resources, and condition keys for AWS Systems Manager" in
// the service authorization reference).
func parameterARN(r *Region, name string) string {
	return fmt.Sprintf("arn:aws:ssm:%s:%s:parameter/%s", r.Name, r.Account.ID, strings.TrimPrefix(name, "/"))
}

type getParameterInput struct {
	Name           string
	WithDecryption bool
}

type parameterOutput struct {
	ARN              string  `json:"ARN"`
	DataType         string  `json:"DataType"`
	LastModifiedDate float64 `json:"LastModifiedDate"`
	Name             string  `json:"Name"`
	Type             string  `json:"Type"`
	Value            string  `json:"Value"`
	Version          int     `json:"Version"`
}

func getParameter(c *Call, in *getParameterInput) (any, error) {
	if in.Name == "" {
		return nil, errorf("ValidationException", "1 validation error detected: Value at 'name' failed to satisfy constraint: Member must not be null")
	}
	c.Region.ssm.mu.Lock()
	p, ok := c.Region.ssm.parameters[in.Name]
	c.Region.ssm.mu.Unlock()
	if !ok {
		return nil, &Error{Code: "ParameterNotFound"}
	}
	out := parameterOutput{
		ARN: parameterARN(c.Region, in.Name), DataType: "text", LastModifiedDate: float64(p.modified.Unix()),
		Name: in.Name, Type: "String", Value: p.value, Version: p.version,
	}
	if p.secure {
		if out.Type = "SecureString"; !in.WithDecryption {
			out.Value = "AQICAHencrypted"
		}
	}
	return struct{ Parameter parameterOutput }{out}, nil
}
