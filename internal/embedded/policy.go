package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// policy is an identity-based policy, ready for use.
type policy []statement

// statement allows or denies actions on resources.
type statement struct {
	deny               bool
	actions, resources []*regexp.Regexp
}

// SetPolicy makes an IAM policy hold for a principal: an access key id, or the
// ARN of a user, role or session. Further calls of the principal are denied
// unless a policy allows them, as AWS does it: a statement that denies wins, and
// sts:GetCallerIdentity needs no permission. A principal that no policy is set
// for may do everything. The policy replaces the one that was set for the same
// name; an empty document takes it away, and so does AllowAll.
//
// The document holds Version, Id and statements of Sid, Effect, Action and
// Resource. Whatever else IAM knows (NotAction, NotResource, Condition, policy
// variables) is an error, as is what IAM refuses.
func (s *Server) SetPolicy(principal, document string) error {
	var p policy
	if document != "" {
		var err error
		if p, err = parsePolicy([]byte(document)); err != nil {
			return fmt.Errorf("policy of %s: %w", principal, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.policies, principal)
	if document != "" {
		s.policies[principal] = p
	}
	return nil
}

// oneOrMore is a value that policies write alone or as a list.
type oneOrMore[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore[T]) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("[")) {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	return decodeStrictly(data, (*[]T)(o))
}

// statementDocument is Statement in a policy.
type statementDocument struct {
	Sid, Effect      string
	Action, Resource oneOrMore[string]
}

func decodeStrictly(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("there is more after the end")
	}
	return nil
}

func parsePolicy(document []byte) (policy, error) {
	var in struct {
		Version, Id string
		Statement   oneOrMore[statementDocument]
	}
	if err := decodeStrictly(document, &in); err != nil {
		return nil, err
	}
	if in.Version != "2012-10-17" {
		return nil, fmt.Errorf("version %q is not 2012-10-17", in.Version)
	}
	if len(in.Statement) == 0 {
		return nil, errors.New("there is no statement")
	}
	var p policy
	for i, s := range in.Statement {
		parsed, err := s.parse()
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i, err)
		}
		p = append(p, parsed)
	}
	return p, nil
}

// The form of actions and resources. IAM refuses an ARN without one of its six
// parts, and a partition that does not exist.
var (
	policyAction   = regexp.MustCompile(`^(\*|[a-z0-9-]+:[A-Za-z0-9*?]+)$`)
	policyResource = regexp.MustCompile(`^(\*|arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9*?-]*:[0-9*?]*:.+)$`)
)

func (d statementDocument) parse() (statement, error) {
	s := statement{deny: d.Effect == "Deny"}
	switch {
	case d.Effect != "Allow" && d.Effect != "Deny":
		return s, fmt.Errorf("effect %q is neither Allow nor Deny", d.Effect)
	case len(d.Action) == 0:
		return s, errors.New("there is no action")
	case len(d.Resource) == 0:
		return s, errors.New("there is no resource")
	}
	for _, action := range d.Action {
		if !policyAction.MatchString(action) {
			return s, fmt.Errorf("action %q is not service:Action", action)
		}
		pattern, err := policyPattern(action, ".")
		if err != nil {
			return s, err
		}
		s.actions = append(s.actions, regexp.MustCompile(`(?is)\A`+pattern+`\z`))
	}
	for _, resource := range d.Resource {
		if !policyResource.MatchString(resource) {
			return s, fmt.Errorf("resource %q is neither * nor an ARN", resource)
		}
		const partsBefore = 5 // the parts of an ARN before the resource itself
		parts := strings.SplitN(resource, ":", partsBefore+1)
		for i, part := range parts {
			one := "."
			if i < partsBefore && resource != "*" {
				one = "[^:]"
			}
			var err error
			if parts[i], err = policyPattern(part, one); err != nil {
				return s, err
			}
		}
		s.resources = append(s.resources, regexp.MustCompile(`(?s)\A`+strings.Join(parts, ":")+`\z`))
	}
	return s, nil
}

// policyPattern returns the regular expression of a text with the wildcards of
// policies: ? stands for one character, which one matches, and * for any number
// of them. ${*}, ${?} and ${$} are the characters themselves ("IAM policy
// elements: Variables" in the IAM user guide).
func policyPattern(text, one string) (string, error) {
	var b strings.Builder
	for text != "" {
		size := 1
		switch {
		case strings.HasPrefix(text, "${*}"), strings.HasPrefix(text, "${?}"), strings.HasPrefix(text, "${$}"):
			size = len("${*}")
			b.WriteString(regexp.QuoteMeta(text[2:3]))
		case strings.HasPrefix(text, "${"):
			return "", fmt.Errorf("policy variables are not supported: %s", text)
		case text[0] == '*':
			b.WriteString(one + "*")
		case text[0] == '?':
			b.WriteString(one)
		default:
			size = strings.IndexAny(text[1:], "*?$") + 1
			if size == 0 {
				size = len(text)
			}
			b.WriteString(regexp.QuoteMeta(text[:size]))
		}
		text = text[size:]
	}
	return b.String(), nil
}

func matchesAny(patterns []*regexp.Regexp, s string) bool {
	return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(s) })
}

// covers reports whether the statement is about the action on the resource.
func (s *statement) covers(action, resource string) bool {
	return matchesAny(s.actions, action) && matchesAny(s.resources, resource)
}

// refuses says, in the words of AWS, why the policies do not let an action be
// done to a resource; "" means that they do.
func refuses(policies []policy, action, resource string) string {
	allowed := false
	for _, p := range policies {
		for i := range p {
			switch {
			case !p[i].covers(action, resource):
			case p[i].deny:
				return " with an explicit deny in an identity-based policy"
			default:
				allowed = true
			}
		}
	}
	if allowed {
		return ""
	}
	return " because no identity-based policy allows the " + action + " action"
}
