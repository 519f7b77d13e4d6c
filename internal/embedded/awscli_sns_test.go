package embedded_test

import (
	"testing"

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

func TestTopicsInARegion(t *testing.T) {
	w := newWorld(embedded.Options{})
	if topic, want := w.region.CreateTopic("regsweep"), "arn:aws:sns:"+west+":"+home+":regsweep"; topic != want {
		t.Errorf("topic %s, want %s", topic, want)
	}
}
