package model_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/regsweep/regsweep/internal/embedded"
	"github.com/regsweep/regsweep/internal/oracle"
)

// gonePath names a repository that is not there.
const gonePath = "apps/gone"

// place returns the repository and region of a reference.
func (a *account) place(r ref) (repository, region string) {
	if r.Repo == gone {
		return gonePath, homeRegion
	}
	return a.Repos[r.Repo].Name, a.Repos[r.Repo].Region
}

func (a *account) digestOf(repo, n int) string {
	if n == gone || repo == gone {
		return embedded.Digest([]byte("gone"))
	}
	return a.digests[repo][n]
}

// write writes a reference.
func (a *account) write(h *holding) string {
	repository, region := a.place(h.ref)
	s := h.ref.Host.name(region) + "/" + repository
	if h.tag != "" {
		s += ":" + h.tag
	}
	if h.digest != "" {
		s += "@" + h.digest
	}
	return s
}

// hold notes that a reference is in use, and returns it as text.
func (a *account) hold(source string, r ref) string {
	h := holding{source: source, ref: r, tag: r.Tag}
	if r.Digest != none {
		h.digest = a.digestOf(r.Repo, r.Digest)
	}
	if r.ID != none {
		digest := a.digestOf(r.Repo, r.ID)
		h.id = digest
		if m, there := a.manifests[digest]; there && m.Config != nil {
			h.id = m.Config.Digest
		}
	}
	a.held = append(a.held, h)
	return a.write(&h)
}

// resolve returns what a node finds under a reference to the account now, or "".
func (a *account) resolve(r ref) string {
	if r.Repo == gone {
		return ""
	}
	find := r.Tag
	switch {
	case r.Digest != none:
		find = a.digestOf(r.Repo, r.Digest)
	case r.Tag == "":
		find = "latest"
	}
	img, there := a.repo(r.Repo).Image(find)
	if !there {
		return ""
	}
	return img.Digest
}

// pin notes that the digest is in use that a reference stands for now.
func (a *account) pin(source string, r ref) {
	if digest := a.resolve(r); digest != "" {
		a.held = append(a.held, holding{source: source, ref: ref{Repo: gone, Host: foreign}, digest: digest})
	}
}

// use makes somebody use an image, as far as the account lets them.
func (a *account) use(u use) {
	_, region := a.place(u.Ref)
	in := a.region(region)
	source := u.of() + " " + region
	a.names++
	name := fmt.Sprint("user", a.names)
	if u.Then != nil && u.Then.Repo != gone && a.Repos[u.Then.Repo].Region != region {
		u.Then = nil
	}
	switch u.By {
	case "snapshot":
		a.hold("snapshot "+homeRegion, u.Ref)
	case "definition":
		text := a.hold(source, u.Ref)
		if u.Publish { // an older revision, which is none of the newest
			older := ref{Repo: u.Ref.Repo, Tag: "v1.0.0"}
			in.ECS().RegisterTaskDefinition(name, a.write(&holding{ref: older, tag: older.Tag}))
		}
		in.ECS().RegisterTaskDefinition(name, text)
	case "task":
		cluster := embedded.Must(in.ECS().CreateCluster("tasks"))
		embedded.Must(cluster.RunTask(in.ECS().RegisterTaskDefinition(name, a.hold(source, u.Ref))))
		a.pin(source, u.Ref)
	case "service":
		cluster := embedded.Must(in.ECS().CreateCluster("services"))
		service := embedded.Must(cluster.CreateService(embedded.ECSServiceOptions{
			Name: name, TaskDefinition: in.ECS().RegisterTaskDefinition(name, a.hold(source, u.Ref)), DesiredCount: u.Count,
		}))
		a.pin(source, u.Ref)
		if u.Then != nil {
			must(service.Deploy(in.ECS().RegisterTaskDefinition(name, a.hold(source, *u.Then)), u.Outcome))
			a.pin(source, *u.Then)
		}
	case "function":
		if a.resolve(u.Ref) == "" {
			return
		}
		f := embedded.Must(in.Lambda().CreateFunction(name, a.hold(source, u.Ref)))
		a.pin(source, u.Ref)
		if u.Publish {
			f.Publish()
		}
		if u.Then != nil && a.resolve(*u.Then) != "" {
			if !u.Publish { // nothing names the first image any more
				a.held = a.held[:len(a.held)-2]
			}
			must(f.UpdateCode(a.hold(source, *u.Then)))
			a.pin(source, *u.Then)
		}
	case "apprunner":
		embedded.Must(in.AppRunner().CreateService(name, a.hold(source, u.Ref)))
	}
}

