package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// newestDefinitions names the newest ACTIVE task definitions of each family,
// which RunTask and schedules can start at any time.
//
// One list of all of them takes a call for each hundred; asking family by
// family would take at least one for each family.
func (r *reader) newestDefinitions(ctx context.Context) {
	newest := map[string][]definition{} // by family, newest first
	pages := awsapi.Stream(ctx, func(ctx context.Context, token *string) ([]string, *string, error) {
		return r.listDefinitions(ctx, &ecs.ListTaskDefinitionsInput{
			Status: types.TaskDefinitionStatusActive, Sort: types.SortOrderDesc, NextToken: token,
		})
	})
	for arns, err := range pages {
		if err != nil {
			r.record.Fail("list task definitions", "", err)
			break
		}
		for _, arn := range arns {
			d, err := parseDefinition(arn)
			if err != nil {
				r.record.Fail("list task definitions", "", err)
				continue
			}
			newest[d.family] = insert(newest[d.family], d, r.keep)
		}
	}
	for _, definitions := range newest {
		for _, d := range definitions {
			r.name(definitionHolder(d.arn), d.arn, image.Declared)
		}
	}
}

// listDefinitions reads one page.
func (r *reader) listDefinitions(ctx context.Context, in *ecs.ListTaskDefinitionsInput) ([]string, *string, error) {
	in.MaxResults = new(int32(pageSize))
	out, err := r.calls.listTaskDefinitions(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	return out.TaskDefinitionArns, out.NextToken, nil
}

// definition is the ARN of a task definition, and what it says.
type definition struct {
	arn, family string
	revision    int
}

// parseDefinition reads "arn:…:task-definition/family:revision".
func parseDefinition(arn string) (definition, error) {
	_, name, ok := strings.Cut(arn, ":task-definition/")
	family, number, hasRevision := strings.Cut(name, ":")
	revision, err := strconv.Atoi(number)
	if !ok || !hasRevision || family == "" || err != nil {
		return definition{}, fmt.Errorf("%q is not the ARN of a task definition", arn)
	}
	return definition{arn, family, revision}, nil
}

// insert adds a definition to a list of the n newest, which is sorted. Neither
// the order in which AWS lists them is relied on, nor that it lists each once: a
// list that changes while it is read can have one on two pages.
func insert(newest []definition, d definition, n int) []definition {
	at, there := slices.BinarySearchFunc(newest, d, func(a, b definition) int { return cmp.Compare(b.revision, a.revision) })
	if there || at == n {
		return newest
	}
	newest = slices.Insert(newest, at, d)
	return newest[:min(n, len(newest))]
}

// resolveDefinitions records the images of every task definition that is named.
// What an ARN of a task definition holds never changes, so that it is read once
// in its life and kept in the cache.
func (r *reader) resolveDefinitions(ctx context.Context) {
	holders := map[string][]naming{}
	for key := range r.named {
		holders[key.definition] = append(holders[key.definition], key)
	}
	var unknown []string
	for arn, keys := range holders {
		images, known := r.definitions.Get(arn)
		if !known {
			unknown = append(unknown, arn)
			continue
		}
		r.seeDefinition(keys, images)
	}
	slices.Sort(unknown)
	awsusage.ForEach(ctx, unknown, func(ctx context.Context, arn string) {
		images, err := r.describeDefinition(ctx, arn)
		if err != nil {
			if !r.definitionGone(ctx, arn, holders[arn], err) {
				r.record.Fail("describe task definition", awsusage.LastPart(arn), err)
			}
			return
		}
		r.definitions.Put(arn, images)
		r.seeDefinition(holders[arn], images)
	})
}

// seeDefinition records the images of a task definition for each holder.
func (r *reader) seeDefinition(holders []naming, images []string) {
	for _, key := range holders {
		digest := ""
		if r.unpinned[key.holder] {
			digest = unknownDigest
		}
		for _, reference := range images {
			r.pin(key.holder, r.named[key], reference, digest)
		}
	}
}

// describeDefinition returns the images of a task definition, whatever its
// status.
func (r *reader) describeDefinition(ctx context.Context, arn string) ([]string, error) {
	out, err := r.calls.describeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn})
	if err != nil {
		return nil, err
	}
	found := out.TaskDefinition
	if found == nil || aws.ToString(found.TaskDefinitionArn) != arn {
		return nil, errors.New("the answer is of no or of another task definition")
	}
	var images []string
	for _, container := range found.ContainerDefinitions {
		if reference := aws.ToString(container.Image); reference != "" {
			images = append(images, reference)
		}
	}
	if len(images) == 0 {
		return nil, errors.New("the answer names no image")
	}
	slices.Sort(images)
	return slices.Compact(images), nil
}

// definitionGone reports whether a task definition that could not be described
// exists no more. Revisions of finished deployments and stopped tasks outlive
// it: a deregistered one need only be kept while a service or a task that runs
// refers to it (API reference, DescribeTaskDefinition). AWS answers with a
// ClientException, which may mean other things too, so that the lists of every
// status have to prove it.
func (r *reader) definitionGone(ctx context.Context, arn string, holders []naming, err error) bool {
	var client *types.ClientException
	if !errors.As(err, &client) {
		return false
	}
	for _, key := range holders {
		if r.named[key] != image.Rollback {
			return false
		}
	}
	d, err := parseDefinition(arn)
	if err != nil {
		return false
	}
	for _, status := range []types.TaskDefinitionStatus{
		types.TaskDefinitionStatusActive, types.TaskDefinitionStatusInactive, types.TaskDefinitionStatusDeleteInProgress,
	} {
		all, err := awsapi.Pages(ctx, func(ctx context.Context, token *string) ([]string, *string, error) {
			return r.listDefinitions(ctx, &ecs.ListTaskDefinitionsInput{FamilyPrefix: &d.family, Status: status, NextToken: token})
		})
		if err != nil || slices.Contains(all, arn) {
			return false
		}
	}
	r.record.Note("the deleted task definition %s:%d is named by nothing that can start it", d.family, d.revision)
	return true
}
