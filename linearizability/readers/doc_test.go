package readers

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The examples of docs/format/foreign-histories.md are read, are linearizable, and are told by detection.
func TestDocumentedExamples(t *testing.T) {
	text, err := os.ReadFile("../../docs/format/foreign-histories.md")
	require.NoError(t, err)
	doc := string(text)
	for _, format := range Formats[1:] {
		m := regexp.MustCompile("(?ms)^## " + format + "\n\n    lockstep check --format " + format + " \\S+\n\n```" + format + "\n(.*?)^```$").FindStringSubmatch(doc)
		require.NotNil(t, m, "no section with command and example for %s", format)
		h, err := read1(format, m[1])
		require.NoError(t, err, format)
		auto, err := read1("auto", m[1])
		require.NoError(t, err, format)
		require.Equal(t, h, auto)
		require.True(t, judge(t, h), format)
		require.Equal(t, 1, strings.Count(doc, "\n| `"+format+"` |"), "%s is not in the table", format)
	}
}
