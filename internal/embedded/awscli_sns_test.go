package embedded_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/regsweep/regsweep/internal/embedded"
)

func snsSteps(w *world) []cliStep {
	topic := w.region.CreateTopic("regsweep")
	return []cliStep{
		{"sns:Publish", object{"TopicArn": topic, "Subject": "a run", "Message": "1 image deleted"}, map[string]string{
			"MessageId": "00000000-0000-4000-8000-000000000001",
		}},
	}
}

// TestTopicsInARegion publishes where a topic is, and where it is not.
func TestTopicsInARegion(t *testing.T) {
	w := newWorld(embedded.Options{})
	topic := w.region.CreateTopic("regsweep")
	if want := "arn:aws:sns:" + west + ":" + home + ":regsweep"; topic != want {
		t.Errorf("topic %s, want %s", topic, want)
	}
	theirs := w.Account(other).Region(west).CreateTopic("theirs")
	trusting := w.Account("777788889999")
	trusting.Trust(home)
	for name, test := range map[string]struct{ region, topic, code string }{
		"a topic here":              {west, topic, ""},
		"of another region":         {"us-east-1", w.region.CreateTopic("far"), "InvalidParameter"},
		"that does not exist":       {west, topic + "s", "NotFound"},
		"no ARN":                    {west, "regsweep", "InvalidParameter"},
		"of another account":        {west, theirs, "AuthorizationError"},
		"of an account that trusts": {west, trusting.Region(west).CreateTopic("shared"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := w.config()
			cfg.Region = test.region
			_, err := sns.NewFromConfig(cfg).Publish(t.Context(), &sns.PublishInput{TopicArn: &test.topic, Message: aws.String("text")})
			wantCode(t, err, test.code)
			if got := len(w.Published(test.topic)); (got == 1) != (test.code == "") {
				t.Errorf("%d messages were published", got)
			}
		})
	}
}
