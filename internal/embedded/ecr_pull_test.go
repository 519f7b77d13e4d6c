package embedded_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/embedded"
)

// batchGet reads manifests and returns what failed, by digest or tag.
func batchGet(t *testing.T, client *ecr.Client, accepted []string, ids ...types.ImageIdentifier) (images []types.Image, failures map[string]types.ImageFailureCode) {
	t.Helper()
	out, err := client.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{
		RepositoryName: aws.String("apps/web"), ImageIds: ids, AcceptedMediaTypes: accepted,
	})
	if err != nil {
		t.Fatal(err)
	}
	failures = map[string]types.ImageFailureCode{}
	for _, f := range out.Failures {
		failures[aws.ToString(f.ImageId.ImageDigest)+aws.ToString(f.ImageId.ImageTag)] = f.FailureCode
	}
	return out.Images, failures
}

func TestBatchGetImage(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	a := push(repo, image("a"), "v1", "v2")
	index := push(repo, embedded.NewIndex(image("a").Descriptor()), "multi")
	archived := push(repo, image("archived"))
	repo.Archive(archived, start)
	upstream := map[string]types.ImageFailureCode{}
	for i, digest := range pushImages(repo, 5) {
		upstream[digest] = []types.ImageFailureCode{"UpstreamAccessDenied", "UpstreamTooManyRequests", "UpstreamUnavailable", "KmsError", "ImageInaccessible"}[i]
		repo.Fail(digest, string(upstream[digest]))
	}

	images, failures := batchGet(t, w.client(), nil, append(byTag("v1", "multi", "none"), byDigest(a, archived)...)...)
	var got []string
	for _, img := range images {
		got = append(got, aws.ToString(img.ImageId.ImageTag)+"@"+*img.ImageId.ImageDigest)
		if stored, _ := repo.Image(*img.ImageId.ImageDigest); *img.ImageManifest != string(stored.Manifest) {
			t.Errorf("manifest of %s is not the bytes that were pushed", *img.ImageId.ImageDigest)
		}
	}
	if diff := cmp.Diff([]string{"v1@" + a, "multi@" + index, "@" + a}, got); diff != "" {
		t.Errorf("images differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]types.ImageFailureCode{"none": "ImageNotFound", archived: "ImageNotFound"}, failures); diff != "" {
		t.Errorf("failures differ (-want +got):\n%s", diff)
	}

	// An index is not found by who accepts images only.
	images, failures = batchGet(t, w.client(), []string{embedded.MediaTypeOCIManifest}, byTag("multi", "v1")...)
	if len(images) != 1 || failures["multi"] != "ImageNotFound" {
		t.Errorf("got %d images, failures %v; want v1 alone", len(images), failures)
	}

	var ids []types.ImageIdentifier
	for digest := range upstream {
		ids = append(ids, byDigest(digest)...)
	}
	if _, failures = batchGet(t, w.client(), nil, ids...); !cmp.Equal(failures, upstream) {
		t.Errorf("failures %v, want those that were asked for, %v", failures, upstream)
	}
	repo.Fail("", "KmsError")
	if _, failures = batchGet(t, w.client(), nil, byTag("v1")...); failures["v1"] != "KmsError" {
		t.Errorf("failures %v, want KmsError for every image", failures)
	}
}

func TestPullTimes(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	child := push(repo, image("a"))
	index := push(repo, embedded.NewIndex(image("a").Descriptor()), "multi")
	role := "arn:aws:iam::" + home + ":role/sweeper"
	w.AddKey(embedded.Principal{
		AccessKeyID: "ASIASWEEPER", Account: home, RoleARN: role,
		ARN: "arn:aws:sts::" + home + ":assumed-role/sweeper/night",
	})
	pulledAt := func(digest string) time.Time {
		img, _ := repo.Image(digest)
		return img.PulledAt
	}

	w.clock.Advance(time.Hour)
	batchGet(t, w.client(), nil, byTag("multi")...)
	if got := pulledAt(index); !got.Equal(start.Add(time.Hour)) {
		t.Errorf("the index was pulled at %v, want now", got)
	}
	if got := pulledAt(child); !got.IsZero() {
		t.Errorf("the child was pulled at %v, want never", got)
	}

	w.clock.Advance(time.Hour)
	if _, err := w.client().RegisterPullTimeUpdateExclusion(t.Context(), &ecr.RegisterPullTimeUpdateExclusionInput{PrincipalArn: &role}); err != nil {
		t.Fatal(err)
	}
	batchGet(t, w.ecr("ASIASWEEPER"), nil, byDigest(index, child)...)
	if got := pulledAt(index); !got.Equal(start.Add(time.Hour)) {
		t.Errorf("a pull by an excluded role changed the pull time to %v", got)
	}
	if _, err := w.client().DeregisterPullTimeUpdateExclusion(t.Context(), &ecr.DeregisterPullTimeUpdateExclusionInput{PrincipalArn: &role}); err != nil {
		t.Fatal(err)
	}
	batchGet(t, w.ecr("ASIASWEEPER"), nil, byDigest(child)...)
	if got := pulledAt(child); !got.Equal(start.Add(2 * time.Hour)) {
		t.Errorf("the child was pulled at %v, want now", got)
	}

	// Describing is no pull.
	w.clock.Advance(time.Hour)
	if _, err := w.client().DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String("apps/web")}); err != nil {
		t.Fatal(err)
	}
	if got := pulledAt(child); !got.Equal(start.Add(2 * time.Hour)) {
		t.Errorf("describing changed the pull time to %v", got)
	}
}

