package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/usage"
	"github.com/regsweep/regsweep/internal/usage/awsusage"
)

// pageSize is the most that one page of ListFunctions holds (API reference).
const pageSize = 50

// reader is one reading of a region.
type reader struct {
	calls  calls
	newest int // published versions of each function; -1 is all
	record awsusage.Record
	images *awsusage.Facts // published version → image URI and resolved image URI
}

// function is a function that runs images, with its versions.
type function struct {
	name     string
	versions []version
	// aliases are the aliases that route to a version, by version.
	aliases map[string][]string
}

// version is one version of a function.
type version struct {
	function *function
	// name is the version's number, or "$LATEST" (or another name of what is
	// not published by number).
	name string
	// number is 0 where the name is no number.
	number int
	arn    string
	sum    string // CodeSha256
}

// read reads everything.
func (r *reader) read(ctx context.Context) {
	functions := r.listFunctions(ctx)
	awsusage.ForEach(ctx, functions, r.readAliases)
	var chosen []version
	for _, f := range functions {
		chosen = append(chosen, f.choose(r.newest)...)
	}
	awsusage.ForEach(ctx, chosen, r.readVersion)
}

// listFunctions returns the functions that run images, by name.
func (r *reader) listFunctions(ctx context.Context) []*function {
	byName := map[string]*function{}
	archives := map[string]bool{}
	pages := awsapi.Stream(ctx, func(ctx context.Context, token *string) ([]types.FunctionConfiguration, *string, error) {
		out, err := r.calls.listFunctions(ctx, &lambda.ListFunctionsInput{
			FunctionVersion: types.FunctionVersionAll, Marker: token, MaxItems: new(int32(pageSize)),
		})
		if err != nil {
			return nil, nil, err
		}
		return out.Functions, out.NextMarker, nil
	})
	for page, err := range pages {
		if err != nil {
			r.record.Fail("list functions", "", err)
			break
		}
		for _, c := range page {
			name, number := aws.ToString(c.FunctionName), aws.ToString(c.Version)
			if name == "" || number == "" {
				r.record.Fail("list functions", "", errors.New("the answer has a function without a name or a version"))
				continue
			}
			if c.PackageType == types.PackageTypeZip {
				archives[name] = true
				continue
			}
			f := byName[name]
			if f == nil {
				f = &function{name: name, aliases: map[string][]string{}}
				byName[name] = f
			}
			v := version{function: f, name: number, arn: aws.ToString(c.FunctionArn), sum: aws.ToString(c.CodeSha256)}
			if n, err := strconv.Atoi(number); err == nil {
				v.number = n
			}
			f.versions = append(f.versions, v)
		}
	}
	if len(archives) > 0 {
		r.record.Note("%d functions are not container images", len(archives))
	}
	return slices.SortedFunc(maps.Values(byName), func(a, b *function) int { return cmp.Compare(a.name, b.name) })
}

// readAliases reads the aliases of a function. Without a published version
// they can route to $LATEST only, which is a use anyway.
func (r *reader) readAliases(ctx context.Context, f *function) {
	if !slices.ContainsFunc(f.versions, func(v version) bool { return v.number > 0 }) {
		return
	}
	aliases, err := awsapi.Pages(ctx, func(ctx context.Context, token *string) ([]types.AliasConfiguration, *string, error) {
		out, err := r.calls.listAliases(ctx, &lambda.ListAliasesInput{FunctionName: &f.name, Marker: token})
		if err != nil {
			return nil, nil, err
		}
		return out.Aliases, out.NextMarker, nil
	})
	if err != nil && !gone(err) {
		r.record.Fail("list aliases", "function "+f.name, err)
	}
	for _, alias := range aliases {
		name, main := aws.ToString(alias.Name), aws.ToString(alias.FunctionVersion)
		if main == "" {
			r.record.Fail("list aliases", "function "+f.name, fmt.Errorf("the answer does not say what the alias %q routes to", name))
			continue
		}
		f.route(name, main)
		if alias.RoutingConfig != nil {
			for _, other := range slices.Sorted(maps.Keys(alias.RoutingConfig.AdditionalVersionWeights)) {
				if other != main {
					f.route(name, other)
				}
			}
		}
	}
}

