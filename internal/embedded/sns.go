package embedded

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// SNSMessage is a message that was published to a topic.
type SNSMessage struct {
	TopicARN, Subject, Message string
}

// snsService takes messages for topics. A topic exists once it was created.
func snsService() *service {
	return &service{
		name:       "sns",
		protocol:   query,
		namespace:  "http://sns.amazonaws.com/doc/2010-03-31/",
		operations: map[string]operation{"Publish": snsPublish},
		resources: func(c *Call) []string {
			if arn := c.Query.Get("TopicArn"); arn != "" {
				return []string{arn}
			}
			return nil
		},
	}
}

// snsSubject is what a subject can be: ASCII that begins with a letter, a number
// or punctuation, without line breaks, at most 100 characters (Publish in the
// API reference).
var snsSubject = regexp.MustCompile(`^[!-~][ -~]{0,99}$`)

// CreateTopic makes a standard topic in the region and returns its ARN.
func (r *Region) CreateTopic(name string) string {
	arn := fmt.Sprintf("arn:aws:sns:%s:%s:%s", r.Name, r.Account.ID, name)
	s := r.Account.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics == nil {
		s.topics = map[string][]SNSMessage{}
	}
	s.topics[arn] = s.topics[arn][:0:0]
	return arn
}

// Published returns what was published to a topic, in order.
func (s *Server) Published(topicARN string) []SNSMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]SNSMessage{}, s.topics[topicARN]...)
}

func snsPublish(c *Call) (any, error) {
	m := SNSMessage{TopicARN: c.Query.Get("TopicArn"), Subject: c.Query.Get("Subject"), Message: c.Query.Get("Message")}
	if m.Message == "" || len(m.Message) > 256<<10 {
		return nil, errorf("InvalidParameter", "Invalid parameter: Empty message or message too long")
	}
	if m.Subject != "" && !snsSubject.MatchString(m.Subject) {
		return nil, errorf("InvalidParameter", "Invalid parameter: Subject")
	}
	if parts := strings.Split(m.TopicARN, ":"); len(parts) != 6 || parts[3] != c.Region.Name {
		return nil, errorf("InvalidParameter", "Invalid parameter: TopicArn") // one of another region is no topic here
	} else if owner, exists := c.Server.lookupAccount(parts[4]); exists && !owner.trusts(c.Principal.Account) {
		return nil, &Error{
			Code: "AuthorizationError", Status: http.StatusForbidden,
			Message: fmt.Sprintf("User: %s is not authorized to perform: SNS:Publish on resource: %s because no resource-based policy allows the SNS:Publish action", c.Principal.ARN, m.TopicARN),
		}
	}
	s := c.Server
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.topics[m.TopicARN]; !exists {
		return nil, &Error{Code: "NotFound", Message: "Topic does not exist", Status: http.StatusNotFound}
	}
	s.topics[m.TopicARN] = append(s.topics[m.TopicARN], m)
	return struct{ MessageId string }{fmt.Sprintf("00000000-0000-4000-8000-%012d", len(s.topics[m.TopicARN]))}, nil
}
