package server

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/kv"
)

// tag is one entity tag of a list. Ours are mod revisions; another server's has revision 0, which no key ever has.
type tag struct {
	weak     bool
	revision uint64
}

// tags is a parsed If-Match or If-None-Match (RFC 9110, 13.1.1 and 13.1.2).
type tags struct {
	any  bool // *
	list []tag
}

// tagsMax bounds the tags of one request.
const tagsMax = 64

var (
	errTags     = errors.New("not a list of entity tags: expected * or quoted tags separated by commas")
	errTagsMany = errors.New("more than " + strconv.Itoa(tagsMax) + " entity tags")
)

// parseTags parses the values of all header lines of one name, as one list. No value at all is no list and no error.
func parseTags(values []string) (tags, error) {
	var t tags
	for _, v := range values {
		if err := t.add(v); err != nil {
			return tags{}, err
		}
	}
	if t.any && len(t.list) > 0 || len(values) > 0 && !t.any && len(t.list) == 0 {
		return tags{}, errTags
	}
	return t, nil
}

// add parses one header line. Empty elements are allowed in lists (RFC 9110, 5.6.1.2).
func (t *tags) add(v string) error {
	for {
		v = strings.TrimLeft(v, " \t,")
		if v == "" {
			return nil
		}
		if v[0] == '*' {
			if t.any {
				return errTags
			}
			t.any = true
			v = v[1:]
		} else {
			one, rest, err := cutTag(v)
			if err != nil {
				return err
			}
			if len(t.list) == tagsMax {
				return errTagsMany
			}
			t.list = append(t.list, one)
			v = rest
		}
		v = strings.TrimLeft(v, " \t")
		if v != "" && v[0] != ',' {
			return errTags
		}
	}
}

// cutTag parses the entity tag at the start of v.
func cutTag(v string) (one tag, rest string, err error) {
	v, one.weak = strings.CutPrefix(v, "W/")
	if !strings.HasPrefix(v, `"`) {
		return tag{}, "", errTags
	}
	opaque, rest, ok := strings.Cut(v[1:], `"`)
	if !ok || strings.ContainsFunc(opaque, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return tag{}, "", errTags
	}
	one.revision, _ = parseUint(opaque)
	return one, rest, nil
}

// parseUint parses a number as this API writes it: decimal digits, no sign, no leading zero. 0 with false for anything else.
func parseUint(v string) (uint64, bool) {
	if v == "" || len(v) > 1 && v[0] == '0' || v[0] < '0' || v[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, false
	}
	return n, true
}

// matches compares strongly: a weak tag matches nothing.
func (t *tags) matches(revision uint64) bool {
	for _, one := range t.list {
		if !one.weak && one.revision == revision {
			return true
		}
	}
	return t.any
}

// matchesWeakly ignores whether a tag is weak.
func (t *tags) matchesWeakly(revision uint64) bool {
	for _, one := range t.list {
		if one.revision == revision {
			return true
		}
	}
	return t.any
}

func (t *tags) empty() bool { return !t.any && len(t.list) == 0 }

// noRevision is a mod revision that no key reaches, for a tag that can never match.
const noRevision = math.MaxUint64

var (
	errConditionBoth     = errors.New("If-Match and If-None-Match cannot be used together on a write")
	errConditionNotStar  = errors.New("If-None-Match on a write must be *")
	errConditionManyTags = errors.New("If-Match on a write must have one entity tag, or *")
)

// writeCondition turns preconditions of a write into a command's. A tag that is weak or not ours never matches, which
// the state machine then finds itself, so that the answer carries the current revision.
func writeCondition(match, noneMatch tags) (kv.Condition, uint64, error) {
	switch {
	case match.empty() && noneMatch.empty():
		return kv.Always, 0, nil
	case !match.empty() && !noneMatch.empty():
		return 0, 0, errConditionBoth
	case noneMatch.any:
		return kv.MustNotExist, 0, nil
	case !noneMatch.empty():
		return 0, 0, errConditionNotStar
	case match.any:
		return kv.MustExist, 0, nil
	}
	revision := uint64(0)
	for _, one := range match.list {
		if one.weak || one.revision == 0 || one.revision == revision {
			continue
		}
		if revision != 0 {
			return 0, 0, errConditionManyTags
		}
		revision = one.revision
	}
	if revision == 0 {
		revision = noRevision
	}
	return kv.RevisionEquals, revision, nil
}
