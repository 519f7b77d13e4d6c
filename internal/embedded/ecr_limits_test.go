package embedded_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// lists are the calls that answer in pages, with the most entries that a page can
// be asked to have and those that it has where nothing is asked (API reference).
// call returns how many entries came and whether there are more.
var lists = []struct {
	name            string
	most, byDefault int
	call            func(ctx context.Context, w *world, size *int32) (int, bool, error)
}{
	{"DescribeImages", 1000, 100, func(ctx context.Context, w *world, size *int32) (int, bool, error) {
		out, err := w.client().DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("apps/web"), MaxResults: size})
		if err != nil {
			return 0, false, err
		}
		return len(out.ImageDetails), out.NextToken != nil, nil
	}},
	{"ListImages", 1000, 100, func(ctx context.Context, w *world, size *int32) (int, bool, error) {
		out, err := w.client().ListImages(ctx, &ecr.ListImagesInput{RepositoryName: aws.String("apps/web"), MaxResults: size})
		if err != nil {
			return 0, false, err
		}
		return len(out.ImageIds), out.NextToken != nil, nil
	}},
	{"DescribeRepositories", 1000, 100, func(ctx context.Context, w *world, size *int32) (int, bool, error) {
		out, err := w.client().DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{MaxResults: size})
		if err != nil {
			return 0, false, err
		}
		return len(out.Repositories), out.NextToken != nil, nil
	}},
	{"ListImageReferrers", 50, 20, func(ctx context.Context, w *world, size *int32) (int, bool, error) {
		out, err := w.client().ListImageReferrers(ctx, &ecr.ListImageReferrersInput{
			RepositoryName: aws.String("apps/web"), MaxResults: size,
			SubjectId: &types.SubjectIdentifier{ImageDigest: aws.String(image("subject").Descriptor().Digest)},
		})
		if err != nil {
			return 0, false, err
		}
		return len(out.Referrers), out.NextToken != nil, nil
	}},
	{"ListPullTimeUpdateExclusions", 1000, 100, func(ctx context.Context, w *world, size *int32) (int, bool, error) {
		out, err := w.client().ListPullTimeUpdateExclusions(ctx, &ecr.ListPullTimeUpdateExclusionsInput{MaxResults: size})
		if err != nil {
			return 0, false, err
		}
		return len(out.PullTimeUpdateExclusions), out.NextToken != nil, nil
	}},
	{"GetLifecyclePolicyPreview", 100, 100, func(ctx context.Context, w *world, size *int32) (int, bool, error) {
		out, err := w.client().GetLifecyclePolicyPreview(ctx, &ecr.GetLifecyclePolicyPreviewInput{RepositoryName: aws.String("apps/web"), MaxResults: size})
		if err != nil {
			return 0, false, err
		}
		return len(out.PreviewResults), out.NextToken != nil, nil
	}},
	{"GetResources", 100, 50, func(ctx context.Context, w *world, size *int32) (int, bool, error) {
		out, err := w.tagging().GetResources(ctx, &tagging.GetResourcesInput{ResourcesPerPage: size})
		if err != nil {
			return 0, false, err
		}
		return len(out.ResourceTagMappingList), aws.ToString(out.PaginationToken) != "", nil
	}},
}

