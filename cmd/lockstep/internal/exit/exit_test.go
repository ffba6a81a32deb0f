package exit

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCodeOf(t *testing.T) {
	require.Equal(t, OK, CodeOf(nil))
	require.Equal(t, Failure, CodeOf(errors.New("plain")))
	require.Equal(t, BadData, CodeOf(fmt.Errorf("around: %w", New(BadData, "", "torn"))))
}

func TestWrapKeepsTheInnerCode(t *testing.T) {
	inner := New(Unavailable, "start a node", "nobody answers")
	require.Equal(t, Unavailable, CodeOf(Wrap(Failure, "other", inner)))
	require.NoError(t, Wrap(Failure, "", nil))
}

func TestErrorIsOneLineWithTheRemedy(t *testing.T) {
	err := New(Usage, "run\nthis", "two\nlines")
	require.Equal(t, "two lines; run this", err.Error())
}

func TestTableIsAscendingAndComplete(t *testing.T) {
	last := Code(-1)
	for _, row := range Table() {
		require.Greater(t, row.Code, last)
		require.NotEmpty(t, row.Meaning)
		last = row.Code
	}
	require.Len(t, Table(), 8)
}
