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
		`{"version":1,"unit":"ns","format":"lockstep-history"}`:   "lockstep",
		`{"event":"invoke","id":1,"at":5}`:                        "lockstep",
		`{"at":5,"event":"note"}`:                                 "lockstep",
		`{"event":"click"}`:                                       "",
		`{"event":["invoke"]}`:                                    "",
		`{"Call":3,"Output":`:                                     "etcd-robustness",
		`{"version":1,"unit":`:                                    "",
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

func TestHeaders(t *testing.T) {
	const event = `{"event":"invoke","id":1,"at":5,"client":1,"kind":"get","key":"a"}`
	for _, format := range []string{"auto", "lockstep"} {
		h, err := read1(format, `{"version":1, "unit":"ns", "store":"s", "format":"lockstep-history"}`+"\n"+event+"\n")
		require.NoError(t, err)
		require.Len(t, h.Operations, 1)
		for _, input := range []string{event, event + "\n", "\ufeff" + event + "\n" + event} {
			_, err = read1(format, input)
			require.EqualError(t, err, `h:1: the header is missing: this is an event, and the first line has to begin a history with {"format":"lockstep-history","version":1,...}`)
		}
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, format := range append([]string{"auto"}, Formats...) {
		for _, input := range []string{"", " ", "\n", "\ufeff", "\ufeff\r\n", strings.Repeat("\t\n", detectBytes/4)} {
			_, err := read1(format, input)
			require.EqualError(t, err, "h: the file is empty", "%s of %d bytes", format, len(input))
		}
	}
	_, err := read1("auto", strings.Repeat(" \n", readBufferBytes))
	require.EqualError(t, err, "h: the file is empty")
	_, err = read1("auto", strings.Repeat(" \n", readBufferBytes)+"x")
	require.ErrorContains(t, err, "h: no known format begins like this")
}
