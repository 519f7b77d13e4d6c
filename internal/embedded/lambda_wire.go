package embedded

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// functionOutput is FunctionConfiguration in the service model.
type functionOutput struct {
	FunctionName string
	FunctionArn  string // with the version, where a version was asked for
	Role         string
	Version      string
	PackageType  string
	CodeSha256   string
	CodeSize     int64
	LastModified string
	RevisionID   string `json:"RevisionId"`
	State        string `json:",omitempty"` // left out by lists
	MemorySize   int
	Timeout      int
	Runtime      string `json:",omitempty"`
	Handler      string `json:",omitempty"`
}

// describe returns a version as the API gives it.
func (f *Function) describe(v functionVersion, qualified bool) functionOutput {
	out := functionOutput{
		FunctionName: f.name, FunctionArn: f.ARN(), Role: "arn:aws:iam::" + f.region.Account.ID + ":role/lambda",
		Version: v.name, PackageType: "Image", CodeSha256: v.sum,
		LastModified: v.modified.UTC().Format("2006-01-02T15:04:05.000-0700"),
		RevisionID:   revisionID(f.name, v), MemorySize: 128, Timeout: 3,
	}
	if qualified {
		out.FunctionArn += ":" + v.name
	}
	if f.archive {
		out.PackageType, out.Runtime, out.Handler, out.CodeSize = "Zip", "provided.al2023", "bootstrap", 1
	}
	return out
}

// revisionID returns an id that changes with the version.
func revisionID(name string, v functionVersion) string {
	id := Digest([]byte(name + " " + v.name + " " + v.sum + " " + v.modified.Format(time.RFC3339Nano)))[len("sha256:"):]
	return id[:8] + "-" + id[8:12] + "-4" + id[13:16] + "-8" + id[17:20] + "-" + id[20:32]
}

// function returns the function that a request names, and the version or alias
// that it asks for, which may be "". The lock is held.
func (c *Call) function() (*Function, string, error) {
	name := c.Path("FunctionName")
	reference, ok := parseFunction(name)
	switch {
	case !ok:
		return nil, "", invalidValue("%s is not a function name", name)
	case cmp.Or(reference.region, c.Region.Name) != c.Region.Name:
		return nil, "", functionNotFound(name)
	case cmp.Or(reference.account, c.Account.ID) != c.Account.ID:
		return nil, "", c.denied(name, " because no resource-based policy allows the "+c.permission()+" action")
	}
	f, exists := c.Region.lambda.functions.get(reference.name)
	if !exists {
		return nil, "", functionNotFound(c.Region.lambdaARN(reference.name))
	}
	return f, cmp.Or(c.Query.Get("Qualifier"), reference.qualifier), nil
}

// lambdaPage returns where a page starts, from 0, and how many entries it has.
func (c *Call) lambdaPage(scope string, most int) (int, int, error) {
	size := most
	if text := c.Query.Get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 10000 {
			return 0, 0, invalidValue("MaxItems must be between 1 and 10000")
		}
		size = min(n, most) // more is taken for the most (API reference, ListFunctions)
	}
	key, ok := c.readToken(scope, c.Query.Get("Marker"))
	if !ok {
		return 0, 0, invalidValue("Invalid marker")
	}
	start := 0
	if key != "" {
		start, _ = strconv.Atoi(key) // this server wrote it
	}
	return start, size, nil
}

// cut returns one page of a list, and the marker of the next one.
func cut[T any](c *Call, scope string, all []T, most int) ([]T, string, error) {
	start, size, err := c.lambdaPage(scope, most)
	if err != nil {
		return nil, "", err
	}
	start = min(start, len(all))
	end := min(start+size, len(all))
	next := ""
	if end < len(all) {
		next = c.pageToken(scope, strconv.Itoa(end))
	}
	return append([]T{}, all[start:end]...), next, nil
}

func listFunctions(c *Call) (any, error) {
	versions := c.Query.Get("FunctionVersion")
	if versions != "" && versions != "ALL" {
		return nil, invalidValue("FunctionVersion must be ALL")
	}
	state := &c.Region.lambda
	state.mu.Lock()
	defer state.mu.Unlock()
	type entry struct {
		f *Function
		v functionVersion
	}
	var all []entry
	for _, f := range state.functions.from("") {
		all = append(all, entry{f, f.latest})
		if versions == "ALL" {
			for _, v := range f.published {
				all = append(all, entry{f, v})
			}
		}
	}
	page, next, err := cut(c, versions, all, 50)
	if err != nil {
		return nil, err
	}
	out := struct {
		Functions  []functionOutput
		NextMarker string `json:",omitempty"`
	}{[]functionOutput{}, next}
	for _, e := range page {
		out.Functions = append(out.Functions, e.f.describe(e.v, versions == "ALL"))
	}
	return out, nil
}

