package embedded_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	tagtypes "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

func TestDescribeRepositories(t *testing.T) {
	w := newWorld(embedded.Options{})
	var want []string
	for i := range 250 {
		name := fmt.Sprintf("apps/%03d", i)
		w.region.MustCreateRepository(name, embedded.RepositoryOptions{})
		want = append(want, name)
	}
	w.Account(home).Region("us-east-1").MustCreateRepository("elsewhere", embedded.RepositoryOptions{})
	var got []string
	pages := ecr.NewDescribeRepositoriesPaginator(w.client(), &ecr.DescribeRepositoriesInput{})
	n := 0
	for ; pages.HasMorePages(); n++ {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Repositories {
			got = append(got, *r.RepositoryName)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || n != 3 {
		t.Errorf("repositories in %d pages, want 3; they differ (-want +got):\n%s", n, diff)
	}

	out, err := w.client().DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"apps/007"}})
	if err != nil {
		t.Fatal(err)
	}
	wantOne := []types.Repository{{
		RepositoryArn: aws.String("arn:aws:ecr:eu-west-1:111122223333:repository/apps/007"), RegistryId: aws.String(home),
		RepositoryName: aws.String("apps/007"), RepositoryUri: aws.String("111122223333.dkr.ecr.eu-west-1.amazonaws.com/apps/007"),
		CreatedAt: &start, ImageTagMutability: types.ImageTagMutabilityMutable,
		ImageScanningConfiguration: &types.ImageScanningConfiguration{},
		EncryptionConfiguration:    &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256},
	}}
	if diff := cmp.Diff(wantOne, out.Repositories, ignoreMetadata,
		cmp.AllowUnexported(types.ImageScanningConfiguration{}, types.EncryptionConfiguration{})); diff != "" {
		t.Errorf("repository differs (-want +got):\n%s", diff)
	}

	for _, test := range []struct {
		in   ecr.DescribeRepositoriesInput
		code string
	}{
		{ecr.DescribeRepositoriesInput{RepositoryNames: []string{"apps/000", "none"}}, "RepositoryNotFoundException"},
		{ecr.DescribeRepositoriesInput{RepositoryNames: []string{"apps/000"}, MaxResults: aws.Int32(1)}, "InvalidParameterException"},
		{ecr.DescribeRepositoriesInput{RepositoryNames: want[:101]}, "InvalidParameterException"},
		{ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1001)}, "InvalidParameterException"},
		{ecr.DescribeRepositoriesInput{NextToken: aws.String("made-up")}, "InvalidParameterException"},
		{ecr.DescribeRepositoriesInput{RegistryId: aws.String("x")}, "InvalidParameterException"},
	} {
		_, err := w.client().DescribeRepositories(t.Context(), &test.in)
		wantCode(t, err, test.code)
	}
}

func TestCreateAndDeleteRepository(t *testing.T) {
	w := newWorld(embedded.Options{})
	create := func(name string, change func(*ecr.CreateRepositoryInput)) error {
		in := &ecr.CreateRepositoryInput{RepositoryName: &name}
		if change != nil {
			change(in)
		}
		_, err := w.client().CreateRepository(t.Context(), in)
		return err
	}
	filter := func(n int) []types.ImageTagMutabilityExclusionFilter {
		var all []types.ImageTagMutabilityExclusionFilter
		for i := range n {
			all = append(all, types.ImageTagMutabilityExclusionFilter{FilterType: "WILDCARD", Filter: aws.String(fmt.Sprint("v", i, "*"))})
		}
		return all
	}
	wantCode(t, create("apps/web", nil), "")
	wantCode(t, create("apps/web", nil), "RepositoryAlreadyExistsException")
	for _, name := range []string{"a", "Apps", "apps/", "apps//web", strings.Repeat("a", 257)} {
		wantCode(t, create(name, nil), "InvalidParameterException")
	}
	wantCode(t, create("m1", func(in *ecr.CreateRepositoryInput) {
		in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters = "IMMUTABLE", filter(1)
	}), "InvalidParameterException")
	wantCode(t, create("m2", func(in *ecr.CreateRepositoryInput) { in.ImageTagMutability = "MUTABLE_WITH_EXCLUSION" }), "InvalidParameterException")
	wantCode(t, create("m3", func(in *ecr.CreateRepositoryInput) {
		in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters = "MUTABLE_WITH_EXCLUSION", filter(6)
	}), "InvalidParameterException")
	wantCode(t, create("m4", func(in *ecr.CreateRepositoryInput) {
		in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters = "IMMUTABLE_WITH_EXCLUSION", filter(5)
	}), "")
	wantCode(t, create("m5", func(in *ecr.CreateRepositoryInput) { in.ImageTagMutability = "MAYBE" }), "InvalidParameterException")

	repo, _ := w.region.Repository("apps/web")
	push(repo, image("a"))
	_, err := w.client().DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: aws.String("apps/web")})
	wantCode(t, err, "RepositoryNotEmptyException")
	_, err = w.client().DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: aws.String("apps/web"), Force: true})
	wantCode(t, err, "")
	_, err = w.client().DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: aws.String("apps/web")})
	wantCode(t, err, "RepositoryNotFoundException")
}

