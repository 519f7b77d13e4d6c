package embedded

import (
	"fmt"
	"regexp"
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
		resource: func(c *Call) string {
			if arn := c.Query.Get("TopicArn"); arn != "" {
				return arn
			}
			return "*"
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
	s := c.Server
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.topics[m.TopicARN]; !exists {
		return nil, &Error{Code: "NotFound", Message: "Topic does not exist", Status: 404}
	}
	s.topics[m.TopicARN] = append(s.topics[m.TopicARN], m)
	return struct{ MessageId string }{fmt.Sprintf("00000000-0000-4000-8000-%012d", len(s.topics[m.TopicARN]))}, nil
}
