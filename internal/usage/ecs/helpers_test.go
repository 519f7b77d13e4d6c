package ecs_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/usage/awsusage/awstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an account with a cluster "prod".
type world struct {
	*awstest.World
	ecs  embedded.ECS
	prod *embedded.ECSCluster
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: awstest.New(t)}
	w.ecs = w.Region.ECS()
	w.prod = embedded.Must(w.ecs.CreateCluster("prod"))
	return w
}

// service makes a service of the cluster.
func (w *world) service(name, definition string, desired int) *embedded.ECSService {
	return embedded.Must(w.prod.CreateService(embedded.ECSServiceOptions{Name: name, TaskDefinition: definition, DesiredCount: desired}))
}

// task runs a task, which lines show by the name.
func (w *world) task(name, definition string) string {
	arn := embedded.Must(w.prod.RunTask(definition))
	w.Name(arn[strings.LastIndexByte(arn, '/')+1:], name)
	return arn
}

// retire makes a task definition that nothing can newly start.
func (w *world) retire(definition string) {
	check(w.ecs.DeregisterTaskDefinition(definition))
}

// check panics on an error of what is known to be right.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
