package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/cluster/host"
)

// parsePeer reads 1=host:port,http=host:port,grpc=host:port, the form of --peer. http and grpc may be left out.
func parsePeer(text string) (host.Peer, error) {
	bad := func(why string) (host.Peer, error) {
		return host.Peer{}, fmt.Errorf("%q is not a peer (%s); write it like 1=10.0.0.1:16801,http=10.0.0.1:8081,grpc=10.0.0.1:9081", text, why)
	}
	id, rest, found := strings.Cut(text, "=")
	node, err := strconv.ParseUint(strings.TrimSpace(id), 10, 64)
	if !found || err != nil || node == 0 {
		return bad("it starts with the node's id, from 1")
	}
	parts := strings.Split(rest, ",")
	p := host.Peer{Node: node, Peer: strings.TrimSpace(parts[0])}
	if p.Peer == "" {
		return bad("its peer address is missing")
	}
	for _, part := range parts[1:] {
		name, address, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "http":
			p.HTTP = address
		case "grpc":
			p.GRPC = address
		default:
			return bad(fmt.Sprintf("it has no field %q", name))
		}
	}
	return p, nil
}

// FormatPeer is the inverse of what --peer reads.
func FormatPeer(p host.Peer) string {
	return formatPeer(strconv.FormatUint(p.Node, 10), p)
}

// formatPeer takes the id as text, since one from a file may not be a number.
func formatPeer(id string, p host.Peer) string {
	text := id + "=" + p.Peer
	if p.HTTP != "" {
		text += ",http=" + p.HTTP
	}
	if p.GRPC != "" {
		text += ",grpc=" + p.GRPC
	}
	return text
}

func peerMap(p host.Peer) map[string]any {
	return map[string]any{"node": p.Node, "peer": p.Peer, "http": p.HTTP, "grpc": p.GRPC}
}

// parseTexts turns the texts of a repeated flag, or the parts of a variable, into what koanf merges.
func (s Setting) parseTexts(texts []string) (any, error) {
	switch s.kind {
	case list:
		return append([]string{}, texts...), nil
	case peers:
		all := make([]any, 0, len(texts))
		for _, text := range texts {
			p, err := parsePeer(text)
			if err != nil {
				return nil, err
			}
			all = append(all, peerMap(p))
		}
		return all, nil
	}
	return s.parse(texts[len(texts)-1])
}
