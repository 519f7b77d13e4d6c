package policy

import (
	"errors"
	"fmt"
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"

	"github.com/regsweep/regsweep/internal/graph"
	"github.com/regsweep/regsweep/internal/image"
)

// maxCost bounds what one evaluation of an expression may cost, in the units of
// CEL: roughly one for each operation and each character looked at. An
// expression that could cost more for an image with the 1,000 tags of 300
// characters that ECR allows is refused when the configuration is read.
const maxCost = 5_000_000

// The environment of "when" expressions. docs/configuration.md lists it for
// users, and a test compares the two.
var celVariables = []struct {
	Name, Doc string
	Type      *cel.Type
}{
	{"image.digest", "the digest, sha256:…", cel.StringType},
	{"image.tags", "the tags, without those that regsweep writes", cel.ListType(cel.StringType)},
	{"image.size", "compressed bytes, as the registry counts them", cel.IntType},
	{"image.pushedAt", "when it was pushed", cel.TimestampType},
	{"image.age", "how long ago it was pushed", cel.DurationType},
	{"image.pulledAt", "when it was last pulled; unknown keeps the image", cel.TimestampType},
	{"image.kind", "image, index or referrer", cel.StringType},
	{"image.mediaType", "media type of the manifest", cel.StringType},
	{"image.artifactType", "artifact type, or empty", cel.StringType},
	{"image.archived", "whether it is in the archive storage class", cel.BoolType},
	{"image.platforms", "platforms that an index lists, such as linux/arm64/v8", cel.ListType(cel.StringType)},
	{"repository.name", "name of the repository, without the host", cel.StringType},
	{"repository.registry", "name of the registry in the configuration", cel.StringType},
	{"repository.tags", "resource tags of the repository", cel.MapType(cel.StringType, cel.StringType)},
	{"now", "the time of judgement", cel.TimestampType},
}

var celConstants = []struct {
	Name  string
	Bytes int64
}{
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
}

// newCELEnv makes the environment that all expressions are compiled in.
func newCELEnv() (*cel.Env, error) {
	opts := []cel.EnvOption{cel.DefaultUTCTimeZone(true)}
	for _, v := range celVariables {
		opts = append(opts, cel.VariableWithDoc(v.Name, v.Type, v.Doc))
	}
	for _, c := range celConstants {
		opts = append(opts, cel.Constant(c.Name, cel.IntType, types.Int(c.Bytes)))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, fmt.Errorf("build the environment of expressions: %w", err)
	}
	return env, nil
}

// expression is a compiled "when".
type expression struct {
	program cel.Program
	// readsRepositoryTags says that it names repository.tags, which are read
	// only where something needs them.
	readsRepositoryTags bool
	// readsPulls says that it names image.pulledAt.
	readsPulls bool
}

// compileExpression compiles one expression, or says what is wrong with it.
func compileExpression(env *cel.Env, source string) (*expression, []Problem) {
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		var ps []Problem
		for _, e := range issues.Errors() {
			ps = append(ps, Problem{
				Detail: "invalid expression: " + e.Message,
				Line:   e.Location.Line(), Column: e.Location.Column() + 1,
			})
		}
		return nil, ps
	}
	problem := func(format string, args ...any) (*expression, []Problem) {
		return nil, []Problem{{Detail: fmt.Sprintf(format, args...)}}
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) {
		return problem("the expression must be true or false, and this one is of type %s", t)
	}
	cost, err := env.EstimateCost(ast, sizes{})
	if err != nil {
		return problem("the cost of the expression cannot be bounded: %v", err)
	}
	if cost.Max > maxCost {
		return problem("the expression could cost %s steps for one image, and %d are allowed; avoid loops in loops",
			costText(cost.Max), maxCost)
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		return problem("invalid expression: %v", err)
	}
	x := &expression{program: program}
	for _, reference := range ast.NativeRep().ReferenceMap() {
		x.readsRepositoryTags = x.readsRepositoryTags || reference.Name == "repository.tags"
		x.readsPulls = x.readsPulls || reference.Name == "image.pulledAt"
	}
	return x, nil
}

func costText(c uint64) string {
	if c == math.MaxUint64 {
		return "unboundedly many"
	}
	return fmt.Sprint(c)
}

// sizes bounds the variables for the estimate, by the limits of ECR: 1,000 tags
// an image of 300 characters each, 50 resource tags a repository.
type sizes struct{}

func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	upTo := func(max uint64) *cost.SizeEstimate { return &cost.SizeEstimate{Min: 0, Max: max} }
	path := n.Path()
	if len(path) == 0 {
		return nil
	}
	switch path[0] {
	case "image.tags", "image.platforms":
		if len(path) == 1 {
			return upTo(1000)
		}
		return upTo(300)
	case "repository.tags":
		if len(path) == 1 {
			return upTo(50)
		}
		return upTo(256)
	default:
		return upTo(300)
	}
}

func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// celVars resolves the variables for one root, when they are asked for.
type celVars struct {
	e    *evaluation
	root int32
}

var errUnknown = errors.New("is not known")

// ResolveName implements interpreter.Activation.
func (v celVars) ResolveName(name string) (any, bool) {
	img := &v.e.g.Images[v.root]
	repo := &v.e.g.Repository
	moment := func(t image.Time) any {
		if !t.Known() {
			return types.NewErr("%s %w", name, errUnknown)
		}
		return t.Time()
	}
	switch name {
	case "image.digest":
		return img.Digest.String(), true
	case "image.tags":
		return v.e.tags(v.root), true
	case "image.size":
		return img.Size, true
	case "image.pushedAt":
		return moment(img.PushedAt), true
	case "image.age":
		if !img.PushedAt.Known() {
			return moment(0), true
		}
		return v.e.in.Now.Time().Sub(img.PushedAt.Time()), true // at most 292 years either way
	case "image.pulledAt":
		return moment(v.e.pulled(v.root)), true
	case "image.kind":
		return v.e.g.Kinds[v.root].String(), true
	case "image.mediaType":
		return img.MediaType(), true
	case "image.artifactType":
		return img.ArtifactType(), true
	case "image.archived":
		return img.Status == image.Archived, true
	case "image.platforms":
		return platforms(v.e.g, v.root), true
	case "repository.name":
		return repo.Name, true
	case "repository.registry":
		return repo.Registry, true
	case "repository.tags":
		if repo.TagsError != nil {
			return types.NewErr("%s %w: %v", name, errUnknown, repo.TagsError), true
		}
		return repo.Tags, true
	case "now":
		return v.e.in.Now.Time(), true
	}
	return nil, false
}

// Parent implements interpreter.Activation.
func (celVars) Parent() interpreter.Activation { return nil }

func platforms(g *graph.Graph, root int32) []string {
	list := []string{}
	if m := g.Manifests[root]; m != nil {
		for _, c := range m.Children {
			if c.Platform != "" {
				list = append(list, c.Platform)
			}
		}
	}
	return list
}

// eval says whether the expression holds. An expression that cannot be decided
// holds, since unknown means keep; err says why.
func (x *expression) eval(v celVars) (holds bool, err error) {
	out, _, err := x.program.Eval(v)
	if err != nil {
		return true, err
	}
	return out == types.True, nil
}
