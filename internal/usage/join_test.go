package usage

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/regsweep/regsweep/internal/image"
)

var (
	digest1 = "sha256:" + strings.Repeat("1", 64)
	digest2 = "sha256:" + strings.Repeat("2", 64)
	sha512  = "sha512:" + strings.Repeat("5", 128)
)

const (
	web     = "images.example.com/apps/web"
	api     = "images.example.com/apps/api"
	ecrWeb  = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/apps/web"
	fipsWeb = "111122223333.dkr.ecr-fips.eu-west-1.amazonaws.com/apps/web"
)

func TestJoin(t *testing.T) {
	tests := []struct {
		name, asked, got string
		want             []named
		refused          []string
		unplaced         bool
	}{
		{"tag alone", web + ":1", "", []named{{web + ":1", ""}}, nil, false},
		{"no tag is latest", web, "", []named{{web + ":latest", ""}}, nil, false},
		{"digest alone has no tag", web + "@" + digest1, "", []named{{web + "@" + digest1, ""}}, nil, false},
		{"tag and digest of one repository", web + ":1", web + "@" + digest1, []named{{web + ":1@" + digest1, ""}}, nil, false},
		{"no tag and digest of one repository", web, web + "@" + digest1, []named{{web + ":latest@" + digest1, ""}}, nil, false},
		{"docker-pullable", web + ":1", "docker-pullable://" + web + "@" + digest1, []named{{web + ":1@" + digest1, ""}}, nil, false},
		{"short name", "nginx", "docker.io/library/nginx@" + digest1, []named{{"docker.io/library/nginx:latest@" + digest1, ""}}, nil, false},
		{"two hosts of one ECR registry", ecrWeb + ":1", fipsWeb + "@" + digest1, []named{{ecrWeb + ":1@" + digest1, ""}}, nil, false},
		{"digest twice", web + "@" + digest1, web + "@" + digest1, []named{{web + "@" + digest1, ""}}, nil, false},
		{"tag, and the digest twice", web + ":1@" + digest1, web + "@" + digest1, []named{{web + ":1@" + digest1, ""}}, nil, false},
		{"another digest than asked for", web + ":1@" + digest1, web + "@" + digest2, []named{{web + ":1@" + digest1, ""}, {web + "@" + digest2, ""}}, nil, false},
		{"another tag than asked for", web + ":1", web + ":2@" + digest1, []named{{web + ":1@" + digest1, ""}, {web + ":2@" + digest1, ""}}, nil, false},
		{"another tag beside the digest asked for", web + "@" + digest1, web + ":2@" + digest1, []named{{web + "@" + digest1, ""}, {web + ":2@" + digest1, ""}}, nil, false},
		{"a tag got for a digest asked for", web + "@" + digest1, web + ":2", []named{{web + "@" + digest1, ""}, {web + ":2", ""}}, nil, false},
		{"the same tag", web + ":1", web + ":1", []named{{web + ":1", ""}}, nil, false},
		{"the digest asked for is not repeated", web + ":1@" + digest1, web + ":1", []named{{web + ":1@" + digest1, ""}}, nil, false},
		{"another repository", web + ":1", api + "@" + digest1, []named{{web + ":1", ""}, {api + "@" + digest1, ""}}, nil, false},
		{"another host", web + ":1", ecrWeb + "@" + digest1, []named{{web + ":1", ""}, {ecrWeb + "@" + digest1, ""}}, nil, false},
		{"image id", web + ":1", digest1, []named{{web + ":1", digest1}}, nil, false},
		{"image id with a scheme", web, "docker://" + digest1, []named{{web + ":latest", digest1}}, nil, false},
		{"image id of CRI-O", web + ":1", strings.Repeat("1", 64), []named{{web + ":1", digest1}}, nil, false},
		{"image id beside a digest", web + "@" + digest1, digest2, []named{{web + "@" + digest1, digest2}}, nil, false},
		{"image id asked for", digest2, web + "@" + digest1, []named{{web + "@" + digest1, digest2}}, nil, false},
		{"image id alone", digest1, "", []named{{digest1, digest1}}, nil, true},
		{"image id got alone", "", digest1, []named{{digest1, digest1}}, nil, true},
		{"the same image id twice", digest1, strings.Repeat("1", 64), []named{{digest1, digest1}}, nil, true},
		{"two image ids", digest1, digest2, []named{{digest1, digest1}, {digest2, digest2}}, nil, true},
		{"image id of another algorithm", web + ":1", sha512, []named{{web + ":1@" + sha512, ""}}, nil, false},
		{"image id of another algorithm beside a digest", web + ":1@" + digest1, sha512, []named{{web + ":1@" + digest1, ""}, {web + "@" + sha512, ""}}, nil, false},
		{"image id of another algorithm alone", "", sha512, []named{{sha512, ""}}, nil, true},
		{"digest of another algorithm", web + ":1", web + "@" + sha512, []named{{web + ":1@" + sha512, ""}}, nil, false},
		{"two algorithms", web + ":1@" + sha512, web + "@" + digest1, []named{{web + ":1@" + sha512, ""}, {web + "@" + digest1, ""}}, nil, false},
		{"white space around", " " + web + ":1\n", "\t", []named{{web + ":1", ""}}, nil, false},
		{"asked is no reference", "not a reference", web + "@" + digest1, []named{{web + "@" + digest1, ""}}, []string{"not a reference"}, false},
		{"got is no reference", web + ":1", "not a reference", []named{{web + ":1", ""}}, []string{"not a reference"}, false},
		{"asked is no reference, got is an image id", "not a reference", digest1, []named{{digest1, digest1}}, []string{"not a reference"}, true},
		{"neither is a reference", "A B", "https://images.example.com", nil, []string{"A B", "https://images.example.com"}, false},
		{"nothing", "", " ", nil, []string{""}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := join(tt.asked, tt.got)
			want := joint{tt.want, tt.refused, tt.unplaced}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(joint{}, named{})); diff != "" {
				t.Errorf("join(%q, %q) (-want +got):\n%s", tt.asked, tt.got, diff)
			}
		})
	}
}

