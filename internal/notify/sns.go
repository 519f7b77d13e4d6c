package notify

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/permissions"
)

// maxSubject is how long the subject of a message can be: "less than 100 characters"
// (Publish in the Amazon SNS API reference). It is ASCII only, which every form of
// delivery takes.
const maxSubject = 99

// Topic is a standard topic of Amazon SNS.
type Topic struct {
	arn     string
	session *awsapi.Session
}

var _ Receiver = (*Topic)(nil)

// NewTopic returns the topic with this ARN. It makes no call.
func NewTopic(topic string, session *awsapi.Session) *Topic { return &Topic{topic, session} }

// String names the topic.
func (t *Topic) String() string { return "topic " + t.arn }

// Send implements Receiver; the session sends it several times.
func (t *Topic) Send(ctx context.Context, m Message) error {
	parsed, err := arn.Parse(t.arn)
	if err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	cfg, err := t.session.Config(ctx, awsapi.Target{Region: parsed.Region})
	if err != nil {
		return fmt.Errorf("publish to %s: %w", t, err)
	}
	subject := subject(m.Subject)
	_, err = sns.NewFromConfig(cfg).Publish(ctx, &sns.PublishInput{TopicArn: &t.arn, Message: &m.Text, Subject: &subject})
	if err != nil {
		return fmt.Errorf("publish to %s: %w", t, err)
	}
	return nil
}

// subject makes a subject that SNS takes: ASCII, one line, not too long.
func subject(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), maxSubject)]
}

// TopicIAM is what publishing to a topic needs.
func TopicIAM(topic string) permissions.Need {
	need := permissions.Need{Actions: []string{"sns:Publish"}}
	if parsed, err := arn.Parse(topic); err == nil {
		need.Resource = parsed
	}
	return need
}
