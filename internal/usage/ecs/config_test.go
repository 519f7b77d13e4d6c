package ecs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/ecs"
)

func TestOpen(t *testing.T) {
	for _, test := range []struct {
		name   string
		config ecs.Config
		want   []string
		err    string
	}{
		{name: "default", want: []string{"mine"}},
		{name: "one region", config: ecs.Config{Regions: []string{"eu-west-1"}, Revisions: 1}, want: []string{"mine"}},
		{name: "two regions", config: ecs.Config{Regions: []string{"eu-west-1", "us-east-1"}}, want: []string{"mine/eu-west-1", "mine/us-east-1"}},
		{name: "negative", config: ecs.Config{Revisions: -1}, err: "revisions: -1 is less than 1"},
		{name: "a region twice", config: ecs.Config{Regions: []string{"a", "a"}}, err: "regions: a is named twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			sources, err := test.config.Open("mine", usage.Env{})
			if err != nil || test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			var got []string
			for _, s := range sources {
				got = append(got, s.Name())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRegionsAndRoles: each source reads its region, as the role.
func TestRegionsAndRoles(t *testing.T) {
	w := newWorld(t)
	const other = "444455556666"
	w.ecs.RegisterTaskDefinition("home", "home:1")
	for _, region := range []string{"eu-west-1", "us-east-1"} {
		ecs := w.Account(other).Region(region).ECS()
		ecs.RegisterTaskDefinition("other", region+":1")
		d := ecs.RegisterTaskDefinition("other", region+":2")
		cluster := embedded.Must(ecs.CreateCluster("other"))
		embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{Name: "web", TaskDefinition: d}))
		w.Name(embedded.Digest([]byte("image "+region+":2")), "<"+region+">")
	}
	config := ecs.Config{
		Regions: []string{"eu-west-1", "us-east-1"}, AssumeRole: "arn:aws:iam::" + other + ":role/reader", Revisions: 1,
	}
	sources, err := config.Open("ecs", w.Env)
	if err != nil {
		t.Fatal(err)
	}
	for i, region := range config.Regions {
		found, err := sources[i].Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"other/web declared " + region + ":2",
			"other/web declared " + region + ":2 " + region + "@<" + region + ">",
			"task-definition/other:2 declared " + region + ":2",
		}
		if diff := cmp.Diff(want, w.Lines(found)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", region, diff)
		}
	}
}
