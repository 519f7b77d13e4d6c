package embedded

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// stsService answers who the caller is, and lets it become a role of any
// account that exists.
func stsService() *service {
	return &service{
		name:      "sts",
		protocol:  query,
		namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		operations: map[string]operation{
			"GetCallerIdentity": getCallerIdentity,
			"AssumeRole":        assumeRole,
		},
		resources: func(c *Call) []string {
			if arn := c.Query.Get("RoleArn"); arn != "" {
				return []string{arn}
			}
			return nil
		},
	}
}

func getCallerIdentity(c *Call) (any, error) {
	return struct {
		Arn, UserId, Account string
	}{c.Principal.ARN, c.Principal.UserID, c.Principal.Account}, nil
}

// roleARN matches the ARN of a role; its groups are the account and the name
// without a path.
var roleARN = regexp.MustCompile(`^arn:aws(?:-[a-z]+)*:iam::(\d{12}):role/(?:[\w+=,.@-]+/)*([\w+=,.@-]+)$`)

// sessionName is the pattern of RoleSessionName in the service model.
var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

type credentials struct {
	AccessKeyId, SecretAccessKey, SessionToken, Expiration string
}

type assumedRoleUser struct {
	AssumedRoleId, Arn string
}

type assumeRoleOutput struct {
	Credentials     credentials
	AssumedRoleUser assumedRoleUser
}

func assumeRole(c *Call) (any, error) {
	arn, session := c.Query.Get("RoleArn"), c.Query.Get("RoleSessionName")
	role := roleARN.FindStringSubmatch(arn)
	if role == nil {
		return nil, errorf("ValidationError", "%s is invalid", arn)
	}
	if !sessionName.MatchString(session) {
		return nil, errorf("ValidationError", "1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", session)
	}
	seconds := 3600
	if text := c.Query.Get("DurationSeconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 900 || n > 43200 {
			return nil, errorf("ValidationError", "1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200", text)
		}
		seconds = n
	}
	if c.Principal.RoleARN != "" && seconds > 3600 {
		return nil, errorf("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	if _, exists := c.Server.lookupAccount(role[1]); !exists {
		return nil, c.denied(arn, "")
	}
	return c.Server.newSession(arn, role[1], role[2], session, c.Now.Add(time.Duration(seconds)*time.Second)), nil
}

// newSession gives out temporary credentials of a role.
func (s *Server) newSession(arn, account, role, session string, expires time.Time) assumeRoleOutput {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions++
	p := &Principal{
		AccessKeyID: fmt.Sprintf("ASIA%s%04d", account, s.sessions),
		Account:     account,
		ARN:         "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session,
		RoleARN:     arn,
		UserID:      "AROA" + account + "0000:" + session,
		Expires:     expires,
	}
	s.addKey(p)
	return assumeRoleOutput{
		Credentials: credentials{
			AccessKeyId:     p.AccessKeyID,
			SecretAccessKey: "embedded",
			SessionToken:    "embedded",
			Expiration:      expires.UTC().Format(time.RFC3339),
		},
		AssumedRoleUser: assumedRoleUser{AssumedRoleId: p.UserID, Arn: p.ARN},
	}
}