func listVersionsByFunction(c *Call) (any, error) {
	c.Region.lambda.mu.Lock()
	defer c.Region.lambda.mu.Unlock()
	f, _, err := c.function()
	if err != nil {
		return nil, err
	}
	page, next, err := cut(c, f.name, f.versions(), 50)
	if err != nil {
		return nil, err
	}
	out := struct {
		Versions   []functionOutput
		NextMarker string `json:",omitempty"`
	}{[]functionOutput{}, next}
	for _, v := range page {
		out.Versions = append(out.Versions, f.describe(v, true))
	}
	return out, nil
}

// codeOutput is FunctionCodeLocation in the service model.
type codeOutput struct {
	RepositoryType   string
	Location         string `json:",omitempty"`
	ImageURI         string `json:"ImageUri,omitempty"`
	ResolvedImageURI string `json:"ResolvedImageUri,omitempty"`
}

func getFunction(c *Call) (any, error) {
	c.Region.lambda.mu.Lock()
	defer c.Region.lambda.mu.Unlock()
	f, qualifier, err := c.function()
	if err != nil {
		return nil, err
	}
	name := qualifier
	if alias, exists := f.aliases.get(qualifier); exists {
		name = alias.version
	}
	v, exists := f.version(name)
	if !exists {
		return nil, functionNotFound(f.ARN() + ":" + qualifier)
	}
	out := struct {
		Configuration functionOutput
		Code          codeOutput
	}{f.describe(v, qualifier != ""), codeOutput{RepositoryType: "ECR", ImageURI: v.image, ResolvedImageURI: v.resolved}}
	out.Configuration.State = "Active"
	if f.archive {
		out.Code = codeOutput{RepositoryType: "S3", Location: "https://code.example.com/" + f.name}
	}
	return out, nil
}

type createFunctionInput struct {
	FunctionName, Role, PackageType string
	Publish                         bool
	Code                            struct {
		ImageURI string `json:"ImageUri"`
		ZipFile  []byte
	}
}

func createFunction(c *Call, in *createFunctionInput) (any, error) {
	archive := in.PackageType == "" || in.PackageType == "Zip"
	switch {
	case !archive && in.PackageType != "Image":
		return nil, invalidValue("PackageType must be Zip or Image")
	case in.Role == "":
		return nil, invalidValue("Role is required")
	case archive && len(in.Code.ZipFile) == 0:
		return nil, invalidValue("Please provide a source for function code.")
	}
	f, err := c.Region.Lambda().create(in.FunctionName, in.Code.ImageURI, archive)
	if err != nil {
		return nil, err
	}
	f.state().mu.Lock()
	defer f.state().mu.Unlock()
	if in.Publish {
		return f.describe(f.publish(), true), nil
	}
	return f.describe(f.latest, false), nil
}

type updateCodeInput struct {
	ImageURI string `json:"ImageUri"`
	Publish  bool
}

func updateFunctionCode(c *Call, in *updateCodeInput) (any, error) {
	c.Region.lambda.mu.Lock()
	defer c.Region.lambda.mu.Unlock()
	f, _, err := c.function()
	if err != nil {
		return nil, err
	}
	if f.archive {
		return nil, invalidValue("The package type of a function cannot be changed")
	}
	if err := f.setCode(in.ImageURI); err != nil {
		return nil, err
	}
	if in.Publish {
		return f.describe(f.publish(), true), nil
	}
	return f.describe(f.latest, false), nil
}

// deleteFunction deletes a function, or one of its versions.
func deleteFunction(c *Call) (any, error) {
	c.Region.lambda.mu.Lock()
	defer c.Region.lambda.mu.Unlock()
	f, qualifier, err := c.function()
	if err != nil {
		return nil, err
	}
	if qualifier == "" {
		f.state().functions.remove(f.name)
		return nil, nil
	}
	at := slices.IndexFunc(f.published, func(v functionVersion) bool { return v.name == qualifier })
	if at < 0 {
		return nil, functionNotFound(f.ARN() + ":" + qualifier)
	}
	for name, alias := range f.aliases.from("") {
		if alias.routesTo(qualifier) {
			return nil, conflict("The version is used by the alias " + name)
		}
	}
	f.published = slices.Delete(f.published, at, at+1)
	return nil, nil
}

func publishVersion(c *Call) (any, error) {
	c.Region.lambda.mu.Lock()
	defer c.Region.lambda.mu.Unlock()
	f, _, err := c.function()
	if err != nil {
		return nil, err
	}
	return f.describe(f.publish(), true), nil
}
