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
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/embedded"
)

// ignoreMetadata leaves the SDK's own fields out of comparisons.
var ignoreMetadata = cmpopts.IgnoreUnexported(types.ImageDetail{}, types.ImageIdentifier{}, types.ImageReferrer{}, types.Repository{})

func TestDescribeImagesFields(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	subject := image("a").Descriptor()
	pushed, pulled := start.Add(-72*time.Hour), start.Add(-1500*time.Millisecond)
	repo.MustPush(embedded.Push{Manifest: image("a").Bytes(), Tags: []string{"v2", "v1"}, At: pushed})
	repo.Pull("v1", pulled)
	signature := embedded.NewArtifact(`application/vnd.example."signature"`, subject, embedded.LayerBlob("sig", 7))
	push(repo, signature)
	repo.Archive(signature.Descriptor().Digest, start.Add(-time.Hour))

	out, err := w.client().DescribeImages(t.Context(), &ecr.DescribeImagesInput{
		RepositoryName: aws.String("apps/web"),
		ImageIds:       append(byTag("v1"), byDigest(signature.Descriptor().Digest, subject.Digest)...),
		Filter:         &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []types.ImageDetail{
		{
			RegistryId: aws.String(home), RepositoryName: aws.String("apps/web"), ImageDigest: aws.String(subject.Digest),
			ImageTags: []string{"v1", "v2"}, ImageSizeInBytes: aws.Int64(100), ImagePushedAt: &pushed,
			ImageManifestMediaType: aws.String(embedded.MediaTypeOCIManifest),
			ArtifactMediaType:      aws.String(embedded.MediaTypeOCIConfig),
			LastRecordedPullTime:   &pulled, ImageStatus: types.ImageStatusActive,
		},
		{
			RegistryId: aws.String(home), RepositoryName: aws.String("apps/web"),
			ImageDigest: aws.String(signature.Descriptor().Digest), ImageSizeInBytes: aws.Int64(9), ImagePushedAt: &start,
			ImageManifestMediaType: aws.String(embedded.MediaTypeOCIManifest),
			ArtifactMediaType:      aws.String(`application/vnd.example."signature"`),
			SubjectManifestDigest:  aws.String(subject.Digest),
			ImageStatus:            types.ImageStatusArchived, LastArchivedAt: aws.Time(start.Add(-time.Hour)),
		},
	}
	if diff := cmp.Diff(want, out.ImageDetails, ignoreMetadata); diff != "" {
		t.Errorf("images differ (-want +got):\n%s", diff)
	}
}

func TestFilters(t *testing.T) {
	w := newWorld(embedded.Options{RestoreTime: time.Hour})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	names := map[string]string{}
	for _, name := range []string{"tagged", "untagged", "archived", "activating"} {
		var tags []string
		if name != "untagged" {
			tags = []string{name}
		}
		names[push(repo, image(name), tags...)] = name
	}
	repo.Archive("archived", start)
	repo.Archive("activating", start)
	if _, err := w.client().UpdateImageStorageClass(t.Context(), &ecr.UpdateImageStorageClassInput{
		RepositoryName: aws.String("apps/web"), ImageId: &byTag("activating")[0], TargetStorageClass: types.TargetStorageClassStandard,
	}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		tags   types.TagStatus
		status types.ImageStatusFilter
		want   []string
	}{
		{"", "", []string{"tagged", "untagged"}},
		{"TAGGED", "", []string{"tagged"}},
		{"UNTAGGED", "", []string{"untagged"}},
		{"ANY", "ACTIVE", []string{"tagged", "untagged"}},
		{"ANY", "ARCHIVED", []string{"archived"}},
		{"ANY", "ACTIVATING", []string{"activating"}},
		{"", "ANY", []string{"activating", "archived", "tagged", "untagged"}},
		{"TAGGED", "ANY", []string{"activating", "archived", "tagged"}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("tags %s status %s", test.tags, test.status), func(t *testing.T) {
			described, err := w.client().DescribeImages(t.Context(), &ecr.DescribeImagesInput{
				RepositoryName: aws.String("apps/web"),
				Filter:         &types.DescribeImagesFilter{TagStatus: test.tags, ImageStatus: test.status},
			})
			if err != nil {
				t.Fatal(err)
			}
			listed, err := w.client().ListImages(t.Context(), &ecr.ListImagesInput{
				RepositoryName: aws.String("apps/web"),
				Filter:         &types.ListImagesFilter{TagStatus: test.tags, ImageStatus: test.status},
			})
			if err != nil {
				t.Fatal(err)
			}
			var fromDescribe, fromList []string
			for _, d := range described.ImageDetails {
				fromDescribe = append(fromDescribe, names[*d.ImageDigest])
			}
			for _, id := range listed.ImageIds {
				fromList = append(fromList, names[*id.ImageDigest])
			}
			slices.Sort(fromDescribe)
			slices.Sort(fromList)
			if diff := cmp.Diff(test.want, fromDescribe); diff != "" {
				t.Errorf("DescribeImages differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, fromList); diff != "" {
				t.Errorf("ListImages differs (-want +got):\n%s", diff)
			}
		})
	}
}

// However large the pages, they add up to all images, each one once.
func TestPagesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(embedded.Options{})
		repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
		images := rapid.IntRange(0, 30).Draw(t, "images")
		wantIDs, wantTags := 0, 0
		for i := range images {
			var tags []string
			for j := range rapid.IntRange(0, 4).Draw(t, "tags") {
				tags = append(tags, fmt.Sprintf("t%d-%d", i, j))
			}
			push(repo, image(fmt.Sprint(i)), tags...)
			wantIDs += max(1, len(tags))
			wantTags += len(tags)
		}
		size := int32(rapid.IntRange(1, 12).Draw(t, "page size"))
		var digests []string
		pages := ecr.NewDescribeImagesPaginator(w.client(), &ecr.DescribeImagesInput{RepositoryName: aws.String("apps/web"), MaxResults: &size})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(page.ImageDetails) > int(size) {
				t.Fatalf("page of %d images, asked for %d", len(page.ImageDetails), size)
			}
			for _, d := range page.ImageDetails {
				digests = append(digests, *d.ImageDigest)
			}
		}
		var want []string
		for _, img := range repo.Images() {
			want = append(want, img.Digest)
		}
		if diff := cmp.Diff(want, digests); diff != "" {
			t.Fatalf("images differ (-want +got):\n%s", diff)
		}
		ids, tags := map[string]int{}, 0
		list := ecr.NewListImagesPaginator(w.client(), &ecr.ListImagesInput{RepositoryName: aws.String("apps/web"), MaxResults: &size})
		for list.HasMorePages() {
			page, err := list.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range page.ImageIds {
				ids[*id.ImageDigest+aws.ToString(id.ImageTag)]++
				if id.ImageTag != nil {
					tags++
				}
			}
		}
		if len(ids) != wantIDs || tags != wantTags {
			t.Fatalf("ListImages gave %d ids with %d tags, want %d with %d", len(ids), tags, wantIDs, wantTags)
		}
	})
}

