package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/lockstepdb/lockstep/cluster/host"
)

const exampleHead = `# Lockstep: every setting of a node.
#
#   lockstep serve --config FILE
#
# A flag overrides an environment variable, which overrides this file, which overrides the default. The key raft.tick is
# the flag --raft-tick and the variable LOCKSTEP_RAFT_TICK. Unknown keys are errors. Durations are written like 50ms or 10s,
# sizes like 64MiB (powers of 1,024) or as a plain number of bytes. ` + "`lockstep config print`" + ` shows what is in effect and why.
#
# The values below are the defaults, but for cluster, node, data-dir and peers, which stand for the first
# of three nodes on one machine.
`

// WriteExample prints a complete, commented configuration file.
func WriteExample(w io.Writer) error {
	example := exampleConfig()
	var b strings.Builder
	b.WriteString(exampleHead)
	section := ""
	for _, s := range Settings() {
		head, name, nested := strings.Cut(s.Key, ".")
		indent := ""
		if !nested {
			name, head = head, ""
		} else {
			indent = "  "
		}
		if head != section {
			fmt.Fprintf(&b, "\n%s:", head)
			section = head
		}
		fmt.Fprintf(&b, "\n%s# %s.\n%s%s:%s\n", indent, s.comment(), indent, name, yamlValue(value(example, s.Key)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s Setting) comment() string {
	c := strings.ToUpper(s.Usage[:1]) + s.Usage[1:]
	if s.Range != "" && s.kind != peers {
		c += " (" + s.Range + ")"
	}
	c += ". Default: "
	v := value(defaults(), s.Key)
	switch {
	case s.Key == "node" || s.Key == "data-dir":
		return c + "none, it is required"
	case v.Kind() == reflect.String && v.String() == "" || v.Kind() == reflect.Slice && v.Len() == 0:
		return c + "none"
	}
	return c + text(plain(v))
}

// yamlValue follows the colon behind a key.
func yamlValue(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case []host.Peer:
		var b strings.Builder
		for _, p := range x {
			fmt.Fprintf(&b, "\n  - {node: %d, peer: %q, http: %q, grpc: %q}", p.Node, p.Peer, p.HTTP, p.GRPC)
		}
		return b.String()
	case []string:
		return " [" + strings.Join(x, ", ") + "]"
	}
	s := fmt.Sprint(plain(v))
	if s == "" {
		s = `""`
	}
	return " " + s
}

func exampleConfig() host.Config {
	c := defaults()
	c.Cluster, c.Node, c.DataDir = "example", 1, "./data/node-1"
	c.Peers = nil
	for i := range 3 {
		c.Peers = append(c.Peers, host.Peer{
			Node: uint64(i + 1),
			Peer: fmt.Sprintf("127.0.0.1:%d", 16801+i),
			HTTP: fmt.Sprintf("127.0.0.1:%d", 8081+i),
			GRPC: fmt.Sprintf("127.0.0.1:%d", 9081+i),
		})
	}
	return c
}