func TestExclusionErrors(t *testing.T) {
	w := newWorld(embedded.Options{})
	role := aws.String("arn:aws:iam::" + home + ":role/a")
	register := func(arn *string) error {
		_, err := w.client().RegisterPullTimeUpdateExclusion(t.Context(), &ecr.RegisterPullTimeUpdateExclusionInput{PrincipalArn: arn})
		return err
	}
	deregister := func(arn *string) error {
		_, err := w.client().DeregisterPullTimeUpdateExclusion(t.Context(), &ecr.DeregisterPullTimeUpdateExclusionInput{PrincipalArn: arn})
		return err
	}
	wantCode(t, deregister(role), "ExclusionNotFoundException")
	wantCode(t, register(role), "")
	wantCode(t, register(role), "ExclusionAlreadyExistsException")
	wantCode(t, register(aws.String("arn:aws:iam::"+home+":root")), "InvalidParameterException")
	wantCode(t, register(aws.String("arn:aws:iam::"+home+":role/b")), "")
	out, err := w.client().ListPullTimeUpdateExclusions(t.Context(), &ecr.ListPullTimeUpdateExclusionsInput{MaxResults: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(out.PullTimeUpdateExclusions, []string{*role}) || out.NextToken == nil {
		t.Errorf("first page %v with token %v, want %s and a token", out.PullTimeUpdateExclusions, out.NextToken, *role)
	}
	wantCode(t, deregister(role), "")
	wantCode(t, deregister(role), "ExclusionNotFoundException")
}

func TestArchive(t *testing.T) {
	w := newWorld(embedded.Options{RestoreTime: 20 * time.Minute})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	digest := push(repo, image("a"), "v1")
	set := func(class types.TargetStorageClass, id types.ImageIdentifier) (types.ImageStatus, error) {
		out, err := w.client().UpdateImageStorageClass(t.Context(), &ecr.UpdateImageStorageClassInput{
			RepositoryName: aws.String("apps/web"), ImageId: &id, TargetStorageClass: class,
		})
		if err != nil {
			return "", err
		}
		return out.ImageStatus, nil
	}
	is := func(want embedded.Image) {
		t.Helper()
		got, _ := repo.Image(digest)
		got = embedded.Image{Status: got.Status, ArchivedAt: got.ArchivedAt, ActivatedAt: got.ActivatedAt}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("image differs (-want +got):\n%s", diff)
		}
	}
	expect := func(class types.TargetStorageClass, want types.ImageStatus, wantErr string) {
		t.Helper()
		got, err := set(class, byTag("v1")[0])
		wantCode(t, err, wantErr)
		if got != want {
			t.Fatalf("status %s, want %s", got, want)
		}
	}
	is(embedded.Image{Status: "ACTIVE"})
	expect("STANDARD", "ACTIVE", "")
	is(embedded.Image{Status: "ACTIVE"})
	expect("ARCHIVE", "ARCHIVED", "")
	is(embedded.Image{Status: "ARCHIVED", ArchivedAt: start})
	w.clock.Advance(time.Hour)
	expect("ARCHIVE", "ARCHIVED", "")
	is(embedded.Image{Status: "ARCHIVED", ArchivedAt: start})
	expect("STANDARD", "ACTIVATING", "")
	expect("ARCHIVE", "", "ImageStorageClassUpdateNotSupportedException")
	is(embedded.Image{Status: "ACTIVATING", ArchivedAt: start})
	if _, failures := batchGet(t, w.client(), nil, byTag("v1")...); failures["v1"] != "ImageNotFound" {
		t.Errorf("failures %v, want an image that is being restored not found", failures)
	}
	w.clock.Advance(20 * time.Minute)
	restored := start.Add(80 * time.Minute)
	is(embedded.Image{Status: "ACTIVE", ArchivedAt: start, ActivatedAt: restored})
	w.clock.Advance(time.Hour)
	expect("ARCHIVE", "ARCHIVED", "")
	again := start.Add(140 * time.Minute)
	is(embedded.Image{Status: "ARCHIVED", ArchivedAt: again, ActivatedAt: restored})

	// Pushing it again restores it, with the same tag or another.
	_, err := w.client().PutImage(t.Context(), putInput(image("a"), "v1"))
	wantCode(t, err, "")
	w.clock.Advance(20 * time.Minute)
	is(embedded.Image{Status: "ACTIVE", ArchivedAt: again, ActivatedAt: again.Add(20 * time.Minute)})

	for _, test := range []struct {
		class types.TargetStorageClass
		id    types.ImageIdentifier
		code  string
	}{
		{"FROZEN", byTag("v1")[0], "InvalidParameterException"},
		{"ARCHIVE", byTag("none")[0], "ImageNotFoundException"},
		{"ARCHIVE", byDigest(image("none").Descriptor().Digest)[0], "ImageNotFoundException"},
		{"ARCHIVE", byDigest("nonsense")[0], "InvalidParameterException"},
		{"ARCHIVE", types.ImageIdentifier{}, "InvalidParameterException"},
	} {
		_, err := set(test.class, test.id)
		wantCode(t, err, test.code)
	}
}
