package embedded_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/regsweep/regsweep/internal/embedded"
)

// TestTaskDigests runs tasks of images that are named through every host of a
// registry. What a node pulls is the image of that registry, whatever the host.
func TestTaskDigests(t *testing.T) {
	w := newWorld(embedded.Options{})
	_, digest := appImage(w, "web", "v1")
	cluster := embedded.Must(w.region.ECS().CreateCluster("prod"))
	client := ecs.NewFromConfig(w.config())
	for reference, want := range map[string]string{
		home + ".dkr.ecr." + west + ".amazonaws.com/web:v1":                     digest,
		home + ".dkr.ecr-fips." + west + ".amazonaws.com/web:v1":                digest,
		home + ".dkr-ecr." + west + ".on.aws/web:v1":                            digest,
		home + ".dkr-ecr-fips." + west + ".on.aws/web:v1":                       digest,
		home + ".dkr.ecr." + west + ".amazonaws.com/web:v1@" + digest:           digest,
		strings.ToUpper(home+".dkr.ecr."+west+".amazonaws.com:443") + "/web:v1": digest,
		home + ".dkr.ecr." + west + ".amazonaws.com/web:none":                   "",
		home + ".dkr.ecr." + west + ".amazonaws.com/web":                        "", // latest
		home + ".dkr-ecr." + west + ".on.aws/none:v1":                           "",
		other + ".dkr.ecr." + west + ".amazonaws.com/web:v1":                    "",
		home + ".dkr.ecr.us-east-1.amazonaws.com/web:v1":                        "",
		"registry.example.com/web@" + image("elsewhere").Descriptor().Digest:    image("elsewhere").Descriptor().Digest,
	} {
		d := w.region.ECS().RegisterTaskDefinition("web", reference)
		task := embedded.Must(cluster.RunTask(d))
		out, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("prod"), Tasks: []string{task}})
		wantCode(t, err, "")
		container := out.Tasks[0].Containers[0]
		if got := aws.ToString(container.ImageDigest); got != want || *container.Image != reference {
			t.Errorf("%s runs as %s with the digest %q, want %q", reference, *container.Image, got, want)
		}
	}
}
