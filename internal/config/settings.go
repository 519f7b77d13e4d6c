package config

import (
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"time"
	_ "time/tzdata" // so that time zones are known on machines without their data

	"github.com/regsweep/regsweep/internal/config/strict"
	"github.com/regsweep/regsweep/internal/graph"
)

// The part of a tag that comes before "-" and a Unix time of up to 11 digits:
// an OCI tag has at most 128 characters (distribution specification, "Pulling
// manifests").
var (
	tagPrefix = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,115}$`)
	tagName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	currency  = regexp.MustCompile(`^[A-Z]{3}$`)
)

func (c checker) tag() {
	t := c.cfg.Tag
	c.text("tag.prefix", t.Prefix, tagPrefix, "a tag: letters, digits, \"_\", \".\" and \"-\", the first one no \".\" and no \"-\", 116 at most")
	c.text("tag.name", t.Name, tagName, "a tag: letters, digits, \"_\", \".\" and \"-\", the first one no \".\" and no \"-\", 128 at most")
	c.atLeast("tag.keepPerImage", t.KeepPerImage, 1)
	prefix, name := c.doc.Has("tag.prefix"), c.doc.Has("tag.name")
	switch {
	case prefix && name:
		c.doc.WrongField("tag.name", "tag.prefix and tag.name exclude each other: write one of them")
	case name && c.doc.Has("tag.keepPerImage"):
		c.doc.WrongField("tag.keepPerImage", "counts marks with a prefix, and with tag.name an image has one")
	}
	switch _, _, artifact := graph.ArtifactTag(t.Name); {
	case c.said("tag.name") && t.Name == "latest":
		c.doc.Wrong("tag.name", "is the tag of references without one: moving it would change what they mean; write another, such as production")
	case c.said("tag.name") && artifact:
		c.doc.Wrong("tag.name", "has the form of tags that attach one image to another: write another, such as production")
	}
}

func (c checker) price() {
	if c.said("price.perGBMonth") && c.cfg.Price.PerGBMonth < 0 {
		c.doc.Wrong("price.perGBMonth", "a price cannot be negative")
	}
	c.text("price.currency", c.cfg.Price.Currency, currency, "a currency code of three letters such as EUR")
}

func (c checker) mode() {
	if m := c.cfg.Mode; c.said("mode") && m != ModePlan && m != ModeApply {
		c.doc.Wrong("mode", "must be plan or apply, and this is %s", c.doc.Show("mode"))
	}
}

// minInterval is the shortest time between runs.
const minInterval = time.Minute

func (c checker) controller() {
	k := c.cfg.Controller
	if c.doc.Has("controller.interval") && c.doc.Has("controller.schedule") {
		c.doc.WrongField("controller.schedule", "controller.interval and controller.schedule exclude each other: write one of them")
	}
	if c.said("controller.interval") && k.Interval < minInterval {
		c.doc.Wrong("controller.interval", "%s is too short: the least is 1m", c.doc.Show("controller.interval"))
	}
	if c.said("controller.schedule") {
		if err := checkSchedule(k.Schedule); err != nil {
			c.refuse("controller.schedule", err, "a schedule such as \"0 3 * * *\"")
		}
	}
	if c.doc.Has("controller.timeZone") && !c.doc.Has("controller.schedule") {
		c.doc.WrongField("controller.timeZone", "is for controller.schedule, which is not set")
	}
	if c.said("controller.timeZone") {
		// "Local" would make the schedule depend on the machine.
		if _, err := time.LoadLocation(k.TimeZone); err != nil || k.TimeZone == "Local" {
			c.doc.Wrong("controller.timeZone", "%s is no time zone of the IANA database such as Europe/Berlin", c.doc.Show("controller.timeZone"))
		}
	}
	if c.said("controller.page.address") && !validAddress(k.Page.Address) {
		c.doc.Wrong("controller.page.address", "%s is no address to listen on such as \":8080\" or \"127.0.0.1:8080\"", c.doc.Show("controller.page.address"))
	}
}

func validAddress(address string) bool {
	_, port, err := net.SplitHostPort(address)
	n, convErr := strconv.Atoi(port)
	return err == nil && convErr == nil && 0 <= n && n <= 65535
}

// topicARN is the ARN of a standard topic. One of the FIFO kind delivers to
// queues only ("Amazon SNS FIFO topics" in the developer guide).
var topicARN = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)

func (c checker) notify() {
	for i, n := range c.cfg.Notify {
		path := strict.Index("notify", i)
		webhook, topic := c.doc.Has(path+".webhook"), c.doc.Has(path+".sns")
		switch {
		case c.doc.Bad(path):
		case webhook && topic:
			c.doc.WrongField(path+".sns", "this entry has a webhook already: write one entry for each")
		case topic:
			c.topic(path, n.SNS)
		case webhook:
			c.webhook(path, n.Webhook)
		default:
			c.doc.Wrong(path, "has no receiver: write webhook: {url: …} or sns: {topicArn: …}")
		}
	}
}

func (c checker) webhook(path string, w Webhook) {
	switch at := path + ".webhook.url"; {
	case !c.doc.Has(at):
		c.doc.Wrong(path+".webhook", "has no url")
	case !validURL(w.URL):
		// It is a secret, also where it has a mistake: a refused configuration is
		// shown in the log, in Events and on the page.
		c.doc.Wrong(at, "is no URL such as https://hooks.example.com/regsweep")
	}
}

func (c checker) topic(path string, t SNS) {
	at := path + ".sns.topicArn"
	if !c.doc.Has(at) {
		c.doc.Wrong(path+".sns", "has no topicArn")
		return
	}
	c.text(at, t.TopicARN, topicARN, "the ARN of a standard topic such as arn:aws:sns:eu-west-1:111122223333:regsweep")
}

func validURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// text checks a text that the document says.
func (c checker) text(path, value string, pattern *regexp.Regexp, want string) {
	if c.said(path) && !pattern.MatchString(value) {
		c.doc.Wrong(path, "%s is not %s", c.doc.Show(path), want)
	}
}

// refuse records an error whose text may show the value.
func (c checker) refuse(path string, err error, want string) {
	if c.doc.Reveals(path, err.Error()) {
		c.doc.Wrong(path, "%s does not give %s", c.doc.Show(path), want)
		return
	}
	c.doc.Wrong(path, "%v", err)
}

// checkSettings checks what an entry says under its kind: texts against the
// patterns of the kind, and numbers, which are 1 or more wherever they are set.
func checkSettings(doc *strict.Document, path string, config any, settings map[string]Setting) {
	c := checker{doc: doc}
	v := reflect.ValueOf(config).Elem()
	for _, f := range strict.Fields(v.Type()) {
		at, s := strict.Join(path, f.Name), settings[f.Name]
		switch value := v.FieldByIndex(f.Index).Interface().(type) {
		case int:
			c.atLeast(at, value, 1)
		case string:
			c.setting(at, value, s)
		case []string:
			mend := "name at least one, or remove the field"
			if s.Required {
				mend = "it is " + s.Want
			}
			c.notEmpty(at, len(value), "is empty: "+mend)
			for i, text := range value {
				entry := strict.Index(at, i)
				c.setting(entry, text, s)
				if s.Unique && c.said(entry) && slices.Contains(value[:i], text) {
					c.doc.Wrong(entry, "%s is named twice", c.doc.Show(entry))
				}
			}
		}
	}
	for name, s := range settings {
		if at := strict.Join(path, name); s.Required && !doc.Has(at) && !doc.Bad(path) {
			doc.Wrong(at, "is missing: it is %s", s.Want)
		}
	}
}

func (c checker) setting(path, value string, s Setting) {
	if s.Pattern != "" {
		c.text(path, value, regexp.MustCompile(s.Pattern), s.Want)
	}
}

// sameSettings reports whether two registries are configured alike.
func sameSettings(a, b any) bool { return reflect.DeepEqual(a, b) }