func TestMutabilityAndPolicyOverTheWire(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	push(repo, image("a"), "dev-1", "v1")
	push(repo, image("b"), "b")
	name := aws.String("apps/web")
	_, err := w.client().PutImageTagMutability(t.Context(), &ecr.PutImageTagMutabilityInput{
		RepositoryName: name, ImageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
		ImageTagMutabilityExclusionFilters: []types.ImageTagMutabilityExclusionFilter{{FilterType: "WILDCARD", Filter: aws.String("dev-*")}},
	})
	wantCode(t, err, "")
	_, err = w.client().PutImage(t.Context(), putInput(image("b"), "dev-1"))
	wantCode(t, err, "")
	_, err = w.client().PutImage(t.Context(), putInput(image("b"), "v1"))
	wantCode(t, err, "ImageTagAlreadyExistsException")

	_, err = w.client().GetLifecyclePolicy(t.Context(), &ecr.GetLifecyclePolicyInput{RepositoryName: name})
	wantCode(t, err, "LifecyclePolicyNotFoundException")
	for text, code := range map[string]string{
		"{}": "InvalidParameterException", strings.Repeat("x", 200): "InvalidParameterException", policy: "",
	} {
		_, err = w.client().PutLifecyclePolicy(t.Context(), &ecr.PutLifecyclePolicyInput{RepositoryName: name, LifecyclePolicyText: &text})
		wantCode(t, err, code)
	}
	got, err := w.client().DeleteLifecyclePolicy(t.Context(), &ecr.DeleteLifecyclePolicyInput{RepositoryName: name})
	wantCode(t, err, "")
	if *got.LifecyclePolicyText != policy {
		t.Errorf("policy %s, want %s", *got.LifecyclePolicyText, policy)
	}
	_, err = w.client().GetLifecyclePolicy(t.Context(), &ecr.GetLifecyclePolicyInput{RepositoryName: name})
	wantCode(t, err, "LifecyclePolicyNotFoundException")
}

// tagging returns a client of the tagging API.
func (w *world) tagging() *tagging.Client {
	return tagging.New(tagging.Options{
		Region: west, BaseEndpoint: aws.String("http://aws.example.com"), HTTPClient: w.Client(), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(w.Account(home).AccessKeyID(), "secret", ""),
	})
}

func TestResourceTags(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	arn := aws.String(repo.ARN())
	tag := func(tags ...types.Tag) error {
		_, err := w.client().TagResource(t.Context(), &ecr.TagResourceInput{ResourceArn: arn, Tags: tags})
		return err
	}
	pair := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	var many []types.Tag
	for i := range 51 {
		many = append(many, pair(fmt.Sprint("k", i), "v"))
	}
	wantCode(t, tag(pair("team", "web"), pair("stage", "test")), "")
	wantCode(t, tag(pair("stage", "prod")), "")
	wantCode(t, tag(many...), "TooManyTagsException")
	wantCode(t, tag(many[:49]...), "TooManyTagsException") // together with those it has
	wantCode(t, tag(pair("aws:x", "v")), "InvalidTagParameterException")
	wantCode(t, tag(pair(strings.Repeat("k", 129), "v")), "InvalidTagParameterException")
	wantCode(t, tag(pair("k", strings.Repeat("v", 257))), "InvalidTagParameterException")
	wantCode(t, tag(pair("k", "1"), pair("k", "2")), "InvalidTagParameterException")
	_, err := w.client().UntagResource(t.Context(), &ecr.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"team", "none"}})
	wantCode(t, err, "")
	out, err := w.client().ListTagsForResource(t.Context(), &ecr.ListTagsForResourceInput{ResourceArn: arn})
	wantCode(t, err, "")
	if len(out.Tags) != 1 || *out.Tags[0].Key != "stage" || *out.Tags[0].Value != "prod" {
		t.Errorf("tags %v, want stage=prod", out.Tags)
	}
	for badARN, code := range map[string]string{
		"nonsense": "InvalidParameterException",
		"arn:aws:ecr:us-east-1:111122223333:repository/apps/web":  "InvalidParameterException",
		"arn:aws:ecr:eu-west-1:111122223333:repository/apps/none": "RepositoryNotFoundException",
	} {
		_, err := w.client().ListTagsForResource(t.Context(), &ecr.ListTagsForResourceInput{ResourceArn: &badARN})
		wantCode(t, err, code)
	}
}

