package kinds

import (
	"maps"

	"github.com/regsweep/regsweep/internal/config"
)

// settings describe the fields of one kind by name.
type settings = map[string]config.Setting

// The form of what AWS calls by the same name everywhere. Regions have a
// partition, a place and a number (botocore, endpoints.json, regionRegex).
const (
	regionPattern  = `^[a-z]{2,}(-[a-z]+)+-[0-9]+$`
	accountPattern = `^[0-9]{12}$`
	rolePattern    = `^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`
)

func ecrSettings() settings {
	return settings{
		"region": {
			Doc:     "Region of the registry. Default: the region of the environment or profile.",
			Pattern: regionPattern, Want: "a region such as eu-west-1",
		},
		"account": {
			Doc:     "Account id of the registry, 12 digits. Default: the caller's account.",
			Pattern: accountPattern, Want: "an account id of 12 digits",
		},
		"assumeRole": role("call the registry"),
		"hosts": {
			Doc:     "Further host names under which images of this registry are known: aliases, mirrors and pull-through caches.",
			Pattern: `^[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?$`, Want: "a host name such as images.example.com",
			Unique: true,
		},
	}
}

func role(what string) config.Setting {
	return config.Setting{
		Doc:     "ARN of the role to assume to " + what + ". Default: the caller's own identity.",
		Pattern: rolePattern, Want: "the ARN of a role such as arn:aws:iam::111122223333:role/regsweep",
	}
}

// awsSettings are those of every source of AWS.
func awsSettings() settings {
	return settings{
		"regions": {
			Doc:     "Regions to read; each is a source of its own where there are several. Default: those of the registries, and that of the environment or profile.",
			Pattern: regionPattern, Want: "a region such as eu-west-1",
			Unique: true,
		},
		"assumeRole": role("read this source"),
	}
}

func with(base, more settings) settings {
	maps.Copy(base, more)
	return base
}

func ecsSettings() settings {
	return with(awsSettings(), settings{
		"revisions": {Doc: "How many of the newest ACTIVE revisions of each task definition family count as in use, since they can be started at any time. Default: 5. What services and tasks name is in use in any case."},
	})
}

func lambdaSettings() settings {
	return with(awsSettings(), settings{
		"versions": {
			Doc:     "How many of the newest published versions of each function count as in use, or all. Default: all. $LATEST and what an alias routes to are in use in any case.",
			Pattern: `^(all|[1-9][0-9]*)$`, Want: "all or a number from 1",
		},
	})
}

func kubernetesSettings() settings {
	return settings{
		"contexts": {
			Doc:    "Contexts of the kubeconfig to read, each a source of its own. Default: the cluster that regsweep runs in, else the current context.",
			Unique: true,
		},
		"kubeconfig": {Doc: "The kubeconfig file. Default: as kubectl, KUBECONFIG or else ~/.kube/config."},
		"namespaces": {
			Doc:     "Namespaces to read, by name. Default: the whole cluster, also written \"*\".",
			Pattern: `^(\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$`, Want: "the name of a namespace, or \"*\" for all (no other pattern is possible)",
			Unique: true,
		},
		"helm":            {Doc: "Read the revisions of Helm releases too, which needs the right to list Secrets. Default: false."},
		"customResources": {Doc: "Search every custom resource for image references too. Default: false."},
	}
}

func snapshotSettings() settings {
	return settings{
		"path": {
			Doc:     "The snapshot: a file, relative to the folder of the configuration, or s3://bucket/key.",
			Pattern: `^(s3://[^/]+/.+|[^:]*|[^:]*:/?[^/].*)$`, Want: "a file or s3://bucket/key",
			Required: true,
		},
		"maxAge": {Doc: "How old the snapshot may be; an older one counts as unreadable. Default: any age."},
	}
}

func commandSettings() settings {
	return settings{
		"run": {
			Doc:  "The program and its arguments, without a shell. A relative path starts from the folder of the configuration; a bare name is looked up in PATH.",
			Want: "the program and its arguments, such as [./in-use.sh]", Required: true,
		},
		"timeout": {Doc: "How long the program may run. Default: 30s."},
	}
}
