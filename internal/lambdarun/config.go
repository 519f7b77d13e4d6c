package lambdarun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/regsweep/regsweep/internal/awsapi"
	"github.com/regsweep/regsweep/internal/objects"
)

// Place is where the configuration of a function is.
type Place struct {
	// Text is the configuration itself, or "".
	Text string
	// Path is a file, s3://bucket/key, or ssm:/name for a parameter of AWS Systems
	// Manager. Files are relative to Dir.
	Path, Dir string
}

const (
	parameterPrefix = "ssm:"
	// TextVariable is the environment variable that a configuration can be in.
	TextVariable = "REGSWEEP_CONFIG_YAML"
	// maxConfig bounds what is read of a configuration, in bytes: a little more than
	// one may have, so that it is refused and not cut.
	maxConfig = 1<<20 + 1
)

// String names the place in messages.
func (p Place) String() string {
	if p.Text != "" {
		return "$" + TextVariable
	}
	return p.Path
}

// Parameter returns the name of the parameter that the configuration is in, or "".
func (p Place) Parameter() string {
	name, ok := strings.CutPrefix(p.Path, parameterPrefix)
	if !ok || p.Text != "" {
		return ""
	}
	return name
}

// file returns the path of the file that the configuration is in, or "".
func (p Place) file() string {
	switch {
	case p.Text != "" || p.Parameter() != "" || objects.IsS3(p.Path):
		return ""
	case filepath.IsAbs(p.Path):
		return p.Path
	}
	return filepath.Join(p.Dir, p.Path)
}

// Folder returns the folder that relative paths in the configuration start from.
func (p Place) Folder() string {
	if file := p.file(); file != "" {
		return filepath.Dir(file)
	}
	return p.Dir
}

// Read reads what is there.
func (p Place) Read(ctx context.Context, session *awsapi.Session) ([]byte, error) {
	if p.Text != "" {
		return []byte(p.Text), nil
	}
	if name := p.Parameter(); name != "" {
		return parameter(ctx, session, name)
	}
	if file := p.file(); file != "" {
		return readFile(file)
	}
	o, err := objects.Open(p.Path, objects.Env{AWS: session})
	if err != nil {
		return nil, err
	}
	from, err := o.Read(ctx)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(from, maxConfig))
	return content, errors.Join(err, from.Close())
}

func readFile(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (put it there, or set %s, or REGSWEEP_CONFIG to ssm:/name or s3://bucket/key)", err, TextVariable)
	}
	return content, err
}

// parameter reads a parameter, decrypted.
func parameter(ctx context.Context, session *awsapi.Session, name string) ([]byte, error) {
	cfg, err := session.Config(ctx, awsapi.Target{})
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", name, err)
	}
	out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if _, missing := errors.AsType[*types.ParameterNotFound](err); missing { // AWS says nothing more
		return nil, fmt.Errorf("parameter %s: there is none of this name in %s", name, cmp.Or(cfg.Region, "the region"))
	}
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", name, err)
	}
	if out.Parameter == nil || aws.ToString(out.Parameter.Value) == "" {
		return nil, fmt.Errorf("parameter %s: the answer has no value", name)
	}
	return []byte(*out.Parameter.Value), nil
}
