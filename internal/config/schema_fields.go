package config

import (
	"github.com/invopop/jsonschema"
)

// field is what the schema says of a field besides its type.
type field struct {
	doc string
	// standard is what holds where the field is not written.
	standard any
	// change makes the schema narrower.
	change func(*jsonschema.Schema)
}

// fields describes the fields by generic path. The fields of the kinds are
// described with the kinds.
var fields = map[string]field{
	"version": {doc: "Version of the format: 1.", change: replace(oneOf(1))},

	"registries":        {doc: "The registries to clean.", change: notEmpty},
	"registries[].name": {doc: "Name of the registry in plans and for --registry. Default: its kind."},

	"usage":           {doc: "Where images can be in use; what is in use is never deleted. Without any source nothing is deleted, unless this is the word none."},
	"usage[].name":    {doc: "Name of the source in plans and for --ignore-gap. Default: its kind."},
	"usage[].covers":  {doc: "Globs of the repositories that are left alone when the source cannot be read. Default: all."},
	"usage[].atLeast": {doc: "How many uses the source must find; with fewer it counts as unreadable.", standard: 0},

	"protect":                {doc: "What is never deleted, whatever the rules say. All fields of an entry must hold together."},
	"protect[].repositories": {doc: "Globs of repositories: * stops at slashes, ** crosses them, a leading ! excludes. Default: all.", change: notEmpty},
	"protect[].tags":         {doc: "Globs or /regular expressions/ of tags; one tag of the image is enough. Default: every image.", change: notEmpty},

	"rules":                  {doc: "The first rule that matches an image governs it; an image that no rule matches is kept."},
	"rules[].name":           {doc: "Name of the rule in plans. Default: \"rule 1\" and so on."},
	"rules[].repositories":   {doc: "Globs of repositories: * stops at slashes, ** crosses them, a leading ! excludes. Default: all.", change: notEmpty},
	"rules[].repositoryTags": {doc: "Resource tags that the repository must have, with their values.", change: func(s *jsonschema.Schema) { s.MinProperties = one() }},
	"rules[].tags":           {doc: "Globs or /regular expressions/: every tag of the image must match one of them.", change: notEmpty},
	"rules[].anyTag":         {doc: "One matching tag is enough for tags.", standard: false},
	"rules[].untagged":       {doc: "Select images without tags; together with tags, both.", standard: false},
	"rules[].orphans":        {doc: "Govern orphans instead: signatures, SBOMs and other referrers whose image is gone.", standard: false},
	"rules[].order":          {doc: "What newest means: by push time, or by the version in the tags.", standard: "pushed", change: replace(oneOf("pushed", "semver"))},
	"rules[].keep":           {doc: "What to keep: any entry keeps, and all fields of one entry must hold together. Without entries nothing is kept.", change: func(s *jsonschema.Schema) { keepEntry(s.Items) }},
	"rules[].action":         {doc: "What happens to an image that nothing keeps: it is deleted, or moved to the archive storage class of ECR.", standard: "delete", change: replace(oneOf("delete", "archive"))},

	"rules[].keep[].newest":                    {doc: "Keep the N newest of all images that the rule governs.", change: atLeastOne},
	"rules[].keep[].per":                       {doc: "Keep the N newest of each group instead: semver.major, semver.minor, or a /regular expression/ whose one capture group names the group.", change: pattern(`^(semver\.(major|minor)|/.*/)$`)},
	"rules[].keep[].youngerThan":               {doc: "Keep images pushed at most so long ago, such as 14d; or {repositoryTag: …} to read it from the repository."},
	"rules[].keep[].youngerThan.repositoryTag": {doc: "Resource tag of the repository that holds the age: a number, or a duration such as 30d."},
	"rules[].keep[].youngerThan.unit":          {doc: "Unit of the tag's value where that is a number only.", standard: "d"},
	"rules[].keep[].youngerThan.default":       {doc: "Age for repositories without the tag. Without it they are left alone."},
	"rules[].keep[].pulledWithin":              {doc: "Keep images pulled at most so long ago, and those whose last pull is not known."},
	"rules[].keep[].usedWithin":                {doc: "Keep images that regsweep tag marked as in use at most so long ago."},
	"rules[].keep[].semver":                    {doc: "Keep images with a tag that satisfies the version constraint, such as \">=2.0.0\"."},
	"rules[].keep[].maxImages":                 {doc: "Keep the newest further images while at most N images remain in the repository.", change: atLeastOne},
	"rules[].keep[].when":                      {doc: "Keep images for which the CEL expression is true, such as image.size < 10*MB."},

	"limits":              {doc: "Limits of the damage of a run."},
	"limits.maxDeletes":   {doc: "How many images a run may delete or archive; over it nothing is deleted.", standard: 10_000},
	"limits.maxShare":     {doc: "Largest share of a repository's images that a run may delete or archive, 50% or 0.5; over it the repository is left alone.", standard: "100%", change: replace(share())},
	"limits.minRemaining": {doc: "How many of the newest images of a repository always stay.", standard: 1},

	"grace": {doc: "How long an image is condemned, by a tag that marks it, before it is deleted. 0s deletes at once.", standard: "0s"},

	"tag":              {doc: "How regsweep tag marks images in use: with a prefix, or with one name.", change: func(s *jsonschema.Schema) { exclude(s, "prefix", "name") }},
	"tag.prefix":       {doc: "Marks are this, \"-\" and the time.", standard: "in-use", change: pattern(tagPrefix.String())},
	"tag.name":         {doc: "The mark is this tag, on one image of a repository.", change: pattern(tagName.String())},
	"tag.refresh":      {doc: "How old a mark gets before it is written again.", standard: "24h"},
	"tag.keepPerImage": {doc: "How many marks of an image stay.", standard: 1, change: atLeastOne},

	"price":            {doc: "What storage costs, for the savings in plans."},
	"price.perGBMonth": {doc: "Price of a gigabyte (10^9 bytes) for a month.", standard: 0.10},
	"price.currency":   {doc: "Currency code of three letters.", standard: "USD", change: pattern(currency.String())},

	"mode":        {doc: "What the controller and the Lambda function may do: plan, or apply too; or {dryRun: …} to read it from a switch.", standard: "plan"},
	"mode.dryRun": {doc: "true is plan, and false is apply."},

	"controller":              {doc: "When and how regsweep controller runs.", change: schedule},
	"controller.interval":     {doc: "Time between runs, at least 1m. Default: 6h, unless there is a schedule."},
	"controller.schedule":     {doc: "Cron expression of five fields: minute, hour, day of the month, month, day of the week."},
	"controller.timeZone":     {doc: "Time zone of the schedule, from the IANA database, such as Europe/Berlin.", standard: "UTC"},
	"controller.page":         {doc: "The web page of the controller."},
	"controller.page.address": {doc: "Address to listen on, such as \":8080\"."},

	"notify":                {doc: "Who gets reports.", change: func(s *jsonschema.Schema) { receivers(s.Items) }},
	"notify[].webhook":      {doc: "Reports go to a URL by HTTP POST.", change: func(s *jsonschema.Schema) { s.Required = []string{"url"} }},
	"notify[].webhook.url":  {doc: "URL of the receiver, http or https; ${env:NAME} keeps secrets out of the file.", change: pattern(`^https?://.`)},
	"notify[].sns":          {doc: "Reports go to a topic of Amazon SNS.", change: func(s *jsonschema.Schema) { s.Required = []string{"topicArn"} }},
	"notify[].sns.topicArn": {doc: "ARN of the topic.", change: pattern(topicARN.String())},
}

