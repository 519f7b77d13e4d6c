package embedded_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/regsweep/regsweep/internal/embedded"
)

const webARN = "arn:aws:ecr:eu-west-1:111122223333:repository/apps/web"

// allow returns a policy that allows actions on resources, each given as JSON.
func allow(actions, resources string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": %s, "Resource": %s}]}`, actions, resources)
}

// TestPolicy judges a call of ecr:DescribeImages on apps/web.
func TestPolicy(t *testing.T) {
	const implicit = " because no identity-based policy allows the ecr:DescribeImages action"
	const explicit = " with an explicit deny in an identity-based policy"
	for _, test := range []struct{ name, policy, why string }{
		{"the action on the resource", allow(`["ecr:DescribeImages"]`, `["`+webARN+`"]`), ""},
		{"no lists", allow(`"ecr:DescribeImages"`, `"`+webARN+`"`), ""},
		{"everything", allow(`"*"`, `"*"`), ""},
		{"another case", allow(`"ecr:describeIMAGES"`, `"*"`), ""},
		{"wildcards", allow(`["ecr:D*s", "s3:GetObject"]`, `["arn:aws:s3:::x", "arn:aws:ecr:*:1111????3333:repository/*"]`), ""},
		{"a part as it is", allow(`"ecr:*"`, `"arn:aws:ecr:eu-west-1:111122223333:repository/*/${*}"`), implicit},
		{"another action", allow(`["ecr:DescribeRepositories", "ecr:DescribeImage"]`, `"*"`), implicit},
		{"another service", allow(`"ecs:*"`, `"*"`), implicit},
		{"another repository", allow(`"*"`, `"`+webARN+`2"`), implicit},
		{"another account", allow(`"*"`, `"arn:aws:ecr:eu-west-1:444455556666:repository/*"`), implicit},
		{"another region", allow(`"*"`, `"arn:aws:ecr:eu-west-?0:111122223333:repository/*"`), implicit},
		{"denied", `{"Version": "2012-10-17", "Statement": [
			{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "ecr:Describe*", "Resource": "` + webARN + `"}]}`, explicit},
		{"denied elsewhere", `{"Version": "2012-10-17", "Id": "x", "Statement": [
			{"Effect": "Deny", "Action": "ecr:Describe*", "Resource": "` + webARN + `/*"}, {"Effect": "Allow", "Action": "*", "Resource": "*"}]}`, ""},
		{"one statement without a list", `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(embedded.Options{})
			w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
			if err := w.SetPolicy(w.Account(home).AccessKeyID(), test.policy); err != nil {
				t.Fatal(err)
			}
			err := describe(t, w.client(), "", "apps/web")
			if test.why == "" {
				wantCode(t, err, "")
				return
			}
			wantCode(t, err, "AccessDeniedException")
			want := "User: arn:aws:iam::111122223333:user/admin is not authorized to perform: ecr:DescribeImages on resource: " + webARN + test.why
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

// What IAM refuses, and what this server does not judge, is no policy.
func TestPolicyRefused(t *testing.T) {
	w := newWorld(embedded.Options{})
	const one = `{"Version": "2012-10-17", "Statement": [%s]}`
	for name, test := range map[string]struct{ policy, want string }{
		"not JSON":              {`{`, "unexpected EOF"},
		"more after the end":    {allow(`"*"`, `"*"`) + "{}", "more after the end"},
		"no version":            {`{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`, "2012-10-17"},
		"the old version":       {`{"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`, "2012-10-17"},
		"no statement":          {`{"Version": "2012-10-17"}`, "no statement"},
		"an effect":             {fmt.Sprintf(one, `{"Effect": "allow", "Action": "*", "Resource": "*"}`), "effect"},
		"no action":             {allow(`[]`, `"*"`), "no action"},
		"no resource":           {allow(`"*"`, `[]`), "no resource"},
		"NotAction":             {fmt.Sprintf(one, `{"Effect": "Allow", "NotAction": "*", "Resource": "*"}`), "NotAction"},
		"a condition":           {fmt.Sprintf(one, `{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {}}`), "Condition"},
		"a variable":            {allow(`"*"`, `"arn:aws:s3:::x/${aws:username}"`), "variables"},
		"an action alone":       {allow(`"DescribeImages"`, `"*"`), "service:Action"},
		"a resource alone":      {allow(`"*"`, `"repository/*"`), "ARN"},
		"a short ARN":           {allow(`"*"`, `"arn:aws:ecr:eu-west-1:repository/*"`), "ARN"},
		"an account of letters": {allow(`"*"`, `"arn:aws:ecr:*:repository/apps/web:*:web"`), "ARN"},
		"another partition":     {allow(`"*"`, `"arn::ecr:eu-west-1:111122223333:repository/*"`), "ARN"},
		"an action of numbers":  {allow(`7`, `"*"`), "number"},
	} {
		if err := w.SetPolicy("AKIA", test.policy); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %s", name, err, test.want)
		}
	}
}

// A policy is its principal's, whatever name it was set for, and every policy
// that is set for a principal counts.
func TestPolicyPrincipals(t *testing.T) {
	w := newWorld(embedded.Options{})
	w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	const role = "arn:aws:iam::" + home + ":role/sweeper"
	set := func(principal, policy string) {
		t.Helper()
		if err := w.SetPolicy(principal, policy); err != nil {
			t.Fatal(err)
		}
	}
	set("AKIABUILD", allow(`"sts:AssumeRole"`, `"`+role+`"`))
	wantCode(t, describe(t, w.client(), "", "apps/web"), "") // another principal, without a policy
	wantCode(t, describe(t, w.ecr("AKIABUILD"), "", "apps/web"), "AccessDeniedException")
	_, err := w.sts("AKIABUILD").GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, "") // needs no permission

	assume := func(arn string) (*sts.AssumeRoleOutput, error) {
		return w.sts("AKIABUILD").AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("night")})
	}
	_, err = assume(role + "2")
	wantCode(t, err, "AccessDenied")
	out, err := assume(role)
	wantCode(t, err, "")
	session := *out.Credentials.AccessKeyId
	wantCode(t, describe(t, w.ecr(session), "", "apps/web"), "")
	set(role, allow(`"ecr:DescribeImages"`, `"`+webARN+`"`))
	wantCode(t, describe(t, w.ecr(session), "", "apps/web"), "")
	set(role, allow(`"ecr:BatchGetImage"`, `"*"`))
	wantCode(t, describe(t, w.ecr(session), "", "apps/web"), "AccessDeniedException")
	set(session, allow(`"ecr:DescribeImages"`, `"*"`))
	wantCode(t, describe(t, w.ecr(session), "", "apps/web"), "")
	set(session, "")
	wantCode(t, describe(t, w.ecr(session), "", "apps/web"), "AccessDeniedException")
	w.AllowAll()
	wantCode(t, describe(t, w.ecr(session), "", "apps/web"), "")
	wantCode(t, describe(t, w.ecr("AKIABUILD"), "", "apps/web"), "")
}