// route records that an alias routes to a version. A version that was not
// listed, since it was published in between, is added.
func (f *function) route(alias, to string) {
	f.aliases[to] = append(f.aliases[to], alias)
	if slices.ContainsFunc(f.versions, func(v version) bool { return v.name == to }) {
		return
	}
	v := version{function: f, name: to}
	if n, err := strconv.Atoi(to); err == nil {
		v.number = n
	}
	f.versions = append(f.versions, v)
}

// choose returns the versions that are uses: what has no number, what an alias
// routes to, and the n newest of the others, or all of them if n is -1.
func (f *function) choose(n int) []version {
	slices.SortFunc(f.versions, func(a, b version) int { return cmp.Or(cmp.Compare(b.number, a.number), cmp.Compare(a.name, b.name)) })
	// A list that changes while it is read can have a version on two pages.
	f.versions = slices.CompactFunc(f.versions, func(a, b version) bool { return a.name == b.name })
	published := 0
	var chosen []version
	for _, v := range f.versions {
		if v.number > 0 {
			published++
		}
		if n < 0 || v.number == 0 || published <= n || len(f.aliases[v.name]) > 0 {
			chosen = append(chosen, v)
		}
	}
	return chosen
}

// readVersion records the image of a version.
func (r *reader) readVersion(ctx context.Context, v version) {
	known, err := r.imageOf(ctx, v)
	if gone(err) {
		r.record.Note("%s was deleted while it was read", v.holder())
		return
	} else if err != nil {
		r.record.Fail("get function", v.holder(), err)
		return
	}
	if known == nil {
		return // an archive, which the list did not say
	}
	seen := usage.Observation{Holder: v.holder(), State: image.Running, Asked: known[0], Got: known[1]}
	for _, alias := range v.function.aliases[v.name] {
		aliased := seen
		aliased.Holder = v.function.name + ":" + alias
		r.record.See(aliased)
	}
	if v.number > 0 && len(v.function.aliases[v.name]) == 0 {
		seen.State = image.Rollback
	}
	r.record.See(seen)
}

// holder is "function:version".
func (v version) holder() string { return v.function.name + ":" + v.name }

// imageOf returns the image URI and the resolved image URI of a version, or
// nil for a version that is no image. A published version never changes and
// its number is never given again, so that it is kept in the cache, together
// with the digest of its code.
func (r *reader) imageOf(ctx context.Context, v version) ([]string, error) {
	key := ""
	if v.number > 0 && v.sum != "" {
		key = v.arn + "#" + v.sum
		if known, ok := r.images.Get(key); ok && len(known) == 2 {
			return known, nil
		}
	}
	out, err := r.calls.getFunction(ctx, &lambda.GetFunctionInput{FunctionName: &v.function.name, Qualifier: &v.name})
	if err != nil {
		return nil, err
	}
	if out.Configuration != nil && out.Configuration.PackageType == types.PackageTypeZip {
		return nil, nil
	}
	if out.Code == nil || aws.ToString(out.Code.ImageUri) == "" && aws.ToString(out.Code.ResolvedImageUri) == "" {
		return nil, errors.New("the answer names no image")
	}
	found := []string{aws.ToString(out.Code.ImageUri), aws.ToString(out.Code.ResolvedImageUri)}
	if key != "" && found[0] != "" && found[1] != "" {
		r.images.Put(key, found)
	}
	return found, nil
}

// gone reports whether the error says that a function or a version exists no
// more.
func gone(err error) bool {
	var notFound *types.ResourceNotFoundException
	return errors.As(err, &notFound)
}
