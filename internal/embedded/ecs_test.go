package embedded_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// config returns what clients of the administrator need.
func (w *world) config() aws.Config {
	return aws.Config{
		Region: west, BaseEndpoint: aws.String("http://aws.example.com"), HTTPClient: w.Client(),
		Credentials: credentials.NewStaticCredentialsProvider(w.Account(home).AccessKeyID(), "secret", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// ecsWorld has a cluster "prod" with a service "web" of the family "web".
func ecsWorld() (*world, *ecs.Client, *embedded.ECSService) {
	w := newWorld(embedded.Options{})
	reference, _ := appImage(w, "web", "v1")
	d := w.region.ECS().RegisterTaskDefinition("web", reference)
	cluster := embedded.Must(w.region.ECS().CreateCluster("prod"))
	web := embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{Name: "web", TaskDefinition: d, DesiredCount: 1}))
	return w, ecs.NewFromConfig(w.config()), web
}

// many returns n names.
func many(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("n", i))
	}
	return names
}

func TestECSErrors(t *testing.T) {
	prod, none := aws.String("prod"), aws.String("none")
	for _, test := range []struct {
		name, code string
		call       func(context.Context, *ecs.Client) error
	}{
		{"tasks of no cluster", "ClusterNotFoundException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.ListTasks(ctx, &ecs.ListTasksInput{Cluster: none})
			return err
		}},
		{"the default cluster does not exist", "ClusterNotFoundException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.ListServices(ctx, &ecs.ListServicesInput{})
			return err
		}},
		{"deployments of no service", "ServiceNotFoundException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Cluster: prod, Service: none})
			return err
		}},
		{"tasks of no service", "ServiceNotFoundException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.ListTasks(ctx, &ecs.ListTasksInput{Cluster: prod, ServiceName: none})
			return err
		}},
		{"no such task definition", "ClientException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web:9")})
			return err
		}},
		{"101 tasks", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: prod, Tasks: many(101)})
			return err
		}},
		{"no tasks", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: prod, Tasks: []string{}})
			return err
		}},
		{"11 services", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: prod, Services: many(11)})
			return err
		}},
		{"21 service deployments", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: many(21)})
			return err
		}},
		{"21 service revisions", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.DescribeServiceRevisions(ctx, &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: many(21)})
			return err
		}},
		{"11 task definitions to delete", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.DeleteTaskDefinitions(ctx, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: many(11)})
			return err
		}},
		{"a page of 101", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.ListClusters(ctx, &ecs.ListClustersInput{MaxResults: aws.Int32(101)})
			return err
		}},
		{"a token that is none", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{NextToken: aws.String("token")})
			return err
		}},
		{"no such status", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{Status: "GONE"})
			return err
		}},
		{"a service of the same name", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.CreateService(ctx, &ecs.CreateServiceInput{Cluster: prod, ServiceName: aws.String("web"), TaskDefinition: aws.String("web")})
			return err
		}},
		{"a family without a name", "ClientException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
				Family: aws.String("no name"), ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("a"), Image: aws.String("a")}},
			})
			return err
		}},
		{"a container without an image", "ClientException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
				Family: aws.String("web"), ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("a")}},
			})
			return err
		}},
		{"11 tasks to run", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.RunTask(ctx, &ecs.RunTaskInput{Cluster: prod, TaskDefinition: aws.String("web"), Count: aws.Int32(11)})
			return err
		}},
		{"a task set of a service that ECS deploys", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.CreateTaskSet(ctx, &ecs.CreateTaskSetInput{Cluster: prod, Service: aws.String("web"), TaskDefinition: aws.String("web")})
			return err
		}},
		{"a service that runs to delete", "InvalidParameterException", func(ctx context.Context, c *ecs.Client) error {
			_, err := c.DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: prod, Service: aws.String("web")})
			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, client, _ := ecsWorld()
			wantCode(t, test.call(t.Context(), client), test.code)
		})
	}
}

