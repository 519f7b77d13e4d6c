package ecr

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/registry"
)

// TestDeleteFailureCodes has every failure code of the service model on one
// image of three.
func TestDeleteFailureCodes(t *testing.T) {
	for _, code := range types.ImageFailureCode("").Values() {
		t.Run(string(code), func(t *testing.T) {
			w := newWorld(t)
			repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
			var digests []image.Digest
			for _, seed := range []string{"a", "b", "c"} {
				digests = append(digests, digestOf(t, push(repo, plain(seed), "tag-"+seed)))
			}
			repo.Fail(digests[1].String(), string(code))
			got, err := w.writer(t, Config{}).Delete(t.Context(), "apps/web", digests)
			if err != nil || len(got) != 3 || got[0] != nil || got[2] != nil {
				t.Fatalf("results %v, %v; want only the second to fail", got, err)
			}
			var imageErr *ImageError
			var referenced *registry.ReferencedError
			switch code {
			case types.ImageFailureCodeImageNotFound:
				if got[1] != nil {
					t.Errorf("got %v, want success", got[1])
				}
			case types.ImageFailureCodeImageReferencedByManifestList:
				if !errors.As(got[1], &referenced) || referenced.Digest != digests[1] {
					t.Errorf("got %v, want a ReferencedError", got[1])
				}
			default:
				if !errors.As(got[1], &imageErr) || imageErr.Digest != digests[1] || imageErr.Code != string(code) || imageErr.Reason == "" {
					t.Errorf("got %v, want an ImageError of %s", got[1], code)
				}
			}
		})
	}
}

// TestDeleteAnswers has answers that say less or more than they should.
func TestDeleteAnswers(t *testing.T) {
	a, b := image.DigestOf([]byte("a")), image.DigestOf([]byte("b"))
	id := func(d image.Digest) *types.ImageIdentifier {
		return &types.ImageIdentifier{ImageDigest: aws.String(d.String())}
	}
	failure := func(code types.ImageFailureCode, reason string) types.ImageFailure {
		return types.ImageFailure{ImageId: id(b), FailureCode: code, FailureReason: &reason}
	}
	for name, test := range map[string]struct {
		out  ecr.BatchDeleteImageOutput
		want error // of b; a is always deleted
	}{
		"deleted":                {ecr.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{*id(b)}}, nil},
		"not mentioned":          {ecr.BatchDeleteImageOutput{}, &UnknownOutcomeError{b}},
		"failure without an id":  {ecr.BatchDeleteImageOutput{Failures: []types.ImageFailure{{FailureCode: types.ImageFailureCodeKmsError}}}, &UnknownOutcomeError{b}},
		"id without a digest":    {ecr.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("b")}}}, &UnknownOutcomeError{b}},
		"in both lists":          {ecr.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{*id(b)}, Failures: []types.ImageFailure{failure("KmsError", "no key")}}, &ImageError{b, "KmsError", "no key"}},
		"a code of the future":   {ecr.BatchDeleteImageOutput{Failures: []types.ImageFailure{failure("ImageIsPrecious", "")}}, &ImageError{b, "ImageIsPrecious", ""}},
		"not found":              {ecr.BatchDeleteImageOutput{Failures: []types.ImageFailure{failure("ImageNotFound", "")}}, nil},
		"referenced":             {ecr.BatchDeleteImageOutput{Failures: []types.ImageFailure{failure("ImageReferencedByManifestList", "Requested image referenced by manifest list: ["+a.String()+", "+b.String()+"]")}}, &registry.ReferencedError{Digest: b, Parents: []image.Digest{a}}},
		"referenced, no parents": {ecr.BatchDeleteImageOutput{Failures: []types.ImageFailure{failure("ImageReferencedByManifestList", "by sha256:12")}}, &registry.ReferencedError{Digest: b}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).writer(t, Config{})
			w.writes.batchDeleteImage = func(_ context.Context, in *ecr.BatchDeleteImageInput, _ ...func(*ecr.Options)) (*ecr.BatchDeleteImageOutput, error) {
				out := test.out
				out.ImageIds = append(out.ImageIds, *id(a))
				return &out, nil
			}
			got, err := w.Delete(t.Context(), "apps/web", []image.Digest{a, b})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]error{nil, test.want}, got); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
			if got[1] != nil && !strings.Contains(got[1].Error(), b.String()) {
				t.Errorf("%q does not name the image", got[1])
			}
		})
	}
}

// TestDeleteByDigestOnly checks that a tag that moved meanwhile is not followed.
func TestDeleteByDigestOnly(t *testing.T) {
	w := newWorld(t)
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	old := push(repo, plain("old"), "latest", "v1")
	push(repo, plain("new"), "latest")
	got, err := w.writer(t, Config{}).Delete(t.Context(), "apps/web", []image.Digest{digestOf(t, old)})
	if err != nil || got[0] != nil {
		t.Fatalf("delete: %v, %v", got, err)
	}
	if img, ok := repo.Image("latest"); !ok || len(repo.Images()) != 1 || img.Digest == old {
		t.Errorf("left: %v", repo.Images())
	}
	for _, body := range w.bodies("ecr:BatchDeleteImage") {
		if strings.Contains(body, "imageTag") || !strings.Contains(body, `"registryId":"`+ownAccount+`"`) {
			t.Errorf("request %s", body)
		}
	}
}

