package embedded_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/regsweep/regsweep/internal/embedded"
)

// sts returns a client that signs with the access key.
func (w *world) sts(accessKeyID string) *sts.Client {
	return sts.New(sts.Options{
		Region: west, BaseEndpoint: aws.String("http://aws.example.com"), HTTPClient: w.Client(), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, "secret", ""),
	})
}

// describe is a call that the tests of access make.
func describe(t *testing.T, client *ecr.Client, registryID, repository string) error {
	t.Helper()
	in := &ecr.DescribeImagesInput{RepositoryName: &repository}
	if registryID != "" {
		in.RegistryId = &registryID
	}
	_, err := client.DescribeImages(t.Context(), in)
	return err
}

func TestCallerIdentity(t *testing.T) {
	w := newWorld(embedded.Options{})
	w.AddKey(embedded.Principal{AccessKeyID: "AKIABUILD", Account: other, ARN: "arn:aws:iam::" + other + ":user/build", UserID: "AIDABUILD"})
	for key, want := range map[string][2]string{
		w.Account(home).AccessKeyID():  {home, "arn:aws:iam::111122223333:user/admin"},
		w.Account(other).AccessKeyID(): {other, "arn:aws:iam::444455556666:user/admin"},
		"AKIABUILD":                    {other, "arn:aws:iam::444455556666:user/build"},
		"AKIAUNKNOWN":                  {home, "arn:aws:iam::111122223333:user/admin"},
	} {
		out, err := w.sts(key).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{*out.Account, *out.Arn}; got != want {
			t.Errorf("key %s is %v, want %v", key, got, want)
		}
	}
}

func TestAssumeRole(t *testing.T) {
	w := newWorld(embedded.Options{})
	w.Account(other).Region(west).MustCreateRepository("apps/theirs", embedded.RepositoryOptions{})
	admin := w.sts(w.Account(home).AccessKeyID())
	role := "arn:aws:iam::" + other + ":role/sweeper"
	out, err := admin.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("night"), DurationSeconds: aws.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	if got := *out.Credentials.Expiration; !got.Equal(start.Add(15 * time.Minute)) {
		t.Errorf("expires at %v, want in 15 minutes", got)
	}
	key := *out.Credentials.AccessKeyId
	who, err := w.sts(key).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:sts::444455556666:assumed-role/sweeper/night"; *who.Arn != want || *who.Account != other {
		t.Errorf("the session is %s of %s, want %s", *who.Arn, *who.Account, want)
	}
	wantCode(t, describe(t, w.ecr(key), "", "apps/theirs"), "")
	wantCode(t, describe(t, w.client(), "", "apps/theirs"), "RepositoryNotFoundException")

	w.clock.Advance(15*time.Minute - time.Second)
	wantCode(t, describe(t, w.ecr(key), "", "apps/theirs"), "")
	w.clock.Advance(time.Second)
	wantCode(t, describe(t, w.ecr(key), "", "apps/theirs"), "ExpiredTokenException")
	_, err = w.sts(key).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, "ExpiredToken")

	for _, test := range []struct {
		in   sts.AssumeRoleInput
		code string
	}{
		{sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::999988887777:role/x"), RoleSessionName: aws.String("night")}, "AccessDenied"},
		{sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:user/x"), RoleSessionName: aws.String("night")}, "ValidationError"},
		{sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("no spaces")}, "ValidationError"},
		{sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("night"), DurationSeconds: aws.Int32(899)}, "ValidationError"},
	} {
		_, err := admin.AssumeRole(t.Context(), &test.in)
		wantCode(t, err, test.code)
	}

	// Who is a role already gets an hour at most.
	out, err = admin.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("night")})
	wantCode(t, err, "")
	for seconds, code := range map[int32]string{3600: "", 3601: "ValidationError"} {
		in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("chain"), DurationSeconds: &seconds}
		_, err := w.sts(*out.Credentials.AccessKeyId).AssumeRole(t.Context(), in)
		wantCode(t, err, code)
		_, err = admin.AssumeRole(t.Context(), in)
		wantCode(t, err, "")
	}
}