// anyReference draws references of few repositories, so that they often meet.
func anyReference() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		name := rapid.SampledFrom([]string{"", web, api, ecrWeb, fipsWeb, "nginx"}).Draw(t, "name")
		if name == "" {
			return rapid.SampledFrom([]string{"", digest1, strings.Repeat("2", 64), sha512, "not a reference"}).Draw(t, "other")
		}
		return name + rapid.SampledFrom([]string{"", ":1", ":2"}).Draw(t, "tag") +
			rapid.SampledFrom([]string{"", "@" + digest1, "@" + digest2, "@" + sha512}).Draw(t, "digest")
	})
}

// protected says what a reference protects, as policy reads it.
func protected(ref image.Reference) []string {
	repository := ref.Host + "/" + ref.Repository
	if h, ok := image.ParseECRHost(ref.Host); ok {
		repository = h.Account + " " + h.Region + "/" + ref.Repository
	}
	var all []string
	if tag := ref.TagOrLatest(); tag != "" {
		all = append(all, repository+":"+tag)
	}
	if !ref.Digest.IsZero() {
		all = append(all, ref.Digest.String())
	}
	if ref.OtherDigest != "" && !ref.IsBare() {
		all = append(all, repository)
	}
	if !ref.ImageID.IsZero() {
		all = append(all, "id "+ref.ImageID.String())
	}
	return all
}

func TestJoinLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		asked, got := anyReference().Draw(t, "asked"), anyReference().Draw(t, "got")
		j := join(asked, got)
		var have []string
		for _, n := range j.uses {
			ref, err := image.ParseReference(n.reference)
			if err != nil {
				t.Fatalf("join made %q: %v", n.reference, err)
			}
			if ref.String() != n.reference {
				t.Fatalf("%q is not canonical: %q", n.reference, ref)
			}
			have = append(have, protected(ref)...)
			if n.imageID != "" {
				have = append(have, "id "+n.imageID)
			}
			// What was joined stays as it is when it is read again.
			if again := join(n.reference, n.imageID); !cmp.Equal(again.uses, []named{n}, cmp.AllowUnexported(named{})) {
				t.Fatalf("%+v is joined again as %+v", n, again.uses)
			}
		}
		for _, s := range []string{asked, got} {
			ref, err := image.ParseReference(s)
			if err != nil {
				continue
			}
			for _, want := range protected(ref) {
				if !slices.Contains(have, want) {
					t.Fatalf("join(%q, %q) does not protect %s: %+v", asked, got, want, j.uses)
				}
			}
			if ref.IsBare() && ref.OtherDigest != "" && !j.unplaced && !strings.Contains(strings.Join(have, " "), "/") {
				t.Fatalf("join(%q, %q) lost the image id: %+v", asked, got, j)
			}
		}
	})
}