func TestWriteErrors(t *testing.T) {
	w := newWorld(t)
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	digest := digestOf(t, push(repo, plain("a"), "v1"))
	writer := w.writer(t, Config{})
	if got, err := writer.Delete(t.Context(), "apps/other", []image.Digest{digest}); got != nil || !isGone(err) {
		t.Errorf("delete in no repository: %v, %v", got, err)
	}
	if err := writer.Archive(t.Context(), "apps/other", digest); !isGone(err) {
		t.Errorf("archive in no repository: %v", err)
	}
	tooMany := make([]image.Digest, maxBatch+1)
	for i := range tooMany {
		tooMany[i] = image.DigestOf([]byte{byte(i)})
	}
	if got, err := writer.Delete(t.Context(), "apps/web", tooMany); got != nil || err == nil {
		t.Errorf("delete too many: %v, %v; want an error", got, err)
	}
	w.Deny(w.Account(ownAccount).AccessKeyID(), "ecr:*", repo.ARN())
	var denied *awsapi.DeniedError
	if got, err := writer.Delete(t.Context(), "apps/web", []image.Digest{digest}); got != nil || !errors.As(err, &denied) || denied.Action != "ecr:BatchDeleteImage" {
		t.Errorf("delete: %v, %v; want a DeniedError", got, err)
	}
	if err := writer.Archive(t.Context(), "apps/web", digest); !errors.As(err, &denied) || denied.Action != "ecr:UpdateImageStorageClass" {
		t.Errorf("archive: %v; want a DeniedError", err)
	}
	if len(repo.Images()) != 1 {
		t.Error("the image is gone")
	}
}

// TestArchiveWithoutAnAnswer has a registry that answers with an empty object:
// that is no success unless the image is in the archive.
func TestArchiveWithoutAnAnswer(t *testing.T) {
	w := newWorld(t)
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	active, archived := push(repo, plain("active")), push(repo, plain("archived"))
	repo.Archive(archived, start)
	w.SetFaults(embedded.FaultOn("ecr", "UpdateImageStorageClass", embedded.Fault{Kind: embedded.FaultEmptyObject}))
	writer := w.writer(t, Config{})
	if err := writer.Archive(t.Context(), "apps/web", digestOf(t, archived)); err != nil {
		t.Errorf("archived already: %v", err)
	}
	var unknown *UnknownOutcomeError
	if err := writer.Archive(t.Context(), "apps/web", digestOf(t, active)); !errors.As(err, &unknown) || unknown.Digest != digestOf(t, active) {
		t.Errorf("active: %v, want an UnknownOutcomeError", err)
	}
}

// TestArchiveRefused has a registry that refuses to archive: it is an error
// unless the image is in the archive.
func TestArchiveRefused(t *testing.T) {
	w := newWorld(t)
	repo := w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	active, archived := push(repo, plain("active")), push(repo, plain("archived"))
	repo.Archive(archived, start)
	w.SetFaults(embedded.FaultOn("ecr", "UpdateImageStorageClass", embedded.Fault{
		Kind: embedded.FaultError, Code: "ImageStorageClassUpdateNotSupportedException",
	}))
	writer := w.writer(t, Config{})
	if err := writer.Archive(t.Context(), "apps/web", digestOf(t, archived)); err != nil {
		t.Errorf("archived already: %v", err)
	}
	var refused *types.ImageStorageClassUpdateNotSupportedException
	if err := writer.Archive(t.Context(), "apps/web", digestOf(t, active)); !errors.As(err, &refused) {
		t.Errorf("active: %v, want the refusal", err)
	}
}

// TestStorageClassOfTheAnswer: an answer that says that the image is still what it
// was does not make it archived.
func TestStorageClassOfTheAnswer(t *testing.T) {
	for _, tt := range []struct {
		says types.ImageStatus
		done bool
	}{
		{types.ImageStatusArchived, true},
		{types.ImageStatusActive, false},
		{"ARCHIVING", false},
		{"", false},
	} {
		t.Run(string(tt.says), func(t *testing.T) {
			w := newWorld(t)
			digest := image.DigestOf(plain("a").Bytes())
			push(w.own().MustCreateRepository("apps/web", embedded.RepositoryOptions{}), plain("a"), "v1")
			writer := w.writer(t, Config{Account: ownAccount})
			writer.writes.updateImageStorageClass = func(context.Context, *ecr.UpdateImageStorageClassInput, ...func(*ecr.Options)) (*ecr.UpdateImageStorageClassOutput, error) {
				return &ecr.UpdateImageStorageClassOutput{ImageStatus: tt.says}, nil
			}
			err := writer.Archive(t.Context(), "apps/web", digest)
			var unknown *UnknownOutcomeError
			if errors.As(err, &unknown) == tt.done || (err == nil) != tt.done {
				t.Errorf("error %v, want none: %t", err, tt.done)
			}
		})
	}
}