// Images that are deleted between two pages do not disturb the rest.
func TestPagesWhileDeleting(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	pushImages(repo, 500)
	seen := 0
	pages := ecr.NewDescribeImagesPaginator(w.client(), &ecr.DescribeImagesInput{RepositoryName: aws.String("apps/web")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var ids []types.ImageIdentifier
		for _, d := range page.ImageDetails {
			seen++
			ids = append(ids, types.ImageIdentifier{ImageDigest: d.ImageDigest})
		}
		if _, err := w.client().BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{
			RepositoryName: aws.String("apps/web"), ImageIds: ids,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if left := len(repo.Images()); seen != 500 || left != 0 {
		t.Errorf("saw %d images and left %d, want 500 and 0", seen, left)
	}
}

func TestImageErrors(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	digests := pushImages(repo, 3)
	repo.Archive(digests[0], start)
	w.region.MustCreateRepository("apps/other", embedded.RepositoryOptions{})
	describe := func(change func(*ecr.DescribeImagesInput)) error {
		in := &ecr.DescribeImagesInput{RepositoryName: aws.String("apps/web")}
		change(in)
		_, err := w.client().DescribeImages(t.Context(), in)
		return err
	}
	first, err := w.client().DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String("apps/web"), MaxResults: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*ecr.DescribeImagesInput)
		code   string
	}{
		{"repository does not exist", func(in *ecr.DescribeImagesInput) { in.RepositoryName = aws.String("apps/none") }, "RepositoryNotFoundException"},
		{"repository name", func(in *ecr.DescribeImagesInput) { in.RepositoryName = aws.String("Apps") }, "InvalidParameterException"},
		{"registry id", func(in *ecr.DescribeImagesInput) { in.RegistryId = aws.String("12345") }, "InvalidParameterException"},
		{"registry that does not exist", func(in *ecr.DescribeImagesInput) { in.RegistryId = aws.String(other) }, "RepositoryNotFoundException"},
		{"no results", func(in *ecr.DescribeImagesInput) { in.MaxResults = aws.Int32(0) }, "InvalidParameterException"},
		{"most results", func(in *ecr.DescribeImagesInput) { in.MaxResults = aws.Int32(1000) }, ""},
		{"too many results", func(in *ecr.DescribeImagesInput) { in.MaxResults = aws.Int32(1001) }, "InvalidParameterException"},
		{"token", func(in *ecr.DescribeImagesInput) { in.NextToken = first.NextToken }, ""},
		{"token made up", func(in *ecr.DescribeImagesInput) { in.NextToken = aws.String("made-up") }, "InvalidParameterException"},
		{"token of another repository", func(in *ecr.DescribeImagesInput) {
			in.RepositoryName, in.NextToken = aws.String("apps/other"), first.NextToken
		}, "InvalidParameterException"},
		{"tag status", func(in *ecr.DescribeImagesInput) { in.Filter = &types.DescribeImagesFilter{TagStatus: "SOME"} }, "InvalidParameterException"},
		{"image status", func(in *ecr.DescribeImagesInput) { in.Filter = &types.DescribeImagesFilter{ImageStatus: "LOST"} }, "InvalidParameterException"},
		{"image that does not exist", func(in *ecr.DescribeImagesInput) { in.ImageIds = byDigest(image("none").Descriptor().Digest) }, "ImageNotFoundException"},
		{"tag that does not exist", func(in *ecr.DescribeImagesInput) { in.ImageIds = byTag("none") }, "ImageNotFoundException"},
		{"archived image by default", func(in *ecr.DescribeImagesInput) { in.ImageIds = byDigest(digests[0]) }, "ImageNotFoundException"},
		{"digest format", func(in *ecr.DescribeImagesInput) { in.ImageIds = byDigest("nonsense") }, "InvalidParameterException"},
		{"tag format", func(in *ecr.DescribeImagesInput) { in.ImageIds = byTag("no such") }, "InvalidParameterException"},
		{"tag length", func(in *ecr.DescribeImagesInput) { in.ImageIds = byTag(strings.Repeat("t", 301)) }, "InvalidParameterException"},
		{"empty id", func(in *ecr.DescribeImagesInput) { in.ImageIds = []types.ImageIdentifier{{}} }, "InvalidParameterException"},
		{"no ids", func(in *ecr.DescribeImagesInput) { in.ImageIds = []types.ImageIdentifier{} }, "InvalidParameterException"},
		{"ids and page size", func(in *ecr.DescribeImagesInput) { in.ImageIds, in.MaxResults = byDigest(digests[1]), aws.Int32(5) }, "InvalidParameterException"},
		{"ids and token", func(in *ecr.DescribeImagesInput) { in.ImageIds, in.NextToken = byDigest(digests[1]), first.NextToken }, "InvalidParameterException"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantCode(t, describe(test.change), test.code) })
	}
}