// snapshotUse is an entry of a snapshot.
type snapshotUse struct {
	Source    string `json:"source"`
	State     string `json:"state"`
	Reference string `json:"reference"`
	ImageID   string `json:"imageId,omitempty"`
	Holder    string `json:"holder"`
}

// writeSnapshot writes the snapshot of the uses that are seen by it.
func (a *account) writeSnapshot() {
	uses := []snapshotUse{}
	for i := range a.held {
		if h := &a.held[i]; h.source == "snapshot "+homeRegion {
			uses = append(uses, snapshotUse{"kubernetes", "running", a.write(h), h.id, fmt.Sprint("kubernetes/shop/Deployment/d", i)})
		}
	}
	slices.SortFunc(uses, func(x, y snapshotUse) int { return strings.Compare(x.Reference+" "+x.Holder, y.Reference+" "+y.Holder) })
	document, err := json.Marshal(map[string]any{
		"schema": "regsweep.usage/v1", "createdAt": time.Now().UTC().Format(time.RFC3339), "uses": uses,
		"sources": []any{map[string]any{"name": "kubernetes", "uses": len(uses), "status": "ok", "detail": ""}},
	})
	must(err)
	must(os.WriteFile(filepath.Join(a.dir, "snapshot.json"), document, 0o600))
}

// sees reports whether a source is configured and can be read.
func (a *account) sees(kind string) bool {
	return slices.ContainsFunc(a.Sources, func(s source) bool { return s.Kind == kind && !s.Broken })
}

// usesOf returns the uses as they look from a repository.
func (a *account) usesOf(n int) (list []oracle.Use) {
	for _, h := range a.held {
		kind, _, _ := strings.Cut(h.source, " ")
		if !a.sees(kind) {
			continue
		}
		name, region := a.place(h.ref)
		here := name == a.Repos[n].Name && region == a.Repos[n].Region
		switch h.ref.Host {
		case own, fips, dualstack, upper:
		case alias:
			here = here && a.Alias && region == homeRegion
		case otherAccount, otherRegion, foreign:
			here = false
		}
		list = append(list, oracle.Use{Here: here, Tag: h.tag, Digest: h.digest, ImageID: h.id})
	}
	return list
}

// gap is a source that may have missed uses.
type gap struct {
	source string
	covers []string
}

// gaps returns the gaps that count, as they are at the next reading, and notes
// which sources have shown uses by then.
func (a *account) gaps() (list []gap) {
	for _, s := range a.Sources {
		regions := a.regions()
		if !slices.Contains(regions, homeRegion) {
			regions = append(regions, homeRegion)
		}
		if s.Kind == "snapshot" {
			regions = []string{homeRegion}
		}
		for _, region := range regions {
			name, n := s.Kind+" "+region, 0
			for _, h := range a.held {
				if h.source == name {
					n++
				}
			}
			switch {
			case s.Broken, n < min(s.AtLeast, 1), s.AtLeast > 1, n == 0 && a.found[name]:
				if !s.Ignored {
					list = append(list, gap{name, s.Covers})
				} else if !s.Broken {
					a.found[name] = n > 0
				}
			default:
				a.found[name] = n > 0
			}
		}
	}
	return list
}
