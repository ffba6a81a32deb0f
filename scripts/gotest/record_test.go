package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const stream = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: broken\n"}
{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:9: no strace here; install strace\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestC","Output":"noise\n"}
{"Action":"attr","Package":"p","Test":"TestC","Key":"seeds","Value":"5-9"}
{"Action":"pass","Package":"p","Test":"TestC","Elapsed":0}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"fail","Package":"p","Elapsed":0.1}
`

func TestRecord(t *testing.T) {
	var out bytes.Buffer
	r := newRecord(&out)
	r.follow(strings.NewReader(stream))
	require.Equal(t, 1, r.close())
	require.Contains(t, out.String(), "a_test.go:3: broken")
	require.Contains(t, out.String(), "p TestB: no strace here; install strace")
	require.NotContains(t, out.String(), "noise")
	require.Contains(t, out.String(), "p TestC seeds: 5-9\n", "what a test says of itself is shown also if it passes")
	require.True(t, strings.HasSuffix(out.String(), "\n1 passed, 1 failed, 1 skipped\n"))
}

func TestABuildFailureIsAFailure(t *testing.T) {
	var out bytes.Buffer
	r := newRecord(&out)
	r.follow(strings.NewReader(`{"ImportPath":"p","Action":"build-output","Output":"p/x.go:1:1: bad\n"}
{"ImportPath":"p","Action":"build-fail"}
`))
	require.Equal(t, 1, r.close())
	require.Contains(t, out.String(), "p/x.go:1:1: bad")
	require.Contains(t, out.String(), "0 passed, 1 failed, 0 skipped")
}

func TestNothingFailed(t *testing.T) {
	var out bytes.Buffer
	r := newRecord(&out)
	r.follow(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestC","Elapsed":0}` + "\n"))
	require.Equal(t, 0, r.close())
	require.Contains(t, out.String(), "1 passed, 0 failed, 0 skipped")
}

func TestFuzzTargetsAreFound(t *testing.T) {
	targets, err := fuzzTargets("../../cmd/lockstep/internal/config")
	require.NoError(t, err)
	require.Len(t, targets, 1)
	require.Equal(t, "FuzzFile", targets[0].name)
}
