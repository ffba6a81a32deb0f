package lockstep_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// walk calls f for every file of the repository with the ending, nested modules and what was built left out.
func walk(t *testing.T, ending string, f func(name, text string)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "bin", "data"}, name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ending) {
			return nil
		}
		text, err := os.ReadFile(name)
		f(filepath.ToSlash(name), string(text))
		return err
	}))
}

// required are the modules of go.mod.
func required(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	require.NotRegexp(t, `(?m)^\s*replace\b`, string(text), "go.mod must not replace modules")
	var modules []string
	for _, m := range regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+) v\S+`).FindAllStringSubmatch(string(text), -1) {
		modules = append(modules, m[1])
	}
	require.NotEmpty(t, modules)
	return modules
}

// imported are the modules that our own code imports, tests included.
func imported(t *testing.T) map[string]string {
	t.Helper()
	modules, by := required(t), map[string]string{}
	walk(t, ".go", func(name, text string) {
		if strings.HasPrefix(name, "tools/") || strings.Contains(name, "/testdata/") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range f.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			best := ""
			for _, m := range modules {
				if within(p, m) && len(m) > len(best) {
					best = m
				}
			}
			if best != "" {
				by[best] = name
			}
		}
	})
	require.NotEmpty(t, by)
	return by
}

func TestEveryDependencyIsExplained(t *testing.T) {
	text, err := os.ReadFile("docs/dependencies.md")
	require.NoError(t, err)
	listed := map[string]bool{}
	ours, _, _ := strings.Cut(string(text), "## Tools")
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(ours, -1) {
		listed[m[1]] = true
	}
	by := imported(t)
	for module, name := range by {
		if !listed[module] {
			t.Errorf("%s imports %s, which docs/dependencies.md does not explain", name, module)
		}
	}
	for module := range listed {
		if by[module] == "" {
			t.Errorf("docs/dependencies.md explains %s, which nothing imports", module)
		}
	}
}

var (
	linkForm   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeBlock  = regexp.MustCompile("(?ms)^```.*?^```")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	headForm   = regexp.MustCompile(`(?m)^#+ +(.*?) *$`)
)

// Links within the repository lead to files that exist, and to headings that they have.
func TestLinksLeadSomewhere(t *testing.T) {
	walk(t, ".md", func(name, text string) {
		plain := inlineCode.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "")
		for _, m := range linkForm.FindAllStringSubmatch(plain, -1) {
			if err := checkLink(name, m[1]); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func checkLink(from, link string) error {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return err // the world outside is not ours to check
	}
	target := from
	if u.Path != "" {
		target = filepath.Join(filepath.Dir(from), u.Path)
	}
	text, err := os.ReadFile(target)
	if err != nil {
		if s, statErr := os.Stat(target); statErr == nil && s.IsDir() {
			return nil
		}
		return fmt.Errorf("link %s leads nowhere", link)
	}
	if u.Fragment == "" || !strings.HasSuffix(target, ".md") {
		return nil
	}
	for _, m := range headForm.FindAllStringSubmatch(codeBlock.ReplaceAllString(string(text), ""), -1) {
		if anchor(m[1]) == u.Fragment {
			return nil
		}
	}
	return fmt.Errorf("%s has no heading for #%s", target, u.Fragment)
}

// anchor is what GitHub makes of a heading.
func anchor(heading string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, heading)
}

func TestAnchors(t *testing.T) {
	require.Equal(t, "exit-codes", anchor("Exit codes"))
	require.Equal(t, "lockstep-up-and-down", anchor("`lockstep up` and `down`"))
	require.Error(t, checkLink("docs_test.go", "nowhere.md"))
	require.NoError(t, checkLink("docs/x.md", "../go.mod"))
}

// House rules that a reader would notice.
func TestTheCodeHasNoLooseEnds(t *testing.T) {
	loose := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	walk(t, ".go", func(name, text string) {
		if name == "docs_test.go" {
			return
		}
		if m := loose.FindString(text); m != "" {
			t.Errorf("%s: %s", name, m)
		}
		if strings.Contains(text, `panic("unwritten")`) {
			t.Errorf("%s: unwritten", name)
		}
	})
}