func TestGetResources(t *testing.T) {
	w := newWorld(embedded.Options{})
	for i := range 120 {
		w.region.MustCreateRepository(fmt.Sprintf("apps/%03d", i), embedded.RepositoryOptions{
			Tags: map[string]string{"parity": fmt.Sprint(i % 2), "app": "x"},
		})
	}
	w.region.MustCreateRepository("never-tagged", embedded.RepositoryOptions{})
	once := w.region.MustCreateRepository("once-tagged", embedded.RepositoryOptions{Tags: map[string]string{"a": "b"}})
	_, err := w.client().UntagResource(t.Context(), &ecr.UntagResourceInput{ResourceArn: aws.String(once.ARN()), TagKeys: []string{"a"}})
	wantCode(t, err, "")

	count := func(in tagging.GetResourcesInput) (n, pages int) {
		t.Helper()
		p := tagging.NewGetResourcesPaginator(w.tagging(), &in)
		for p.HasMorePages() {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			n, pages = n+len(page.ResourceTagMappingList), pages+1
		}
		return n, pages
	}
	type counted struct{ n, pages int }
	for _, test := range []struct {
		name string
		in   tagging.GetResourcesInput
		want counted
	}{
		{"all but the never tagged", tagging.GetResourcesInput{}, counted{121, 3}},
		{"by type", tagging.GetResourcesInput{ResourceTypeFilters: []string{"ecr:repository"}, ResourcesPerPage: aws.Int32(100)}, counted{121, 2}},
		{"another type", tagging.GetResourcesInput{ResourceTypeFilters: []string{"s3"}}, counted{0, 1}},
		{"by tag", tagging.GetResourcesInput{TagFilters: []tagtypes.TagFilter{{Key: aws.String("parity"), Values: []string{"1"}}, {Key: aws.String("app")}}}, counted{60, 2}},
		{"by ARN", tagging.GetResourcesInput{ResourceARNList: []string{once.ARN()}}, counted{1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if n, pages := count(test.in); (counted{n, pages}) != test.want {
				t.Errorf("%d resources in %d pages, want %v", n, pages, test.want)
			}
		})
	}
	for _, test := range []struct {
		in   tagging.GetResourcesInput
		code string
	}{
		{tagging.GetResourcesInput{ResourcesPerPage: aws.Int32(101)}, "InvalidParameterException"},
		{tagging.GetResourcesInput{PaginationToken: aws.String("made-up")}, "PaginationTokenExpiredException"},
		{tagging.GetResourcesInput{ResourceARNList: []string{once.ARN()}, ResourcesPerPage: aws.Int32(5)}, "InvalidParameterException"},
	} {
		_, err := w.tagging().GetResources(t.Context(), &test.in)
		wantCode(t, err, test.code)
	}
}

func TestLayersAndRegistry(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	push(repo, image("a"))
	repo.AddLayers(embedded.LayerBlob("uploaded", 1).Digest)
	out, err := w.client().BatchCheckLayerAvailability(t.Context(), &ecr.BatchCheckLayerAvailabilityInput{
		RepositoryName: aws.String("apps/web"),
		LayerDigests: []string{image("a").Layers[0].Digest, embedded.LayerBlob("uploaded", 1).Digest,
			embedded.LayerBlob("none", 1).Digest, "", "nonsense"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range out.Layers {
		got = append(got, string(l.LayerAvailability))
	}
	for _, f := range out.Failures {
		got = append(got, string(f.FailureCode))
	}
	if diff := cmp.Diff([]string{"AVAILABLE", "AVAILABLE", "UNAVAILABLE", "MissingLayerDigest", "InvalidLayerDigest"}, got); diff != "" {
		t.Errorf("layers differ (-want +got):\n%s", diff)
	}
	token, err := w.client().GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := *token.AuthorizationData[0].ProxyEndpoint; got != "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com" {
		t.Errorf("endpoint %s", got)
	}
}
