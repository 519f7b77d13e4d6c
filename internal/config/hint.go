package config

import "strings"

// hints say what to write for words that other tools use. The keys are the
// generic path of the mapping and the word in lower case without "-" and "_".
var hints = map[string]map[string]string{
	// The document itself.
	"": words{
		"policies policy lifecycle lifecyclepolicy retention":                    "what to keep and delete is under rules",
		"sources source inuse":                                                   "where images are in use is under usage",
		"region account aws ecr":                                                 "write registries: [{ecr: {region: eu-west-1}}]",
		"repositories repos repository images":                                   "rules select repositories: write rules: [{repositories: [\"apps/**\"]}]",
		"cluster clusters context contexts kubeconfig namespace namespaces k8s":  "write usage: [{kubernetes: {…}}]",
		"exclude excludes ignore keepfilters":                                    "what must always stay is under protect: write protect: [{tags: [latest]}]",
		"keep newest youngerthan olderthan maxage keepdays keeplast days action": "write it in a rule: rules: [{keep: [{newest: 10}, {youngerThan: 30d}]}]",
		"cron":                        "write controller: {schedule: \"0 3 * * *\"}",
		"dryrun":                      "regsweep plan shows what apply would do and deletes nothing",
		"webhook slack notifications": "write notify: [{webhook: {url: …}}]",
	}.split(),
	"registries[]": words{
		"aws": "write ecr: {region: eu-west-1}",
		"docker dockerhub ghcr gcr gar acr harbor quay gitlab registry url host": "only ECR is supported by this version of regsweep: write ecr: {region: eu-west-1}",
	}.split(),
	"registries[].ecr": words{
		"registryid accountid awsaccount id":     "write account",
		"role rolearn assumerolearn":             "write assumeRole",
		"alias aliases mirror mirrors hostnames": "write hosts: [images.example.com]",
		"regions":                                "one entry is one region: write region, and one entry for each",
	}.split(),
	"usage[]": words{
		"k8s kube eks aks gke": "write kubernetes: {}",
		"fargate":              "write ecs: {}",
		"functions":            "write lambda: {}",
		"file json":            "write snapshot: {path: …}",
		"exec script run":      "write command: {run: [./in-use.sh]}",
		"minimum min":          "write atLeast: 10",
		"repositories repos":   "write covers: [\"apps/**\"]",
	}.split(),
	"rules[]": words{
		"olderthan maxage age days keepdays expireafter expire ttl sinceimagepushed":  "rules say what to keep: write keep: [{youngerThan: 30d}], and older images go",
		"keeplast keepn keepnewest keepcount keepmostrecent count imagecountmorethan": "write keep: [{newest: 10}]",
		"retain retention keeprules":     "write keep: [{newest: 10}]",
		"exclude excludes ignore except": "write the pattern with a leading ! in repositories, or what must stay under protect",
		"match pattern patterns regex regexp filter filters tagregex tagpattern tagpatternlist tagprefix tagprefixlist": "write tags: [\"pr-*\", \"/^dev-[0-9]+$/\"]",
		"repos repo repository":    "write repositories: [\"apps/**\"]",
		"dangling":                 "write untagged: true",
		"condition if expr cel":    "write keep: [{when: …}]",
		"delete expiretag archive": "write action: delete or action: archive",
	}.split(),
	"rules[].keep[]": words{
		"olderthan": "rules keep what is young: write youngerThan, and older images go",
		"age days keepdays maxage newerthan pushedwithin within":  "write youngerThan: 30d",
		"last count keeplast n latest recent mostrecent keep top": "write newest: 10",
		"expr expression cel if condition":                        "write when: 'image.size < 10*MB'",
		"groupby group":                                           "write per: '/^([a-z]+)-/'",
		"lastpulled pulled notpulledwithin unusedfor":             "write pulledWithin: 30d",
		"used inuse":         "what is in use is kept in any case; usedWithin: 30d keeps what was in use lately",
		"tag tags":           "write when: '\"stable\" in image.tags', or protect: [{tags: [stable]}] beside rules",
		"version constraint": "write semver: \">=2.0.0\"",
	}.split(),
	"rules[].keep[].youngerThan": words{
		"tag key name":                           "write repositoryTag",
		"days hours weeks minutes seconds value": "write youngerThan: 14d",
	}.split(),
	"limits": words{
		"max maximum deletes": "write maxDeletes: 1000",
		"share percent":       "write maxShare: 50%",
		"min minimum":         "write minRemaining: 1",
	}.split(),
}

// words are hints by space-separated words.
type words map[string]string

func (w words) split() map[string]string {
	one := map[string]string{}
	for keys, hint := range w {
		for key := range strings.FieldsSeq(keys) {
			one[key] = hint
		}
	}
	return one
}

// hint says what to write instead of an unknown field that other tools have,
// or that this one has elsewhere.
func hint(parent, field string, kinds Kinds) string {
	if text := hints[parent][strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(field))]; text != "" {
		return text
	}
	if parent != "" {
		return ""
	}
	for _, k := range kinds.Sources {
		if strings.EqualFold(k.Name, field) {
			return "write usage: [{" + k.Name + ": {…}}]"
		}
	}
	return ""
}
