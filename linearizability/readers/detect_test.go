package readers

import (
	"bufio"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDetect(t *testing.T) {
	const op = ":process 0, :type :invoke, :f :read, :value nil"
	for input, want := range map[string]string{
		`{"format":"lockstep-history","version":1}`:               "lockstep",
		`{"ClientId":0,"Input":{}}`:                               "etcd-robustness",
		"{\n  \"Metadata\": [1],\n  \"Call\": 3}":                 "etcd-robustness",
		`{"name":"format"}`:                                       "",
		`["format"]`:                                              "",
		"\n\nINFO  jepsen.util - 0\t:invoke\t:read\tnil":          "jepsen-log",
		"INFO  jepsen.core - jepsen is up\nINFO  jepsen.util - x": "",
		"{" + op + "}":                                            "jepsen-edn",
		"[{" + op + "}]":                                          "jepsen-edn",
		" ; from a test\n(#jepsen.history.Op{" + op + "})":        "jepsen-edn",
		"#_ x\n{" + op + "}":                                      "jepsen-edn",
		"{" + op + "} {:error [:precondition-failed \"no\"]}":     "maelstrom",
		"{" + op + ", :error :net-timeout}":                       "maelstrom",
		"{" + op + ", :key \"0\"}":                                "porcupine-kv",
		"#inst{" + op + "}":                                       "",
		"{:a 1}":                                                  "",
		"{:process 0}":                                            "",
		"[]":                                                      "",
		"#":                                                       "",
		"{" + op + ", :x \"" + strings.Repeat("x", detectBytes) + "\"}":   "",
		strings.Repeat(" ", detectBytes-100) + "{" + op + "}":             "jepsen-edn",
		"{" + op + "}" + strings.Repeat(" ", detectBytes) + "net-timeout": "jepsen-edn",
	} {
		got, err := detect(bufio.NewReaderSize(strings.NewReader(input), readBufferBytes))
		require.NoError(t, err)
		require.Equal(t, want, got, "%.100s", input)
	}
}
