package embedded

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// lifecycleRule is one rule of a lifecycle policy ("Lifecycle policy properties"
// in the ECR user guide).
type lifecycleRule struct {
	RulePriority int    `json:"rulePriority"`
	Description  string `json:"description"`
	Selection    *struct {
		TagStatus      string    `json:"tagStatus"`
		TagPatternList *[]string `json:"tagPatternList"`
		TagPrefixList  *[]string `json:"tagPrefixList"`
		StorageClass   string    `json:"storageClass"`
		CountType      string    `json:"countType"`
		CountUnit      string    `json:"countUnit"`
		CountNumber    int       `json:"countNumber"`
	} `json:"selection"`
	Action *struct {
		Type               string `json:"type"`
		TargetStorageClass string `json:"targetStorageClass"`
	} `json:"action"`
}

// archived says that the rule is about images of the archive.
func (r *lifecycleRule) archived() bool { return r.Selection.StorageClass == "archive" }

// parseLifecyclePolicy returns the rules in the order of their priority, or the
// error that the API answers.
func parseLifecyclePolicy(text string) ([]lifecycleRule, error) {
	if n := utf8.RuneCountInString(text); n < 100 || n > 30720 {
		return nil, invalidAt("LifecyclePolicyText", "must have length between 100 and 30720")
	}
	wrong := func(format string, args ...any) error {
		return invalidAt("LifecyclePolicyText", "Lifecycle policy validation failure: %s", fmt.Sprintf(format, args...))
	}
	var policy struct {
		Rules []lifecycleRule `json:"rules"`
	}
	if err := decodeStrictly([]byte(text), &policy); err != nil {
		return nil, wrong("%v", err)
	}
	if len(policy.Rules) == 0 || len(policy.Rules) > 50 {
		return nil, wrong("there must be 1 to 50 rules")
	}
	for i := range policy.Rules {
		if why := policy.Rules[i].wrong(); why != "" {
			return nil, wrong("rule %d: %s", i+1, why)
		}
	}
	slices.SortStableFunc(policy.Rules, func(a, b lifecycleRule) int { return cmp.Compare(a.RulePriority, b.RulePriority) })
	any := map[bool]bool{} // by storage class
	for i := range policy.Rules {
		r := &policy.Rules[i]
		if i > 0 && r.RulePriority == policy.Rules[i-1].RulePriority {
			return nil, wrong("rule priority %d is not unique", r.RulePriority)
		}
		if any[r.archived()] {
			return nil, wrong("a rule with tagStatus any must be the only one and have the highest rule priority")
		}
		any[r.archived()] = r.Selection.TagStatus == "any"
	}
	return policy.Rules, nil
}

// wrong says what is wrong with a rule, or nothing.
func (r *lifecycleRule) wrong() string {
	s, a := r.Selection, r.Action
	if s == nil || a == nil {
		return "selection and action are required"
	}
	lists := 0
	for _, list := range []*[]string{s.TagPatternList, s.TagPrefixList} {
		if list == nil {
			continue
		}
		if lists++; len(*list) == 0 || slices.Contains(*list, "") {
			return "a list of tags must not be empty, nor a tag"
		}
	}
	if s.TagPatternList != nil && slices.ContainsFunc(*s.TagPatternList, func(p string) bool { return strings.Count(p, "*") > 4 }) {
		return "a tag pattern has at most four wildcards"
	}
	switch {
	case r.RulePriority < 1:
		return "rulePriority must be at least 1"
	case s.CountNumber < 1 || s.CountNumber > math.MaxInt32:
		return "countNumber must be at least 1"
	case !slices.Contains([]string{"tagged", "untagged", "any"}, s.TagStatus):
		return "tagStatus must be tagged, untagged or any"
	case s.TagStatus == "tagged" && lists != 1:
		return "tagStatus tagged needs one of tagPatternList and tagPrefixList"
	case s.TagStatus != "tagged" && lists != 0:
		return "tagPatternList and tagPrefixList go with tagStatus tagged"
	case !slices.Contains([]string{"", "standard", "archive"}, s.StorageClass):
		return "storageClass must be standard or archive"
	case !slices.Contains([]string{"imageCountMoreThan", "sinceImagePushed", "sinceImagePulled", "sinceImageTransitioned"}, s.CountType):
		return "countType is not known"
	case (s.CountType == "imageCountMoreThan") != (s.CountUnit == "") || !slices.Contains([]string{"", "days"}, s.CountUnit):
		return "countUnit must be days, and only for a count of days"
	case (s.CountType == "sinceImageTransitioned") != r.archived():
		return "storageClass archive goes with sinceImageTransitioned"
	case a.Type != "expire" && a.Type != "transition":
		return "the action must be expire or transition"
	case (a.Type == "transition") != (a.TargetStorageClass == "archive") || !slices.Contains([]string{"", "archive"}, a.TargetStorageClass):
		return "targetStorageClass must be archive, and only for a transition"
	case a.Type == "expire" && s.CountType == "sinceImagePulled":
		return "sinceImagePulled does not expire"
	case a.Type == "transition" && r.archived():
		return "what is archived can only expire"
	}
	return ""
}

// meets says whether tags are what the rule requires: every element of its list
// matches one of them.
func (r *lifecycleRule) meets(tags []string) bool {
	switch r.Selection.TagStatus {
	case "any":
		return true
	case "untagged":
		return len(tags) == 0
	}
	var patterns []string
	if list := r.Selection.TagPatternList; list != nil {
		patterns = *list
	}
	if list := r.Selection.TagPrefixList; list != nil {
		for _, prefix := range *list {
			patterns = append(patterns, prefix+"*")
		}
	}
	for _, p := range patterns {
		if !slices.ContainsFunc(tags, func(tag string) bool { return wildcard(p, tag) }) {
			return false
		}
	}
	return true
}
