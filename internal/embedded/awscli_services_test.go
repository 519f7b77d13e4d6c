package embedded_test

import (
	"fmt"

	"github.com/regsweep/regsweep/internal/embedded"
)

const ecsARN = "arn:aws:ecs:" + west + ":" + home + ":"

// appImage pushes an image to a repository of its own and returns its
// reference by tag and its digest.
func appImage(w *world, name, tag string) (reference, digest string) {
	repo, exists := w.region.Repository(name)
	if !exists {
		repo = w.region.MustCreateRepository(name, embedded.RepositoryOptions{})
	}
	digest = push(repo, image(name+" "+tag), tag)
	return repo.URI() + ":" + tag, digest
}

func ecsSteps(w *world) []cliStep {
	v1, digest1 := appImage(w, "cli/ecs", "v1")
	v2, digest2 := appImage(w, "cli/ecs", "v2")
	ecs := w.region.ECS()
	first, second := ecs.RegisterTaskDefinition("cli", v1), ecs.RegisterTaskDefinition("cli", v2)

	// Only read.
	read := embedded.Must(ecs.CreateCluster("cli-read"))
	web := embedded.Must(read.CreateService(embedded.ECSServiceOptions{Name: "web", TaskDefinition: first, DesiredCount: 1}))
	check(web.Deploy(second, embedded.DeploymentRolledBack))
	deployments := web.Deployments()
	green := embedded.Must(read.CreateService(embedded.ECSServiceOptions{Name: "green", TaskDefinition: first, Controller: embedded.ControllerCodeDeploy}))
	check(green.AddTaskSet(second))
	task := embedded.Must(read.RunTask(first))
	steps := []cliStep{
		{"ecs:ListClusters", object{}, map[string]string{"clusterArns.0": ecsARN + "cluster/cli-change"}},
		{"ecs:DescribeClusters", object{"clusters": []string{"cli-read", "none"}}, map[string]string{
			"clusters.0.clusterName": "cli-read", "clusters.0.activeServicesCount": "2",
			"failures.0.reason": "MISSING", "failures.0.arn": ecsARN + "cluster/none",
		}},
		{"ecs:ListTasks", object{"cluster": "cli-read", "family": "cli", "desiredStatus": "STOPPED"}, map[string]string{"taskArns.#": "1"}},
		{"ecs:DescribeTasks", object{"cluster": "cli-read", "tasks": []string{task, "none"}}, map[string]string{
			"tasks.0.lastStatus": "RUNNING", "tasks.0.taskDefinitionArn": first, "tasks.0.group": "family:cli",
			"tasks.0.containers.0.image": v1, "tasks.0.containers.0.imageDigest": digest1,
			"failures.0.arn": ecsARN + "task/cli-read/none", "failures.0.reason": "MISSING",
		}},
		{"ecs:ListServices", object{"cluster": "cli-read"}, map[string]string{"serviceArns.#": "2", "serviceArns.0": green.ARN()}},
		{"ecs:DescribeServices", object{"cluster": "cli-read", "services": []string{"web", "green", "none"}}, map[string]string{
			"services.0.serviceArn": web.ARN(), "services.0.clusterArn": read.ARN(), "services.0.status": "ACTIVE",
			"services.0.taskDefinition": first, "services.0.desiredCount": "1", "services.0.runningCount": "1",
			"services.0.deploymentController.type": "ECS", "services.0.deployments.#": "1",
			"services.0.deployments.0.status": "PRIMARY", "services.0.deployments.0.rolloutState": "COMPLETED",
			"services.0.deployments.0.taskDefinition":  first,
			"services.0.currentServiceRevisions.0.arn": deployments[0].Target,
			"services.0.currentServiceDeployment":      deployments[1].ARN,
			"services.1.deploymentController.type":     "CODE_DEPLOY", "services.1.deployments.#": "0",
			"services.1.currentServiceRevisions": "<none>",
			"services.1.taskSets.0.status":       "PRIMARY", "services.1.taskSets.0.taskDefinition": first,
			"services.1.taskSets.1.status": "ACTIVE", "services.1.taskSets.1.taskDefinition": second,
			"failures.0.arn": ecsARN + "service/cli-read/none", "failures.0.reason": "MISSING",
		}},
		{"ecs:ListServiceDeployments", object{"cluster": "cli-read", "service": "web"}, map[string]string{
			"serviceDeployments.#": "2", "serviceDeployments.0.status": "ROLLBACK_SUCCESSFUL",
			"serviceDeployments.0.serviceDeploymentArn":     deployments[1].ARN,
			"serviceDeployments.0.targetServiceRevisionArn": deployments[1].Target,
		}},
		{"ecs:DescribeServiceDeployments", object{"serviceDeploymentArns": []string{deployments[1].ARN, "none"}}, map[string]string{
			"serviceDeployments.0.targetServiceRevision.arn":    deployments[1].Target,
			"serviceDeployments.0.sourceServiceRevisions.0.arn": deployments[0].Target,
			"serviceDeployments.0.rollback.serviceRevisionArn":  deployments[0].Target,
			"failures.0.arn": "none", "failures.0.reason": "MISSING",
		}},
		{"ecs:DescribeServiceRevisions", object{"serviceRevisionArns": []string{deployments[1].Target, "none"}}, map[string]string{
			"serviceRevisions.0.taskDefinition":                second,
			"serviceRevisions.0.containerImages.0.image":       v2,
			"serviceRevisions.0.containerImages.0.imageDigest": digest2,
			"failures.0.reason":                                "MISSING",
		}},
		{"ecs:DescribeTaskDefinition", object{"taskDefinition": "cli"}, map[string]string{
			"taskDefinition.taskDefinitionArn": second, "taskDefinition.revision": "2", "taskDefinition.status": "ACTIVE",
			"taskDefinition.containerDefinitions.0.image": v2,
		}},
		{"ecs:ListTaskDefinitions", object{"familyPrefix": "cli", "sort": "DESC"}, map[string]string{
			"taskDefinitionArns.#": "2", "taskDefinitionArns.0": second, "taskDefinitionArns.1": first,
		}},
		{"ecs:ListTaskDefinitionFamilies", object{"familyPrefix": "cli", "status": "ACTIVE"}, map[string]string{"families.0": "cli"}},
	}
	return append(steps, ecsChanges(w, v1)...)
}