func TestExpiredKey(t *testing.T) {
	w := newWorld(embedded.Options{})
	w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	wantCode(t, describe(t, w.ecr("AKIAOLD"), "", "apps/web"), "")
	w.ExpireKey("AKIAOLD")
	wantCode(t, describe(t, w.ecr("AKIAOLD"), "", "apps/web"), "ExpiredTokenException")
	wantCode(t, describe(t, w.client(), "", "apps/web"), "")
}

func TestOtherRegistry(t *testing.T) {
	w := newWorld(embedded.Options{})
	theirs := w.Account(other).Region(west).MustCreateRepository("apps/theirs", embedded.RepositoryOptions{})
	push(theirs, image("a"), "v1")
	err := describe(t, w.client(), other, "apps/theirs")
	wantCode(t, err, "AccessDeniedException")
	const want = "User: arn:aws:iam::111122223333:user/admin is not authorized to perform: ecr:DescribeImages on resource: " +
		"arn:aws:ecr:eu-west-1:444455556666:repository/apps/theirs because no resource-based policy allows the ecr:DescribeImages action"
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q, want it to say %q", err, want)
	}
	wantCode(t, describe(t, w.client(), other, "apps/none"), "AccessDeniedException")
	_, err = w.client().DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RegistryId: aws.String(other)})
	wantCode(t, err, "AccessDeniedException")
	_, err = w.client().DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RegistryId: aws.String("999988887777")})
	wantCode(t, err, "AccessDeniedException")

	w.Account(other).Trust(home)
	wantCode(t, describe(t, w.client(), other, "apps/theirs"), "")
	wantCode(t, describe(t, w.client(), other, "apps/none"), "RepositoryNotFoundException")
	wantCode(t, describe(t, w.client(), home, "apps/theirs"), "RepositoryNotFoundException")
	out, err := w.client().DescribeImages(t.Context(), &ecr.DescribeImagesInput{RegistryId: aws.String(other), RepositoryName: aws.String("apps/theirs")})
	wantCode(t, err, "")
	if got := aws.ToString(out.ImageDetails[0].RegistryId); got != other {
		t.Errorf("registry %s, want %s", got, other)
	}
}

func TestDeny(t *testing.T) {
	w := newWorld(embedded.Options{})
	web := w.region.MustCreateRepository("apps/web", embedded.RepositoryOptions{})
	push(web, image("a"), "v1")
	w.region.MustCreateRepository("base/os", embedded.RepositoryOptions{})
	w.Deny(w.Account(home).AccessKeyID(), "ecr:DescribeImages", w.region.Account.Region(west).Repositories()[1].ARN())
	w.Deny("AKIABUILD", "ecr:*", "")
	w.Deny("arn:aws:iam::111122223333:user/admin", "ecr:BatchGetImage", "*repository/apps/*")

	wantCode(t, describe(t, w.client(), "", "apps/web"), "")
	err := describe(t, w.client(), "", "base/os")
	wantCode(t, err, "AccessDeniedException")
	const want = "User: arn:aws:iam::111122223333:user/admin is not authorized to perform: ecr:DescribeImages on resource: arn:aws:ecr:eu-west-1:111122223333:repository/base/os"
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q, want it to say %q", err, want)
	}
	wantCode(t, describe(t, w.ecr("AKIABUILD"), "", "apps/web"), "AccessDeniedException")
	_, err = w.sts("AKIABUILD").GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, "")
	// Listing referrers needs the permission to read images.
	_, err = w.client().ListImageReferrers(t.Context(), &ecr.ListImageReferrersInput{
		RepositoryName: aws.String("apps/web"), SubjectId: &types.SubjectIdentifier{ImageDigest: aws.String(image("a").Descriptor().Digest)},
	})
	wantCode(t, err, "AccessDeniedException")
	w.AllowAll()
	wantCode(t, describe(t, w.ecr("AKIABUILD"), "", "base/os"), "")
}