// TestPageSizes asks for pages of every size at the edge. There are more than 1,000
// of everything.
func TestPageSizes(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{Tags: map[string]string{"n": "0"}})
	subject := image("subject").Descriptor()
	at := start.Add(-100 * 24 * time.Hour)
	for i := range 1001 {
		repo.MustPush(embedded.Push{Manifest: image(fmt.Sprint(i)).Bytes(), At: at})
		push(repo, embedded.NewArtifact("application/vnd.example.sbom", subject, embedded.LayerBlob(fmt.Sprint(i), 1)))
		w.region.MustCreateRepository(fmt.Sprint("more/", i), embedded.RepositoryOptions{Tags: map[string]string{"n": "1"}})
		w.region.ExcludePullTimes(fmt.Sprintf("arn:aws:iam::%s:role/r%d", home, i))
	}
	if _, err := repo.PreviewLifecyclePolicy(`{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 99}, "action": {"type": "expire"}}]}`); err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		t.Run(list.name, func(t *testing.T) {
			for _, size := range []int{1, list.most} {
				n, more, err := list.call(t.Context(), w, aws.Int32(int32(size)))
				if err != nil || n != size || !more {
					t.Errorf("a page of %d has %d entries, more %v (%v)", size, n, more, err)
				}
			}
			n, more, err := list.call(t.Context(), w, nil)
			if err != nil || n != list.byDefault || !more {
				t.Errorf("a page of no size has %d entries, more %v (%v), want %d", n, more, err, list.byDefault)
			}
			for _, size := range []int{-1, 0, list.most + 1} {
				_, _, err := list.call(t.Context(), w, aws.Int32(int32(size)))
				wantCode(t, err, "InvalidParameterException")
			}
		})
	}
}

// TestBatchSizes names 100 things in one call, and 101.
func TestBatchSizes(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	digests := pushImages(repo, 101)
	if _, err := repo.PreviewLifecyclePolicy(policy); err != nil {
		t.Fatal(err)
	}
	web := aws.String("apps/web")
	var names, arns []string
	for i := range 101 {
		one := w.region.MustCreateRepository(fmt.Sprint("more/", i), embedded.RepositoryOptions{})
		names, arns = append(names, one.Name()), append(arns, one.ARN())
	}
	c := w.client()
	for name, call := range map[string]func(n int) error{
		"DescribeImages": func(n int) error {
			_, err := c.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: web, ImageIds: byDigest(digests[:n]...)})
			return err
		},
		"GetLifecyclePolicyPreview": func(n int) error {
			_, err := c.GetLifecyclePolicyPreview(t.Context(), &ecr.GetLifecyclePolicyPreviewInput{RepositoryName: web, ImageIds: byDigest(digests[:n]...)})
			return err
		},
		"BatchCheckLayerAvailability": func(n int) error {
			_, err := c.BatchCheckLayerAvailability(t.Context(), &ecr.BatchCheckLayerAvailabilityInput{RepositoryName: web, LayerDigests: digests[:n]})
			return err
		},
		"DescribeRepositories": func(n int) error {
			_, err := c.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: names[:n]})
			return err
		},
		"GetResources": func(n int) error {
			_, err := w.tagging().GetResources(t.Context(), &tagging.GetResourcesInput{ResourceARNList: arns[:n]})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, call(100), "")
			wantCode(t, call(101), "InvalidParameterException")
		})
	}
	ids := byDigest(digests[0])
	for name, call := range map[string]func() error{
		"a preview of ids in pages": func() error {
			_, err := c.GetLifecyclePolicyPreview(t.Context(), &ecr.GetLifecyclePolicyPreviewInput{RepositoryName: web, ImageIds: ids, MaxResults: aws.Int32(5)})
			return err
		},
		"repositories by name from a token": func() error {
			out, err := c.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1)})
			if err != nil {
				return err
			}
			_, err = c.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: names[:1], NextToken: out.NextToken})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, call(), "InvalidParameterException") })
	}
}