// ecsChanges are the calls that change something.
func ecsChanges(w *world, reference string) []cliStep {
	ecs := w.region.ECS()
	cluster := embedded.Must(ecs.CreateCluster("cli-change"))
	service := func(name, controller string) string {
		d := ecs.RegisterTaskDefinition(name, reference)
		embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{Name: name, TaskDefinition: d, Controller: controller}))
		return ecs.RegisterTaskDefinition(name, reference)
	}
	next := service("change-update", "")
	service("change-delete", "")
	set := service("change-set", embedded.ControllerExternal)
	create := ecs.RegisterTaskDefinition("change-create", reference)
	ecs.RegisterTaskDefinition("change-inactive", reference)
	deleted := ecs.RegisterTaskDefinition("change-deleted", reference)
	check(ecs.DeregisterTaskDefinition(deleted))
	task := embedded.Must(cluster.RunTask(create))
	return []cliStep{
		{"ecs:CreateCluster", object{"clusterName": "cli-read"}, map[string]string{"cluster.clusterArn": ecsARN + "cluster/cli-read"}},
		{"ecs:RegisterTaskDefinition", object{"family": "change-register", "containerDefinitions": []object{
			{"name": "app", "image": reference, "memory": 128},
		}}, map[string]string{
			"taskDefinition.taskDefinitionArn":             ecsARN + "task-definition/change-register:1",
			"taskDefinition.containerDefinitions.0.memory": "128",
		}},
		{"ecs:DeregisterTaskDefinition", object{"taskDefinition": "change-inactive:1"}, map[string]string{"taskDefinition.status": "INACTIVE"}},
		{"ecs:DeleteTaskDefinitions", object{"taskDefinitions": []string{deleted, create}}, map[string]string{
			"taskDefinitions.0.status": "DELETE_IN_PROGRESS", "failures.0.arn": create,
		}},
		{"ecs:RunTask", object{"cluster": "cli-change", "taskDefinition": "change-create", "count": 2, "startedBy": "me"}, map[string]string{
			"tasks.#": "2", "tasks.1.startedBy": "me", "tasks.1.desiredStatus": "RUNNING", "failures.#": "0",
		}},
		{"ecs:StopTask", object{"cluster": "cli-change", "task": task}, map[string]string{
			"task.taskArn": task, "task.lastStatus": "STOPPED",
		}},
		{"ecs:CreateService", object{
			"cluster": "cli-change", "serviceName": "created", "taskDefinition": "change-create", "desiredCount": 3,
		}, map[string]string{"service.runningCount": "3", "service.currentServiceRevisions.#": "1"}},
		{"ecs:UpdateService", object{"cluster": "cli-change", "service": "change-update", "taskDefinition": "change-update", "desiredCount": 1}, map[string]string{
			"service.taskDefinition": next, "service.desiredCount": "1", "service.runningCount": "1",
		}},
		{"ecs:DeleteService", object{"cluster": "cli-change", "service": "change-delete"}, map[string]string{"service.status": "INACTIVE"}},
		{"ecs:CreateTaskSet", object{"cluster": "cli-change", "service": "change-set", "taskDefinition": set}, map[string]string{
			"taskSet.taskDefinition": set, "taskSet.status": "PRIMARY",
		}},
	}
}

