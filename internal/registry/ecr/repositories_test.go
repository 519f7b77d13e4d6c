package ecr

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/google/go-cmp/cmp"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/image"
)

func all(string) bool { return true }

// repositories lists repositories, which must succeed.
func repositories(t *testing.T, r *Reader, want func(string) bool, withTags bool) []image.Repository {
	t.Helper()
	list, err := r.Repositories(t.Context(), want, withTags)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// makeRepositories makes n repositories in a region, every third without tags.
func makeRepositories(t *testing.T, r *embedded.Region, n int) (tags map[string]map[string]string) {
	t.Helper()
	tags = map[string]map[string]string{}
	for i := range n {
		name := fmt.Sprintf("apps/%04d", i)
		tags[name] = map[string]string{}
		if i%3 != 0 {
			tags[name]["number"] = fmt.Sprint(i)
		}
		if _, err := r.CreateRepository(name, embedded.RepositoryOptions{Tags: tags[name]}); err != nil {
			t.Fatal(err)
		}
	}
	return tags
}

// tagsOf returns the tags of the repositories, which must be known.
func tagsOf(t *testing.T, list []image.Repository) map[string]map[string]string {
	t.Helper()
	got := map[string]map[string]string{}
	for _, r := range list {
		if r.TagsError != nil {
			t.Errorf("tags of %s: %v", r.Name, r.TagsError)
		}
		got[r.Name] = r.Tags
	}
	return got
}

// calls compares how often each action was called.
func (w *world) calls(t *testing.T, want map[string]int) {
	t.Helper()
	got := w.Stats().Calls
	delete(got, "sts:GetCallerIdentity")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestRepositoriesPages(t *testing.T) {
	w := newWorld(t)
	makeRepositories(t, w.own(), 2001)
	r := w.reader(t, Config{}, "")
	list := repositories(t, r, all, false)
	if len(list) != 2001 || list[0].Name != "apps/0000" || list[2000].Name != "apps/2000" {
		t.Errorf("%d repositories", len(list))
	}
	if list[0].CreatedAt != image.At(start) || list[0].Registry != "prod" {
		t.Errorf("repository %+v", list[0])
	}
	w.calls(t, map[string]int{"ecr:DescribeRepositories": 3})
}

func TestTagsInBulk(t *testing.T) {
	w := newWorld(t)
	want := makeRepositories(t, w.own(), 300)
	got := tagsOf(t, repositories(t, w.reader(t, Config{}, ""), all, true))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	// 200 were ever tagged, on two pages; the other 100 are asked for one by one.
	w.calls(t, map[string]int{"ecr:DescribeRepositories": 1, "tag:GetResources": 2, "ecr:ListTagsForResource": 100})
}

func TestTagsOfFewRepositories(t *testing.T) {
	w := newWorld(t)
	want := makeRepositories(t, w.own(), 300)
	got := tagsOf(t, repositories(t, w.reader(t, Config{}, ""), func(n string) bool { return n == "apps/0001" }, true))
	if diff := cmp.Diff(map[string]map[string]string{"apps/0001": want["apps/0001"]}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	w.calls(t, map[string]int{"ecr:DescribeRepositories": 1, "ecr:ListTagsForResource": 1})
	w.ResetStats()
	if list := repositories(t, w.reader(t, Config{}, ""), func(string) bool { return false }, true); list == nil || len(list) > 0 {
		t.Errorf("no repository is wanted, and the list is %v", list)
	}
	w.calls(t, map[string]int{"ecr:DescribeRepositories": 1})
}

func TestTagsWhereBulkIsDenied(t *testing.T) {
	w := newWorld(t)
	want := makeRepositories(t, w.own(), 30)
	w.Deny(w.Account(ownAccount).AccessKeyID(), "tag:GetResources", "")
	got := tagsOf(t, repositories(t, w.reader(t, Config{}, ""), all, true))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	w.calls(t, map[string]int{"ecr:DescribeRepositories": 1, "tag:GetResources": 1, "ecr:ListTagsForResource": 30})
}

// TestTagsWhereBulkBreaksOff has a second page that cannot be read, and one of
// the answers to single repositories denied.
func TestTagsWhereBulkBreaksOff(t *testing.T) {
	w := newWorld(t)
	want := makeRepositories(t, w.own(), 180) // 120 with tags
	key := w.Account(ownAccount).AccessKeyID()
	denied, _ := w.own().Repository("apps/0179")
	w.Deny(key, "ecr:ListTagsForResource", denied.ARN())
	first := true
	w.SetFaults(func(_ int, _, op string) embedded.Fault {
		if op != "GetResources" {
			return embedded.Fault{}
		}
		if first {
			first = false
			return embedded.Fault{}
		}
		return embedded.Fault{Kind: embedded.FaultError, Code: "InvalidParameterException"}
	})
	list := repositories(t, w.reader(t, Config{}, ""), all, true)
	for _, r := range list {
		if r.Name == "apps/0179" {
			var deniedErr *awsapi.DeniedError
			if r.Tags != nil || !errors.As(r.TagsError, &deniedErr) || deniedErr.Action != "ecr:ListTagsForResource" {
				t.Errorf("denied: tags %v, error %v; want none, and a DeniedError", r.Tags, r.TagsError)
			}
			continue
		}
		if diff := cmp.Diff(want[r.Name], r.Tags); diff != "" || r.TagsError != nil {
			t.Errorf("tags of %s: %v (-want +got):\n%s", r.Name, r.TagsError, diff)
		}
	}
	// 60 were never tagged, and 20 would have been on the second page.
	w.calls(t, map[string]int{"ecr:DescribeRepositories": 1, "tag:GetResources": 2, "ecr:ListTagsForResource": 80})
}

func TestTagsWhereAllIsDenied(t *testing.T) {
	w := newWorld(t)
	makeRepositories(t, w.own(), 10)
	key := w.Account(ownAccount).AccessKeyID()
	w.Deny(key, "tag:GetResources", "")
	w.Deny(key, "ecr:ListTagsForResource", "")
	list := repositories(t, w.reader(t, Config{}, ""), all, true)
	if len(list) != 10 {
		t.Errorf("%d repositories, want 10", len(list))
	}
	for _, r := range list {
		var denied *awsapi.DeniedError
		if r.Tags != nil || !errors.As(r.TagsError, &denied) || denied.Action != "ecr:ListTagsForResource" {
			t.Errorf("%s: tags %v, error %v; want none, and a DeniedError", r.Name, r.Tags, r.TagsError)
		}
	}
}

// TestTagsWithoutAList has an answer that is no list of tags: it is not one of
// no tags.
func TestTagsWithoutAList(t *testing.T) {
	w := newWorld(t)
	makeRepositories(t, w.own(), 1)
	r := w.reader(t, Config{}, "")
	r.calls.listTagsForResource = func(context.Context, *ecr.ListTagsForResourceInput, ...func(*ecr.Options)) (*ecr.ListTagsForResourceOutput, error) {
		return &ecr.ListTagsForResourceOutput{}, nil
	}
	if list := repositories(t, r, all, true); list[0].Tags != nil || list[0].TagsError == nil {
		t.Errorf("tags %v, error %v; want none, and an error", list[0].Tags, list[0].TagsError)
	}
}

// TestAnotherAccountByPolicy reads a registry that trusts the caller. The
// tagging API would answer for the caller's own account.
func TestAnotherAccountByPolicy(t *testing.T) {
	w := newWorld(t)
	makeRepositories(t, w.own(), 5)
	other := w.Account(otherAccount)
	other.Trust(ownAccount)
	want := makeRepositories(t, other.Region(region), 7)
	other.Region(region).Repositories()[0].SetTags(map[string]string{"whose": "other"})
	want["apps/0000"]["whose"] = "other"
	child := plain("child")
	repo := other.Region(region).MustCreateRepository("shop", embedded.RepositoryOptions{Tags: map[string]string{"a": "b"}})
	want["shop"] = map[string]string{"a": "b"}
	push(repo, child)
	push(repo, indexOf("0", child), "v1")

	c := Config{Account: otherAccount}
	r := w.reader(t, c, "")
	if id := r.Identity(); id.Account != otherAccount || id.Host != otherAccount+".dkr.ecr.eu-west-1.amazonaws.com" {
		t.Errorf("identity %+v", id)
	}
	if diff := cmp.Diff(want, tagsOf(t, repositories(t, r, all, true))); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	w.calls(t, map[string]int{"ecr:DescribeRepositories": 1, "ecr:ListTagsForResource": 8})
	if got := read(t, r, "shop", false); len(got.Images) != 2 || len(got.Unreadable) > 0 {
		t.Errorf("contents %+v", got)
	}
	deleted, err := w.writer(t, c).Delete(t.Context(), "shop", []image.Digest{digestOf(t, indexOf("0", child).Descriptor().Digest)})
	if err != nil || deleted[0] != nil || len(repo.Images()) != 1 {
		t.Errorf("delete: %v, %v; %d images are left, want 1", deleted, err, len(repo.Images()))
	}
}

func TestAnotherAccountWithoutTrust(t *testing.T) {
	w := newWorld(t)
	other := w.Account(otherAccount).Region(region)
	push(other.MustCreateRepository("shop", embedded.RepositoryOptions{}), plain("a"))
	r := w.reader(t, Config{Account: otherAccount}, "")
	var denied *awsapi.DeniedError
	if list, err := r.Repositories(t.Context(), all, true); list != nil || !errors.As(err, &denied) {
		t.Errorf("list: %v, %v; want a DeniedError", list, err)
	}
	if c, err := r.Read(t.Context(), image.Repository{Name: "shop"}, false); c != nil || !errors.As(err, &denied) {
		t.Errorf("read: %v, %v; want a DeniedError", c, err)
	}
}

func TestAnotherAccountByRole(t *testing.T) {
	w := newWorld(t)
	want := makeRepositories(t, w.Account(otherAccount).Region(region), 6)
	r := w.reader(t, Config{AssumeRole: "arn:aws:iam::" + otherAccount + ":role/regsweep"}, "")
	if id := r.Identity(); id.Account != otherAccount {
		t.Errorf("identity %+v", id)
	}
	if diff := cmp.Diff(want, tagsOf(t, repositories(t, r, all, true))); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if n := w.count("tag:GetResources"); n != 1 {
		t.Errorf("GetResources was called %d times, want 1", n)
	}
}

func TestOpen(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		config Config
		host   string // "" where it cannot be opened
	}{
		"the caller's":       {Config{}, "111122223333.dkr.ecr.eu-west-1.amazonaws.com"},
		"other region":       {Config{Region: "ap-southeast-2"}, "111122223333.dkr.ecr.ap-southeast-2.amazonaws.com"},
		"other account":      {Config{Account: otherAccount}, "444455556666.dkr.ecr.eu-west-1.amazonaws.com"},
		"China":              {Config{Region: "cn-north-1"}, "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn"},
		"GovCloud":           {Config{Region: "us-gov-west-1"}, "111122223333.dkr.ecr.us-gov-west-1.amazonaws.com"},
		"sovereign":          {Config{Region: "eusc-de-east-1"}, "111122223333.dkr.ecr.eusc-de-east-1.amazonaws.eu"},
		"ISO":                {Config{Region: "us-iso-east-1"}, "111122223333.dkr.ecr.us-iso-east-1.c2s.ic.gov"},
		"ISOB":               {Config{Region: "us-isob-east-1"}, "111122223333.dkr.ecr.us-isob-east-1.sc2s.sgov.gov"},
		"ISOE":               {Config{Region: "eu-isoe-west-1"}, "111122223333.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk"},
		"ISOF":               {Config{Region: "us-isof-south-1"}, "111122223333.dkr.ecr.us-isof-south-1.csp.hci.ic.gov"},
		"account too short":  {Config{Account: "1111"}, ""},
		"account not digits": {Config{Account: "11112222333x"}, ""},
		"no region":          {Config{Region: "Europe"}, ""},
	} {
		r, err := test.config.OpenReader(t.Context(), "prod", w.env(t, ""))
		writer, writeErr := test.config.OpenWriter(t.Context(), "prod", w.env(t, ""))
		if test.host == "" {
			if err == nil || writeErr == nil {
				t.Errorf("%s: no error", name)
			}
			continue
		}
		if err != nil || writeErr != nil {
			t.Errorf("%s: %v, %v", name, err, writeErr)
			continue
		}
		if r.Identity().Host != test.host || writer.id.Host != test.host {
			t.Errorf("%s: host %s, want %s", name, r.Identity().Host, test.host)
		}
	}
	if r := w.reader(t, Config{Hosts: []string{"Images.Example.com:5000"}}, ""); r.Identity().Aliases[0] != "images.example.com:5000" {
		t.Errorf("aliases %q", r.Identity().Aliases)
	}
}

// TestActions compares the actions with those that the calls of a reader and a
// writer need.
func TestActions(t *testing.T) {
	role := "arn:aws:iam::" + otherAccount + ":role/regsweep"
	for name, test := range map[string]struct {
		config Config
		write  bool
		want   []string
	}{
		"read": {Config{}, false, []string{
			"ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:ListTagsForResource", "tag:GetResources",
		}},
		"write": {Config{}, true, []string{
			"ecr:BatchDeleteImage", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories",
			"ecr:ListTagsForResource", "ecr:PutImage", "ecr:UpdateImageStorageClass", "tag:GetResources",
		}},
		"read with a role": {Config{AssumeRole: role}, false, []string{
			"ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:ListTagsForResource",
			"sts:AssumeRole", "tag:GetResources",
		}},
	} {
		if diff := cmp.Diff(test.want, Actions(test.config, test.write)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// What is called is listed, but for what needs no permission.
	w := newWorld(t)
	makeRepositories(t, w.Account(otherAccount).Region(region), 3)
	repo := w.Account(otherAccount).Region(region).MustCreateRepository("shop", embedded.RepositoryOptions{})
	push(repo, plain("a"))
	digest := push(repo, indexOf("0", plain("a")))
	c := Config{AssumeRole: role}
	r, writer := w.reader(t, c, ""), w.writer(t, c)
	repositories(t, r, all, true)
	read(t, r, "shop", true)
	if err := writer.Tag(t.Context(), "shop", digestOf(t, digest), "in-use-1"); err != nil {
		t.Fatal(err)
	}
	if err := writer.Archive(t.Context(), "shop", digestOf(t, digest)); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Delete(t.Context(), "shop", []image.Digest{digestOf(t, digest)}); err != nil {
		t.Fatal(err)
	}
	called := w.Stats().Calls
	delete(called, "sts:GetCallerIdentity")
	for _, action := range Actions(c, true) {
		if called[action] == 0 {
			t.Errorf("%s is listed and was not called", action)
		}
		delete(called, action)
	}
	if len(called) > 0 {
		t.Errorf("called and not listed: %v", called)
	}
}

// TestRepositoriesTwice has a repository on two pages, as a list that changes
// can have.
func TestRepositoriesTwice(t *testing.T) {
	w := newWorld(t)
	makeRepositories(t, w.own(), 3)
	r := w.reader(t, Config{}, "")
	real, calls := r.calls.describeRepositories, 0
	r.calls.describeRepositories = func(ctx context.Context, in *ecr.DescribeRepositoriesInput, o ...func(*ecr.Options)) (*ecr.DescribeRepositoriesOutput, error) {
		in.NextToken = nil
		out, err := real(ctx, in, o...)
		if calls++; err == nil && calls == 1 {
			out.NextToken = aws.String("more")
		}
		return out, err
	}
	if list := repositories(t, r, all, false); len(list) != 3 || calls != 2 {
		t.Errorf("%d repositories by %d calls, want 3 by 2", len(list), calls)
	}
}
