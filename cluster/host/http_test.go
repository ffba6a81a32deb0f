package host

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func statusOf(t *testing.T, url string) int {
	t.Helper()
	r, err := http.Get(url)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	return r.StatusCode
}

// contains says that one line of the member's log holds all parts.
func contains(m *member, parts ...string) bool {
	for line := range strings.Lines(m.logs.String()) {
		found := true
		for _, p := range parts {
			found = found && strings.Contains(line, p)
		}
		if found {
			return true
		}
	}
	return false
}