// A batch is about everything in it, and what belongs to a service about the
// service too.
func TestPolicyOfBatches(t *testing.T) {
	w := newWorld(embedded.Options{})
	cluster := embedded.Must(w.region.ECS().CreateCluster("prod"))
	for _, name := range []string{"web", "api"} {
		embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{Name: name, TaskDefinition: w.region.ECS().RegisterTaskDefinition(name, "x:1")}))
	}
	key := w.Account(home).AccessKeyID()
	client := ecs.New(ecs.Options{
		Region: west, BaseEndpoint: aws.String("http://aws.example.com"), HTTPClient: w.Client(), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(key, "secret", ""),
	})
	set := func(action string, resources ...string) {
		t.Helper()
		for i, r := range resources {
			resources[i] = `"arn:aws:ecs:eu-west-1:111122223333:` + r + `"`
		}
		if err := w.SetPolicy(key, allow(`"`+action+`"`, "["+strings.Join(resources, ",")+"]")); err != nil {
			t.Fatal(err)
		}
	}
	services := func(names ...string) error {
		_, err := client.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: names})
		return err
	}
	set("ecs:*", "service/prod/web")
	wantCode(t, services("web"), "")
	err := services("web", "api")
	wantCode(t, err, "AccessDeniedException")
	if !strings.Contains(err.Error(), "on resource: arn:aws:ecs:eu-west-1:111122223333:service/prod/api because") {
		t.Errorf("error %v", err)
	}
	set("ecs:*", "service/*")
	wantCode(t, services("web", "api"), "")
	_, err = client.ListServices(t.Context(), &ecs.ListServicesInput{Cluster: aws.String("prod")})
	wantCode(t, err, "AccessDeniedException") // it has no resource

	list, err := client.ListServiceDeployments(t.Context(), &ecs.ListServiceDeploymentsInput{Cluster: aws.String("prod"), Service: aws.String("web")})
	wantCode(t, err, "")
	deployment := *list.ServiceDeployments[0].ServiceDeploymentArn
	deployments := func() error {
		_, err := client.DescribeServiceDeployments(t.Context(), &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{deployment}})
		return err
	}
	wantCode(t, deployments(), "AccessDeniedException")
	set("ecs:*", "service-deployment/*")
	wantCode(t, deployments(), "AccessDeniedException")
	set("ecs:*", "service/prod/web", "service-deployment/prod/web/*")
	wantCode(t, deployments(), "")
}

// The key of an object may hold what policies take for wildcards.
func TestPolicyOfObjects(t *testing.T) {
	w := newWorld(embedded.Options{})
	bucket := embedded.Must(w.region.S3().CreateBucket("exchange"))
	for _, key := range []string{"a*b", "a-b", "a$?"} {
		bucket.Put(key, []byte("content"))
	}
	if err := w.SetPolicy(w.Account(home).AccessKeyID(), allow(`"s3:GetObject"`, `["arn:aws:s3:::exchange/a${*}b", "arn:aws:s3:::exchange/a${$}${?}"]`)); err != nil {
		t.Fatal(err)
	}
	client := w.s3Client(home, west)
	for key, code := range map[string]string{"a*b": "", "a$?": "", "a-b": "AccessDenied", "none": "AccessDenied"} {
		_, err := getObject(t.Context(), client, &s3.GetObjectInput{Bucket: &bucket.Name, Key: &key})
		wantCode(t, err, code)
	}
}