// TestECSPages: how many entries a page has where nobody says.
// TestECSElsewhere asks for what is in another region or cluster by its ARN. It is
// never taken for what has the same name here.
func TestECSElsewhere(t *testing.T) {
	w, client, web := ecsWorld()
	reference, _ := appImage(w, "web", "v2")
	embedded.Must(w.region.ECS().CreateCluster("stage"))
	far := w.Account(home).Region("us-east-2").ECS()
	definition := far.RegisterTaskDefinition("web", reference)
	cluster := embedded.Must(far.CreateCluster("prod"))
	service := embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{Name: "web", TaskDefinition: definition, DesiredCount: 1}))
	tasks, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("prod")})
	wantCode(t, err, "")
	for name, test := range map[string]struct {
		code string
		call func() error
	}{
		"tasks of a cluster elsewhere": {"ClusterNotFoundException", func() error {
			_, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String(cluster.ARN())})
			return err
		}},
		"a service elsewhere": {"InvalidParameterException", func() error {
			_, err := client.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{service.ARN()}})
			return err
		}},
		"a service of another cluster": {"InvalidParameterException", func() error {
			_, err := client.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("stage"), Services: []string{web.ARN()}})
			return err
		}},
		"deployments of a service of another cluster": {"InvalidParameterException", func() error {
			_, err := client.ListServiceDeployments(t.Context(), &ecs.ListServiceDeploymentsInput{Cluster: aws.String("stage"), Service: aws.String(web.ARN())})
			return err
		}},
		"a task of another cluster": {"InvalidParameterException", func() error {
			_, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("stage"), Tasks: tasks.TaskArns})
			return err
		}},
		"a task definition elsewhere": {"ClientException", func() error {
			_, err := client.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
			return err
		}},
		"a task definition elsewhere to run": {"ClientException", func() error {
			_, err := client.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("prod"), TaskDefinition: &definition})
			return err
		}},
		"a task of the cluster": {"", func() error {
			_, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String(ecsARN + "cluster/prod"), Tasks: tasks.TaskArns})
			return err
		}},
		"the old form of an ARN": {"", func() error {
			_, err := client.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{ecsARN + "service/web"}})
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, test.call(), test.code) })
	}
}

func TestECSPages(t *testing.T) {
	w, client, web := ecsWorld()
	prod := embedded.Must(w.region.ECS().CreateCluster("prod"))
	for i := range 120 {
		embedded.Must(w.region.ECS().CreateCluster(fmt.Sprint("c", i)))
		embedded.Must(prod.RunTask("web"))
		embedded.Must(prod.CreateService(embedded.ECSServiceOptions{Name: fmt.Sprint("s", i), TaskDefinition: "web"}))
		w.region.ECS().RegisterTaskDefinition(fmt.Sprint("f", i), "image")
		if err := web.Deploy("web", embedded.DeploymentStopped); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cluster := t.Context(), aws.String("prod")
	got := map[string]int{}
	clusters, err := client.ListClusters(ctx, &ecs.ListClustersInput{})
	wantCode(t, err, "")
	got["clusters"] = len(clusters.ClusterArns)
	tasks, err := client.ListTasks(ctx, &ecs.ListTasksInput{Cluster: cluster})
	wantCode(t, err, "")
	got["tasks"] = len(tasks.TaskArns)
	services, err := client.ListServices(ctx, &ecs.ListServicesInput{Cluster: cluster})
	wantCode(t, err, "")
	got["services"] = len(services.ServiceArns)
	families, err := client.ListTaskDefinitionFamilies(ctx, &ecs.ListTaskDefinitionFamiliesInput{})
	wantCode(t, err, "")
	got["families"] = len(families.Families)
	deployments, err := client.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Cluster: cluster, Service: aws.String("web")})
	wantCode(t, err, "")
	got["deployments"] = len(deployments.ServiceDeployments)
	want := map[string]int{"clusters": 100, "tasks": 100, "services": 10, "families": 100, "deployments": 20}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries of the first page (-want +got):\n%s", diff)
	}
	// The token of one list is none of another.
	_, err = client.ListClusters(ctx, &ecs.ListClustersInput{NextToken: services.NextToken})
	wantCode(t, err, "InvalidParameterException")
}

// TestTaskDefinitionOrder: by family, and by revision as a number, both ways
// and over pages.
func TestTaskDefinitionOrder(t *testing.T) {
	w := newWorld(embedded.Options{})
	client := ecs.NewFromConfig(w.config())
	var want []string
	for _, family := range []string{"a", "a-b", "b"} {
		for range 11 {
			want = append(want, w.region.ECS().RegisterTaskDefinition(family, "image"))
		}
	}
	for _, sort := range []types.SortOrder{types.SortOrderAsc, types.SortOrderDesc} {
		var got []string
		pages := ecs.NewListTaskDefinitionsPaginator(client, &ecs.ListTaskDefinitionsInput{Sort: sort, MaxResults: aws.Int32(4)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.TaskDefinitionArns...)
		}
		if sort == types.SortOrderDesc {
			slices.Reverse(got)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sort, diff)
		}
	}
}

