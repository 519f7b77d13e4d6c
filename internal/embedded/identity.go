package embedded

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Principal is who an access key belongs to.
type Principal struct {
	// AccessKeyID is the key that the principal signs with.
	AccessKeyID string
	// Account is the id of the principal's account.
	Account string
	// ARN is the principal as GetCallerIdentity names it: a user, or a session
	// of a role.
	ARN string
	// RoleARN is the role of the session; empty for users.
	RoleARN string
	// UserID is the unique id, as GetCallerIdentity returns it.
	UserID string
	// Expires is when the key stops to work; zero means never.
	Expires time.Time
}

// denial forbids a principal an action on the resources that match a pattern.
type denial struct {
	principal, action, resource string
}

// addKey makes the principal's key known. The server's lock is held.
func (s *Server) addKey(p *Principal) { s.keys[p.AccessKeyID] = p }

// AddKey makes a further access key known, for instance that of a second user
// of an account.
func (s *Server) AddKey(p Principal) {
	s.Account(p.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addKey(&p)
}

// ExpireKey makes every further call with the access key fail with
// ExpiredTokenException. A key that is not known becomes one of the default
// account that has expired.
func (s *Server) ExpireKey(accessKeyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired[accessKeyID] = true
}

// Deny forbids a principal to perform an action: further calls get
// AccessDeniedException. The principal is an access key id, or the ARN of a
// user, role or session. The action ("ecr:DescribeImages") and the resource
// (an ARN, as AWS names it in the error) may hold the wildcard "*"; an empty
// resource means every resource.
func (s *Server) Deny(principal, action, resource string) {
	if resource == "" {
		resource = "*"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denials = append(s.denials, denial{principal, action, resource})
}

// AllowAll takes back every Deny and every SetPolicy.
func (s *Server) AllowAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denials = nil
	clear(s.policies)
}

// identify returns who sent the request and the region that it is for, from
// the credential scope: Credential=KEY/DATE/REGION/SERVICE/aws4_request.
// The last result is false for a request without one.
func (s *Server) identify(r *http.Request) (*Principal, string, bool) {
	key, region, _, ok := credentialScope(r)
	if !ok {
		return nil, "", false
	}
	return s.principal(key), region, true
}

// credentialScope returns the access key id that a request is signed with, and
// the region and the service that it is signed for.
func credentialScope(r *http.Request) (key, region, service string, ok bool) {
	_, rest, ok := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	scope, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(strings.TrimSpace(scope), "/")
	if !ok || len(parts) < 5 {
		return "", "", "", false
	}
	// A key id never holds a slash, but be exact: the last four are the scope.
	return strings.Join(parts[:len(parts)-4], "/"), parts[len(parts)-3], parts[len(parts)-2], true
}

// principal returns who the access key belongs to. A key that is not known
// belongs to the administrator of the default account.
func (s *Server) principal(accessKeyID string) *Principal {
	admin := s.Account(DefaultAccount).AccessKeyID()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.keys[accessKeyID]; p != nil {
		return p
	}
	p := *s.keys[admin]
	p.AccessKeyID = accessKeyID
	return &p
}

// keyExpired reports whether the principal's key no longer works.
func (s *Server) keyExpired(p *Principal, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expired[p.AccessKeyID] || !p.Expires.IsZero() && !now.Before(p.Expires)
}

// authorize returns the error of AWS when the caller is denied the call.
func (s *Server) authorize(c *Call) error {
	if r := s.refusal(c.Principal, c.permission(), c.resources); r != nil {
		return c.denied(r.resource, r.why)
	}
	return nil
}

// resources names what the call is about, for policies.
func (c *Call) resources() []string {
	if c.service.resources != nil {
		if all := c.service.resources(c); len(all) > 0 {
			return all
		}
	}
	return []string{"*"}
}

// refusal is that an action is denied on a resource, and why in AWS's words,
// which may be "".
type refusal struct{ resource, why string }

// names returns the names that denials and policies know the principal by.
func (p *Principal) names() []string { return []string{p.AccessKeyID, p.ARN, p.RoleARN} }

// refusal returns why a principal may not do something, or nil. The resources
// are only asked for when something is denied to the principal, or a policy is
// set for it.
func (s *Server) refusal(p *Principal, action string, resources func() []string) *refusal {
	s.mu.Lock()
	var denials []denial
	var policies []policy
	for _, d := range s.denials {
		if slices.Contains(p.names(), d.principal) {
			denials = append(denials, d)
		}
	}
	for _, name := range p.names() {
		if set, ok := s.policies[name]; ok {
			policies = append(policies, set)
		}
	}
	s.mu.Unlock()
	if action == "sts:GetCallerIdentity" {
		policies = nil // it needs no permission, and none takes it away (API reference)
	}
	if len(denials) == 0 && len(policies) == 0 {
		return nil
	}
	for _, on := range resources() {
		if slices.ContainsFunc(denials, func(d denial) bool { return wildcard(d.action, action) && wildcard(d.resource, on) }) {
			return &refusal{resource: on}
		}
		if len(policies) > 0 {
			if why := refuses(policies, action, on); why != "" {
				return &refusal{on, why}
			}
		}
	}
	return nil
}

// denied returns the error that AWS gives when the caller may not do this to
// the resource. why ends the message.
func (c *Call) denied(resource, why string) *Error {
	if c.service.protocol == restXML { // as Amazon S3 words it
		resource = strconv.Quote(resource)
		if why == "" {
			why = " because no identity-based policy allows the " + c.permission() + " action"
		}
	}
	return c.service.accessDenied(fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s%s",
		c.Principal.ARN, c.permission(), resource, why))
}

// permission returns the IAM action that the call needs.
func (c *Call) permission() string {
	if other := c.service.permissions[c.Operation]; other != "" {
		return c.Service + ":" + other
	}
	return c.Service + ":" + c.Operation
}

// wildcard reports whether s matches the pattern, in which "*" stands for any
// text.
func wildcard(pattern, s string) bool {
	first, rest, found := strings.Cut(pattern, "*")
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for found {
		var next string
		next, rest, found = strings.Cut(rest, "*")
		if !found {
			return strings.HasSuffix(s, next)
		}
		at := strings.Index(s, next)
		if at < 0 {
			return false
		}
		s = s[at+len(next):]
	}
	return s == ""
}