// TestLifecycleExamples are the worked examples of "Examples of lifecycle policies
// in Amazon ECR" in the user guide. Images are named by a letter, the oldest first.
func TestLifecycleExamples(t *testing.T) {
	multi := []string{"beta-1 prod-1", "beta-2 prod-2", "beta-3"}
	all := []string{"alpha-1 beta-1", "", "alpha-2", "0123abc", ""}
	count := func(priority int, status, patterns string, n int) string {
		if patterns != "" {
			patterns = `"tagPatternList": [` + patterns + `], `
		}
		return fmt.Sprintf(`{"rulePriority": %d, "selection": {"tagStatus": "%s", %s"countType": "imageCountMoreThan", "countNumber": %d}, "action": {"type": "expire"}}`, priority, status, patterns, n)
	}
	days := func(priority int, selection string, n int) string {
		return fmt.Sprintf(`{"rulePriority": %d, "selection": {%s, "countType": "sinceImagePushed", "countUnit": "days", "countNumber": %d}, "action": {"type": "expire"}}`, priority, selection, n)
	}
	for _, test := range []struct {
		name  string
		tags  []string // of each image
		ages  []int    // in days
		rules []string
		want  string
	}{
		{"several rules A", multi, []int{10, 9, 8}, []string{count(1, "tagged", `"prod*"`, 1), count(2, "tagged", `"beta*"`, 1)}, "A"},
		{"several rules B", multi, []int{10, 9, 8}, []string{count(1, "tagged", `"beta*"`, 1), count(2, "tagged", `"prod*"`, 1)}, "AB"},
		{"several tags by age", []string{"alpha-1", "beta-1", "alpha-2 beta-2", "alpha-3", "beta-3", "alpha-4 beta-4"}, []int{12, 11, 10, 4, 3, 2},
			[]string{days(1, `"tagStatus": "tagged", "tagPatternList": ["alpha*", "beta*"]`, 5)}, "C"},
		{"several tags by count", []string{"alpha-1 beta-1 gamma-1", "alpha-2 beta-2", "alpha-3 beta-3 gamma-2"}, []int{10, 9, 8},
			[]string{count(1, "tagged", `"alpha*", "beta*"`, 1)}, "AB"},
		{"all images A", []string{"alpha-1", "beta-1", "", "alpha-2"}, []int{4, 3, 2, 1}, []string{count(1, "any", "", 1)}, "ABC"},
		{"all images B", all, []int{4, 3, 2, 1, 1}, []string{count(1, "tagged", `"alpha*"`, 1), days(2, `"tagStatus": "untagged"`, 1), count(3, "any", "", 1)}, "ABD"},
		{"exactly so old", []string{"v1"}, []int{30}, []string{days(1, `"tagStatus": "any"`, 30)}, ""},
		{"a day older", []string{"v1"}, []int{31}, []string{days(1, `"tagStatus": "any"`, 30)}, "A"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(embedded.Options{})
			repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
			names := map[string]string{}
			for i, tags := range test.tags {
				name := string(rune('A' + i))
				// Of two of one age the later one is newer.
				at := start.Add(-time.Duration(test.ages[i])*24*time.Hour + time.Duration(i)*time.Second)
				if len(test.tags) == 1 {
					at = start.Add(-time.Duration(test.ages[i]) * 24 * time.Hour)
				}
				names[repo.MustPush(embedded.Push{Manifest: image(name).Bytes(), Tags: strings.Fields(tags), At: at})] = name
			}
			text := `{"rules": [` + strings.Join(test.rules, ", ") + `]}`
			_, err := w.client().StartLifecyclePolicyPreview(t.Context(), &ecr.StartLifecyclePolicyPreviewInput{RepositoryName: aws.String("apps/web"), LifecyclePolicyText: &text})
			wantCode(t, err, "")
			out, err := w.client().GetLifecyclePolicyPreview(t.Context(), &ecr.GetLifecyclePolicyPreviewInput{RepositoryName: aws.String("apps/web")})
			wantCode(t, err, "")
			previewed := map[string]bool{}
			for _, r := range out.PreviewResults {
				previewed[names[*r.ImageDigest]] = true
			}
			repo.SetLifecyclePolicy(text)
			if _, err := repo.ApplyLifecyclePolicy(); err != nil {
				t.Fatal(err)
			}
			gone := map[string]bool{}
			for digest, name := range names {
				if _, there := repo.Image(digest); !there {
					gone[name] = true
				}
			}
			want := map[string]bool{}
			for _, name := range test.want {
				want[string(name)] = true
			}
			if diff := cmp.Diff(want, previewed); diff != "" {
				t.Errorf("preview (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, gone); diff != "" {
				t.Errorf("expired (-want +got):\n%s", diff)
			}
		})
	}
}
