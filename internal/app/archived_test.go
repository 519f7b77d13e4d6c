package app

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/regsweep/regsweep/internal/graph/graphtest"
	"github.com/regsweep/regsweep/internal/image"
	"github.com/regsweep/regsweep/internal/policy"
)

// TestArchivedInUse warns of what somebody uses and cannot pull, once for each
// image that a use of this repository names.
func TestArchivedInUse(t *testing.T) {
	const host = "registry.example.com"
	state := func(s image.Status) Option {
		return With(func(i *image.Image) { i.Status = s })
	}
	use := func(state image.State, reference, holder string) image.Use {
		return image.Use{Source: "s", State: state, Reference: reference, Holder: holder}
	}
	build := func() *Repository {
		return New("web").
			Add("away", Tags("v1"), state(image.Archived)).
			Add("back", Tags("v2"), state(image.Activating)).
			Add("here", Tags("v3")).
			Add("index", Tags("v4"), Lists("child", "here")).Add("child", state(image.Archived)).
			Add("signature", Subject("here"), state(image.Archived))
	}
	const pull = " in the archive, where nothing can pull it: regsweep restore registry.example.com/web@"
	for _, tt := range []struct {
		name string
		uses []image.Use
		want []string
	}{
		{"by tag", []image.Use{use(image.Running, host+"/web:v1", "h")},
			[]string{"prod/web: " + host + "/web:v1 is in use by h and is" + pull + D("away").String() + " brings it back"}},
		{"the strongest of several", []image.Use{use(image.Rollback, host+"/web:v1", "a"), use(image.Running, host+"/web:v1", "b"), use(image.Running, host+"/web:v1", "c")},
			[]string{"prod/web: " + host + "/web:v1 is in use by b and 2 more and is" + pull + D("away").String() + " brings it back"}},
		{"on its way back", []image.Use{use(image.Running, host+"/web:v2", "h")},
			[]string{"prod/web: " + host + "/web:v2 is in use by h and is on its way back from the archive, and nothing can pull it before it is there: regsweep restore " + host + "/web@" + D("back").String() + " waits for it"}},
		{"a platform of an index", []image.Use{use(image.Declared, host+"/web:v4", "h")},
			[]string{"prod/web: " + host + "/web:v4 is in use by h and lists " + D("child").String() + ", which is" + pull + D("child").String() + " brings it back"}},
		{"its signature is of no matter", []image.Use{use(image.Running, host+"/web:v3", "h")}, nil},
		{"a use of another repository", []image.Use{use(image.Running, host+"/mail@"+D("away").String(), "h")}, nil},
		{"no use", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			uses, err := policy.NewUses(tt.uses, func(ref image.Reference) []string {
				if strings.HasPrefix(ref.Host, host) {
					return []string{"prod"}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, archivedInUse(build().Graph(), uses, host)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
