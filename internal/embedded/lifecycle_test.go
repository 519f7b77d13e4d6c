package embedded_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// recipe is the policy of the recipe in docs/lifecycle.md.
const recipe = `{"rules": [
  {"rulePriority": 10, "selection": {"tagStatus": "tagged", "tagPrefixList": ["production"], "countType": "imageCountMoreThan", "countNumber": 2}, "action": {"type": "expire"}},
  {"rulePriority": 20, "selection": {"tagStatus": "tagged", "tagPatternList": ["1.0*"], "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30}, "action": {"type": "expire"}}
]}`

func TestLifecyclePolicyValidation(t *testing.T) {
	w := newWorld(embedded.Options{})
	w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	put := func(text string) error {
		_, err := w.client().PutLifecyclePolicy(t.Context(), &ecr.PutLifecyclePolicyInput{RepositoryName: aws.String("apps/web"), LifecyclePolicyText: &text})
		return err
	}
	one := func(priority int, selection, action string) string {
		return fmt.Sprintf(`{"rulePriority": %d, "selection": {%s}, "action": {%s}}`, priority, selection, action)
	}
	rules := func(all ...string) string {
		return `{"rules": [` + strings.Join(all, ",") + `]}` + strings.Repeat(" ", 100)
	}
	const (
		expire  = `"type": "expire"`
		archive = `"type": "transition", "targetStorageClass": "archive"`
		days    = `"countUnit": "days", "countNumber": 30`
		tagged  = `"tagStatus": "tagged", "tagPatternList": ["v*"], "countType": "sinceImagePushed", ` + days
		anyAge  = `"tagStatus": "any", "countType": "sinceImagePushed", ` + days
		moved   = `"tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned", ` + days
	)
	var many []string
	for i := range 51 {
		many = append(many, one(i+1, tagged, expire))
	}
	right := map[string]string{
		"the recipe": recipe, "archive": rules(one(2, moved, expire), one(1, anyAge, archive)), "fifty": rules(many[:50]...),
		"not pulled": rules(one(1, strings.Replace(anyAge, "Pushed", "Pulled", 1), archive)),
	}
	wrong := map[string]string{
		"too short": `{"rules": []}`, "too long": rules(one(1, tagged, expire)) + strings.Repeat(" ", 30720), "no JSON": strings.Repeat("x", 100),
		"no rule": rules(), "fifty-one": rules(many...), "an unknown field": rules(one(1, tagged+`, "tags": []`, expire)),
		"priority 0": rules(one(0, tagged, expire)), "one priority twice": rules(one(1, tagged, expire), one(1, tagged, expire)),
		"two any": rules(one(1, anyAge, expire), one(2, anyAge, archive)), "any first": rules(one(1, anyAge, expire), one(2, tagged, expire)),
		"tags for untagged":   rules(one(1, strings.Replace(tagged, `"tagged"`, `"untagged"`, 1), expire)),
		"no tags":             rules(one(1, strings.Replace(anyAge, "any", "tagged", 1), expire)),
		"an empty list":       rules(one(1, strings.Replace(tagged, `["v*"]`, `[]`, 1), expire)),
		"five wildcards":      rules(one(1, strings.Replace(tagged, "v*", "*1*2*3*4*", 1), expire)),
		"both lists":          rules(one(1, tagged+`, "tagPrefixList": ["v"]`, expire)),
		"no unit":             rules(one(1, strings.Replace(tagged, `"countUnit": "days",`, "", 1), expire)),
		"a unit of images":    rules(one(1, strings.Replace(tagged, "sinceImagePushed", "imageCountMoreThan", 1), expire)),
		"count 0":             rules(one(1, strings.Replace(tagged, "30", "0", 1), expire)),
		"an unknown count":    rules(one(1, strings.Replace(tagged, "sinceImagePushed", "sinceImageBuilt", 1), expire)),
		"an unknown status":   rules(one(1, strings.Replace(anyAge, "any", "all", 1), expire)),
		"an unknown storage":  rules(one(1, tagged+`, "storageClass": "cold"`, expire)),
		"archive by age":      rules(one(1, tagged+`, "storageClass": "archive"`, expire)),
		"archive what is":     rules(one(1, moved, archive)),
		"expire by pull":      rules(one(1, strings.Replace(anyAge, "Pushed", "Pulled", 1), expire)),
		"an unknown action":   rules(one(1, tagged, `"type": "delete"`)),
		"no target":           rules(one(1, tagged, `"type": "transition"`)),
		"a target of expire":  rules(one(1, tagged, expire+`, "targetStorageClass": "archive"`)),
		"no selection":        rules(`{"rulePriority": 1, "action": {"type": "expire"}}`),
		"no action":           rules(`{"rulePriority": 1, "selection": {` + tagged + `}}`),
		"an unknown rulename": rules(`{"rulePriority": 1, "name": "x", "selection": {` + tagged + `}, "action": {"type": "expire"}}`),
	}
	for name, text := range right {
		if err := put(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range wrong {
		if got := code(put(text)); got != "InvalidParameterException" {
			t.Errorf("%s: code %q, want InvalidParameterException", name, got)
		}
	}
}

// tagsOf returns the first tag of every image that is left, sorted.
func tagsOf(repo *embedded.Repository) []string {
	var all []string
	for _, img := range repo.Images() {
		all = append(all, strings.Join(img.Tags, "+"))
	}
	slices.Sort(all)
	return all
}

func TestLifecycleRecipe(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	for i, tags := range [][]string{
		{"1.0.1"}, {"1.0.2", "production-1000"}, {"1.0.3", "production-2000"}, {"1.0.4"}, {"1.1.0"}, {"1.0.5", "production-3000"}, {"1.0.6"},
	} {
		repo.MustPush(embedded.Push{Manifest: image(fmt.Sprint(i)).Bytes(), Tags: tags, At: start.Add(time.Duration(i-6) * 10 * 24 * time.Hour)})
	}
	repo.SetLifecyclePolicy(recipe)
	n, err := w.region.ApplyLifecyclePolicies()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1.0.3+production-2000", "1.0.4", "1.0.5+production-3000", "1.0.6", "1.1.0"}
	if diff := cmp.Diff(want, tagsOf(repo)); diff != "" || n != 2 {
		t.Errorf("%d went (-want +got of what is left):\n%s", n, diff)
	}
	w.clock.Advance(time.Second)
	got, err := w.client().GetLifecyclePolicy(t.Context(), &ecr.GetLifecyclePolicyInput{RepositoryName: aws.String("apps/web")})
	if err != nil || !got.LastEvaluatedAt.Equal(start) {
		t.Errorf("evaluated at %v (%v), want %v", got.LastEvaluatedAt, err, start)
	}
	w.clock.Advance(10 * 24 * time.Hour)
	if n, err := repo.ApplyLifecyclePolicy(); n != 1 || err != nil {
		t.Errorf("%d went ten days later (%v), want 1: %v", n, err, tagsOf(repo))
	}
}

func TestLifecycleFamilies(t *testing.T) {
	for _, members := range []bool{false, true} {
		t.Run(fmt.Sprint(members), func(t *testing.T) {
			w := newWorld(embedded.Options{})
			w.region.CountLifecycleMembers(members)
			repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
			at := start.Add(-60 * 24 * time.Hour)
			old := func(m embedded.Manifest, tags ...string) string {
				return repo.MustPush(embedded.Push{Manifest: m.Bytes(), Tags: tags, At: at})
			}
			old(image("child"))
			push(repo, embedded.NewIndex(image("child").Descriptor()), "multi")
			old(image("gone"), "1.0.1")
			push(repo, embedded.NewArtifact("application/vnd.example.sbom", image("gone").Descriptor()))
			push(repo, image("stays"), "2.0")
			signature := old(embedded.NewArtifact("application/vnd.example.signature", image("stays").Descriptor()))
			repo.SetLifecyclePolicy(`{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30}, "action": {"type": "expire"}}]}`)
			if _, err := repo.ApplyLifecyclePolicy(); err != nil {
				t.Fatal(err)
			}
			want := []string{"", "", "2.0", "multi"} // what the index lists, and the signature
			if members {
				want = want[1:]
			}
			if diff := cmp.Diff(want, tagsOf(repo)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if _, there := repo.Image(signature); there == members {
				t.Errorf("signature of what stays: there is %v", there)
			}
		})
	}
}

func TestLifecyclePreview(t *testing.T) {
	w := newWorld(embedded.Options{})
	w.region.SetLifecyclePreviewTime(8 * time.Second)
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	for i := range 150 {
		repo.MustPush(embedded.Push{Manifest: image(fmt.Sprint(i)).Bytes(), Tags: []string{fmt.Sprintf("1.0.%d", i)}, At: start.Add(-40 * 24 * time.Hour)})
	}
	repo.Archive("1.0.7", start)
	name := aws.String("apps/web")
	begin := func(text *string) (*ecr.StartLifecyclePolicyPreviewOutput, error) {
		return w.client().StartLifecyclePolicyPreview(t.Context(), &ecr.StartLifecyclePolicyPreviewInput{RepositoryName: name, LifecyclePolicyText: text})
	}
	get := func(in ecr.GetLifecyclePolicyPreviewInput) (*ecr.GetLifecyclePolicyPreviewOutput, error) {
		in.RepositoryName = name
		return w.client().GetLifecyclePolicyPreview(t.Context(), &in)
	}
	_, err := get(ecr.GetLifecyclePolicyPreviewInput{})
	wantCode(t, err, "LifecyclePolicyPreviewNotFoundException")
	_, err = begin(nil)
	wantCode(t, err, "LifecyclePolicyNotFoundException")
	_, err = begin(aws.String(strings.Repeat("x", 200)))
	wantCode(t, err, "InvalidParameterException")
	_, err = begin(aws.String(recipe))
	wantCode(t, err, "")
	_, err = begin(aws.String(recipe))
	wantCode(t, err, "LifecyclePolicyPreviewInProgressException")
	out, err := get(ecr.GetLifecyclePolicyPreviewInput{})
	if err != nil || out.Status != types.LifecyclePolicyPreviewStatusInProgress {
		t.Fatalf("status %v (%v), want IN_PROGRESS", out, err)
	}
	w.clock.Advance(8 * time.Second)
	out, err = get(ecr.GetLifecyclePolicyPreviewInput{})
	if err != nil || out.Status != types.LifecyclePolicyPreviewStatusComplete || len(out.PreviewResults) != 100 || out.NextToken == nil ||
		*out.Summary.ExpiringImageTotalCount != 149 || *out.PreviewResults[0].AppliedRulePriority != 20 {
		t.Fatalf("first page: %+v (%v)", out, err)
	}
	out, err = get(ecr.GetLifecyclePolicyPreviewInput{NextToken: out.NextToken})
	if err != nil || len(out.PreviewResults) != 49 || out.NextToken != nil {
		t.Errorf("second page: %d results (%v), want 49", len(out.PreviewResults), err)
	}
	out, err = get(ecr.GetLifecyclePolicyPreviewInput{ImageIds: byTag("1.0.3", "1.0.7")})
	if err != nil || len(out.PreviewResults) != 1 || out.PreviewResults[0].ImageTags[0] != "1.0.3" {
		t.Errorf("of two images: %+v (%v), want 1.0.3 alone", out.PreviewResults, err)
	}
	out, err = get(ecr.GetLifecyclePolicyPreviewInput{Filter: &types.LifecyclePolicyPreviewFilter{TagStatus: types.TagStatusUntagged}})
	if err != nil || len(out.PreviewResults) != 0 {
		t.Errorf("untagged: %+v (%v), want none", out.PreviewResults, err)
	}
	_, err = get(ecr.GetLifecyclePolicyPreviewInput{MaxResults: aws.Int32(101)})
	wantCode(t, err, "InvalidParameterException")
	if got := len(tagsOf(repo)); got != 150 {
		t.Errorf("%d images after a preview, want 150", got)
	}
	w.clock.Advance(25 * time.Hour)
	if out, err = get(ecr.GetLifecyclePolicyPreviewInput{}); err != nil || out.Status != types.LifecyclePolicyPreviewStatusExpired {
		t.Errorf("status %v (%v) a day later, want EXPIRED", out.Status, err)
	}
}

func TestLifecycleArchive(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	push(repo, image("a"), "a")
	repo.SetLifecyclePolicy(`{"rules": [
		{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 30}, "action": {"type": "transition", "targetStorageClass": "archive"}},
		{"rulePriority": 2, "selection": {"tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned", "countUnit": "days", "countNumber": 90}, "action": {"type": "expire"}}]}`)
	apply := func(want string) {
		t.Helper()
		if _, err := repo.ApplyLifecyclePolicy(); err != nil {
			t.Fatal(err)
		}
		got := "gone"
		if img, there := repo.Image("a"); there {
			got = img.Status
		}
		if got != want {
			t.Errorf("status %s, want %s", got, want)
		}
	}
	repo.Pull("a", start.Add(10*24*time.Hour))
	w.clock.Advance(40 * 24 * time.Hour)
	apply("ACTIVE")
	w.clock.Advance(time.Millisecond)
	apply("ARCHIVED")
	w.clock.Advance(90 * 24 * time.Hour)
	apply("ARCHIVED")
	w.clock.Advance(time.Millisecond)
	apply("gone")
}

func TestLifecycleDenied(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	key := w.Account(home).AccessKeyID()
	if err := w.SetPolicy(key, `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["ecr:StartLifecyclePolicyPreview"], "Resource": "`+repo.ARN()+`"}]}`); err != nil {
		t.Fatal(err)
	}
	_, err := w.client().StartLifecyclePolicyPreview(t.Context(), &ecr.StartLifecyclePolicyPreviewInput{RepositoryName: aws.String("apps/web"), LifecyclePolicyText: aws.String(recipe)})
	wantCode(t, err, "")
	_, err = w.client().GetLifecyclePolicyPreview(t.Context(), &ecr.GetLifecyclePolicyPreviewInput{RepositoryName: aws.String("apps/web")})
	wantCode(t, err, "AccessDeniedException")
	_, err = w.client().PutLifecyclePolicy(t.Context(), &ecr.PutLifecyclePolicyInput{RepositoryName: aws.String("apps/web"), LifecyclePolicyText: aws.String(recipe)})
	wantCode(t, err, "AccessDeniedException")
	if repo.LifecyclePolicy() != "" {
		t.Error("a denied call stored the policy")
	}
}