func TestListImageReferrers(t *testing.T) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	subject := image("a").Descriptor()
	push(repo, image("a"))
	sizes := map[string]int64{}
	for i := range 30 {
		m := embedded.NewArtifact([]string{"application/vnd.example.signature", "application/vnd.example.sbom"}[i%2], subject, embedded.LayerBlob(fmt.Sprint(i), 5))
		m.Annotations = map[string]string{"n": fmt.Sprint(i)}
		sizes[push(repo, m)] = int64(len(m.Bytes()))
	}
	byIndex := embedded.NewIndex(image("a").Descriptor())
	byIndex.Subject = &subject
	push(repo, byIndex)
	for digest := range sizes {
		repo.Archive(digest, start)
		break
	}
	list := func(change func(*ecr.ListImageReferrersInput)) (*ecr.ListImageReferrersOutput, error) {
		in := &ecr.ListImageReferrersInput{
			RepositoryName: aws.String("apps/web"), SubjectId: &types.SubjectIdentifier{ImageDigest: &subject.Digest},
		}
		change(in)
		return w.client().ListImageReferrers(t.Context(), in)
	}
	count := func(change func(*ecr.ListImageReferrersInput)) (n, pages int) {
		var token *string
		for {
			out, err := list(func(in *ecr.ListImageReferrersInput) { change(in); in.NextToken = token })
			if err != nil {
				t.Fatal(err)
			}
			pages++
			n += len(out.Referrers)
			if token = out.NextToken; token == nil {
				return n, pages
			}
		}
	}
	filter := func(f types.ListImageReferrersFilter) func(*ecr.ListImageReferrersInput) {
		return func(in *ecr.ListImageReferrersInput) { in.Filter, in.MaxResults = &f, aws.Int32(50) }
	}
	type counted struct{ n, pages int }
	for _, test := range []struct {
		name   string
		change func(*ecr.ListImageReferrersInput)
		want   counted
	}{
		{"active, 20 a page", func(*ecr.ListImageReferrersInput) {}, counted{30, 2}},
		{"any", filter(types.ListImageReferrersFilter{ArtifactStatus: "ANY"}), counted{31, 1}},
		{"archived", filter(types.ListImageReferrersFilter{ArtifactStatus: "ARCHIVED"}), counted{1, 1}},
		{"signatures", filter(types.ListImageReferrersFilter{ArtifactStatus: "ANY", ArtifactTypes: []string{"application/vnd.example.signature"}}), counted{15, 1}},
		{"of nothing", func(in *ecr.ListImageReferrersInput) {
			in.SubjectId = &types.SubjectIdentifier{ImageDigest: aws.String(image("none").Descriptor().Digest)}
		}, counted{0, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if n, pages := count(test.change); (counted{n, pages}) != test.want {
				t.Errorf("%d referrers in %d pages, want %v", n, pages, test.want)
			}
		})
	}
	out, err := list(filter(types.ListImageReferrersFilter{ArtifactStatus: "ANY"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Referrers {
		if want, isArtifact := sizes[*r.Digest]; isArtifact && (*r.Size != want || r.Annotations["n"] == "" || r.ArtifactType == nil) {
			t.Errorf("referrer %+v: want size %d, annotation and type", r, want)
		}
	}
	first, err := list(func(*ecr.ListImageReferrersInput) {})
	wantCode(t, err, "")
	_, err = list(func(in *ecr.ListImageReferrersInput) {
		in.NextToken, in.Filter = first.NextToken, &types.ListImageReferrersFilter{ArtifactTypes: []string{"application/vnd.example.sbom"}}
	})
	wantCode(t, err, "InvalidParameterException") // the token of another list
	_, err = list(func(in *ecr.ListImageReferrersInput) { in.MaxResults = aws.Int32(51) })
	wantCode(t, err, "InvalidParameterException")
	_, err = list(func(in *ecr.ListImageReferrersInput) { in.SubjectId.ImageDigest = aws.String("nonsense") })
	wantCode(t, err, "InvalidParameterException")
}