// replace puts another schema in the place of the one that follows from the Go
// type.
func replace(by *jsonschema.Schema) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) {
		doc, standard := s.Description, s.Default
		*s = *by
		s.Description, s.Default = doc, standard
	}
}

func pattern(p string) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { matching(s, p) }
}

func notEmpty(s *jsonschema.Schema) { s.MinItems = one() }

func atLeastOne(s *jsonschema.Schema) { s.AnyOf[0].Minimum = "1" }

// keepEntry refuses entries that keep everything or group nothing.
func keepEntry(s *jsonschema.Schema) {
	s.MinProperties = one()
	s.DependentRequired = map[string][]string{"per": {"newest"}}
}

// exclude refuses two fields together.
func exclude(s *jsonschema.Schema, a, b string) {
	s.Not = &jsonschema.Schema{Required: []string{a, b}}
}

func schedule(s *jsonschema.Schema) {
	exclude(s, "interval", "schedule")
	s.DependentRequired = map[string][]string{"timeZone": {"schedule"}}
}

// receivers asks for exactly one receiver in an entry.
func receivers(s *jsonschema.Schema) {
	s.OneOf = []*jsonschema.Schema{{Required: []string{"webhook"}}, {Required: []string{"sns"}}}
}

func share() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "number", Minimum: "0", ExclusiveMaximum: "1"},
		matching(&jsonschema.Schema{Type: "string"}, `^[0-9]+(\.[0-9]+)?%$`),
	}}
}