// TestTaskDefinitionGoneBetweenPages: the list goes on from its place.
func TestTaskDefinitionGoneBetweenPages(t *testing.T) {
	for sort, want := range map[types.SortOrder]string{types.SortOrderAsc: "1 2 4 5", types.SortOrderDesc: "5 4 2 1"} {
		t.Run(string(sort), func(t *testing.T) {
			w := newWorld(embedded.Options{})
			client := ecs.NewFromConfig(w.config())
			for range 5 {
				w.region.ECS().RegisterTaskDefinition("web", "image")
			}
			var got []string
			pages := ecs.NewListTaskDefinitionsPaginator(client, &ecs.ListTaskDefinitionsInput{Sort: sort, MaxResults: aws.Int32(2)})
			for pages.HasMorePages() {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, arn := range page.TaskDefinitionArns {
					got = append(got, arn[strings.LastIndexByte(arn, ':')+1:])
				}
				w.region.ECS().ForgetTaskDefinition("web:3") // where the second page starts
			}
			if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
				t.Errorf("revisions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestServicePinsDigests: a service starts tasks of the digests of its
// revision, and a deployment resolves the tags anew.
func TestServicePinsDigests(t *testing.T) {
	w, client, web := ecsWorld()
	_, old := appImage(w, "web", "v1")
	repo, _ := w.region.Repository("web")
	moved := push(repo, image("moved"), "v1")
	digests := func() []string {
		t.Helper()
		tasks, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("prod")})
		wantCode(t, err, "")
		described, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("prod"), Tasks: tasks.TaskArns})
		wantCode(t, err, "")
		var all []string
		for _, task := range described.Tasks {
			all = append(all, aws.ToString(task.Containers[0].ImageDigest))
		}
		return all
	}
	web.Scale(2)
	if diff := cmp.Diff([]string{old, old}, digests()); diff != "" {
		t.Errorf("after scaling out (-want +got):\n%s", diff)
	}
	if err := web.Deploy("web", embedded.DeploymentSuccessful); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{moved, moved}, digests()); diff != "" {
		t.Errorf("after deploying (-want +got):\n%s", diff)
	}
}

// TestRetiredTaskDefinition: what names it can start it, and nothing new can.
func TestRetiredTaskDefinition(t *testing.T) {
	w, client, web := ecsWorld()
	if err := w.region.ECS().DeregisterTaskDefinition("web:1"); err != nil {
		t.Fatal(err)
	}
	_, err := client.RunTask(t.Context(), &ecs.RunTaskInput{Cluster: aws.String("prod"), TaskDefinition: aws.String("web:1")})
	wantCode(t, err, "ClientException")
	web.Scale(3)
	described, err := client.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{web.ARN()}})
	wantCode(t, err, "")
	if n := described.Services[0].RunningCount; n != 3 {
		t.Errorf("%d tasks run, want 3", n)
	}
	if err := web.Deploy("web:1", embedded.DeploymentSuccessful); err != nil {
		t.Errorf("deploy what the service has: %v", err)
	}
}

// TestStoppedTaskIsForgotten an hour later.
func TestStoppedTaskIsForgotten(t *testing.T) {
	w, client, _ := ecsWorld()
	prod := embedded.Must(w.region.ECS().CreateCluster("prod"))
	task := embedded.Must(prod.RunTask("web"))
	if err := prod.StopTask(task); err != nil {
		t.Fatal(err)
	}
	listed := func() int {
		t.Helper()
		out, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("prod"), DesiredStatus: types.DesiredStatusStopped})
		wantCode(t, err, "")
		return len(out.TaskArns)
	}
	w.clock.Advance(59 * time.Minute)
	if n := listed(); n != 1 {
		t.Errorf("%d stopped tasks after 59 minutes, want 1", n)
	}
	w.clock.Advance(time.Minute)
	if n := listed(); n != 0 {
		t.Errorf("%d stopped tasks after an hour, want none", n)
	}
	out, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String("prod"), Tasks: []string{task}})
	wantCode(t, err, "")
	if len(out.Failures) != 1 || aws.ToString(out.Failures[0].Reason) != "MISSING" {
		t.Errorf("failures %v, want MISSING", out.Failures)
	}
}