func lambdaSteps(w *world) []cliStep {
	v1, digest1 := appImage(w, "cli/lambda", "v1")
	v2, digest2 := appImage(w, "cli/lambda", "v2")
	resolved := func(digest string) string {
		return fmt.Sprintf("%s.dkr.ecr.%s.amazonaws.com/cli/lambda@%s", home, west, digest)
	}
	create := func(name string) *embedded.Function {
		f := embedded.Must(w.region.Lambda().CreateFunction(name, v1))
		f.Publish()
		return f
	}
	read := create("a-read")
	check(read.UpdateCode(v2))
	read.Publish()
	check(read.PutAlias("live", "2", map[string]float64{"1": 0.1}))
	publish := create("publish")
	check(publish.UpdateCode(v2))
	check(create("alias").PutAlias("old", "$LATEST", nil))
	create("update")
	create("delete")
	return []cliStep{
		{"lambda:ListFunctions", object{"FunctionVersion": "ALL"}, map[string]string{
			"Functions.0.FunctionArn": read.ARN() + ":$LATEST", "Functions.0.PackageType": "Image",
			"Functions.1.Version": "1", "Functions.1.CodeSha256": digest1[len("sha256:"):],
			"Functions.2.FunctionArn": read.ARN() + ":2", "Functions.2.State": "<none>",
		}},
		{"lambda:ListVersionsByFunction", object{"FunctionName": "a-read"}, map[string]string{
			"Versions.#": "3", "Versions.2.Version": "2", "Versions.2.CodeSha256": digest2[len("sha256:"):],
		}},
		{"lambda:GetFunction", object{"FunctionName": read.ARN(), "Qualifier": "1"}, map[string]string{
			"Configuration.Version": "1", "Configuration.State": "Active",
			"Code.ImageUri": v1, "Code.ResolvedImageUri": resolved(digest1), "Code.RepositoryType": "ECR",
		}},
		{"lambda:GetFunction", object{"FunctionName": "a-read:live"}, map[string]string{
			"Configuration.Version": "2", "Code.ResolvedImageUri": resolved(digest2),
		}},
		{"lambda:ListAliases", object{"FunctionName": "a-read"}, map[string]string{
			"Aliases.#": "1", "Aliases.0.AliasArn": read.ARN() + ":live", "Aliases.0.FunctionVersion": "2",
			"Aliases.0.RoutingConfig.AdditionalVersionWeights.1": "0.1",
		}},
		{"lambda:CreateFunction", object{
			"FunctionName": "created", "Role": "arn:aws:iam::" + home + ":role/run", "PackageType": "Image",
			"Code": object{"ImageUri": v1}, "Publish": true,
		}, map[string]string{"Version": "1", "FunctionName": "created"}},
		{"lambda:UpdateFunctionCode", object{"FunctionName": "update", "ImageUri": v2, "Publish": true}, map[string]string{
			"Version": "2", "CodeSha256": digest2[len("sha256:"):],
		}},
		{"lambda:PublishVersion", object{"FunctionName": "publish"}, map[string]string{
			"Version": "2", "FunctionArn": publish.ARN() + ":2",
		}},
		{"lambda:CreateAlias", object{
			"FunctionName": "alias", "Name": "new", "FunctionVersion": "$LATEST",
			"RoutingConfig": object{"AdditionalVersionWeights": object{"1": 0.5}},
		}, map[string]string{"Name": "new", "RoutingConfig.AdditionalVersionWeights.1": "0.5"}},
		{"lambda:UpdateAlias", object{"FunctionName": "alias", "Name": "old", "FunctionVersion": "1"}, map[string]string{"FunctionVersion": "1"}},
		{"lambda:DeleteFunction", object{"FunctionName": "delete"}, nil},
	}
}

func appRunnerSteps(w *world) []cliStep {
	reference, _ := appImage(w, "cli/apprunner", "v1")
	create := func(name string) *embedded.AppRunnerService {
		return embedded.Must(w.region.AppRunner().CreateService(name, reference))
	}
	shop := create("a-shop")
	paused := create("paused")
	paused.SetStatus(embedded.AppRunnerPaused)
	return []cliStep{
		{"apprunner:ListServices", object{"MaxResults": 1}, map[string]string{
			"ServiceSummaryList.#": "1", "ServiceSummaryList.0.ServiceArn": shop.ARN(), "ServiceSummaryList.0.Status": "RUNNING",
		}},
		{"apprunner:DescribeService", object{"ServiceArn": shop.ARN()}, map[string]string{
			"Service.ServiceName": "a-shop", "Service.SourceConfiguration.ImageRepository.ImageIdentifier": reference,
			"Service.SourceConfiguration.AutoDeploymentsEnabled": "true",
		}},
		{"apprunner:CreateService", object{"ServiceName": "created", "SourceConfiguration": object{
			"ImageRepository": object{"ImageIdentifier": reference, "ImageRepositoryType": "ECR"},
		}}, map[string]string{"Service.ServiceName": "created", "Service.Status": "RUNNING"}},
		{"apprunner:PauseService", object{"ServiceArn": create("to-pause").ARN()}, map[string]string{"Service.Status": "PAUSED"}},
		{"apprunner:ResumeService", object{"ServiceArn": paused.ARN()}, map[string]string{"Service.Status": "RUNNING"}},
		{"apprunner:DeleteService", object{"ServiceArn": create("to-delete").ARN()}, map[string]string{"Service.Status": "DELETED"}},
	}
}

// check panics on an error of what is known to be right.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
