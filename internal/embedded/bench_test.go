package embedded_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/regsweep/regsweep/internal/embedded"
)

// BenchmarkDescribeImages reads a repository of 100,000 images, as many as ECR
// holds by default, in pages of 1,000. Most of the time is the SDK's.
func BenchmarkDescribeImages(b *testing.B) {
	w := newWorld(embedded.Options{})
	repo := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	for i := range 100_000 {
		push(repo, image(fmt.Sprint(i)), fmt.Sprint("t", i))
	}
	for b.Loop() {
		n := 0
		pages := ecr.NewDescribeImagesPaginator(w.client(), &ecr.DescribeImagesInput{
			RepositoryName: aws.String("apps/web"), MaxResults: aws.Int32(1000),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			n += len(page.ImageDetails)
		}
		if n != 100_000 {
			b.Fatalf("%d images, want 100000", n)
		}
	}
}

// BenchmarkPush fills a repository through the Go API.
func BenchmarkPush(b *testing.B) {
	w := newWorld(embedded.Options{})
	var repo *embedded.Repository
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%100_000 == 0 { // no repository holds more
			repo = w.region.MustCreateRepository(fmt.Sprint("apps/", i), embedded.RepositoryOptions{})
		}
		push(repo, image(fmt.Sprint(i)), fmt.Sprint("t", i))
	}
}
