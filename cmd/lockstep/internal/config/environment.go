package config

import (
	"regexp"
	"sort"
	"strings"
)

const environmentPrefix = "LOCKSTEP_"

// Variables that are not settings of a node, and that the commands read themselves.
const (
	FileVariable      = "LOCKSTEP_CONFIG"    // the configuration file, like --config
	EndpointsVariable = "LOCKSTEP_ENDPOINTS" // the nodes that client commands ask, like --endpoint
)

// injected matches the variables that Kubernetes adds to every container for a service whose name is "lockstep" or
// begins with "lockstep-": NAME_SERVICE_HOST, NAME_SERVICE_PORT, NAME_SERVICE_PORT_PORTNAME, and those of
// Docker-style links, NAME_PORT_8081_TCP with its _PROTO, _PORT and _ADDR.
var injected = regexp.MustCompile(`^LOCKSTEP_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// injectedPort is NAME_PORT, which Kubernetes sets to an address. With any other value it is somebody's mistake.
var (
	injectedPort      = regexp.MustCompile(`^LOCKSTEP_([A-Z0-9_]+_)?PORT$`)
	injectedPortValue = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

func isInjected(name, value string) bool {
	return injected.MatchString(name) || injectedPort.MatchString(name) && injectedPortValue.MatchString(value)
}

// loadEnvironment reads the LOCKSTEP_* variables. An empty variable counts as not set, because that is what
// templates of compose files leave behind.
func loadEnvironment(settings []Setting, environ []string) (layer, error) {
	l := newLayer()
	sorted := append([]string(nil), environ...)
	sort.Strings(sorted) // so that the first error is always the same one
	for _, pair := range sorted {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, environmentPrefix) || value == "" || name == FileVariable || name == EndpointsVariable {
			continue
		}
		s, known := find(settings, name, byEnv)
		switch {
		case known:
			if err := l.set(s, Origin{Environment, name}, s.split(value)); err != nil {
				return layer{}, err
			}
		case !isInjected(name, value):
			return layer{}, unknownVariable(settings, name)
		}
	}
	return l, nil
}

// split cuts a variable into the texts of a list: peers at semicolons or white space, since they hold commas.
func (s Setting) split(value string) []string {
	switch s.kind {
	case list:
		return fields(value, func(r rune) bool { return r == ',' })
	case peers:
		return strings.FieldsFunc(value, func(r rune) bool { return r == ';' || r == ' ' || r == '\n' || r == '\t' })
	}
	return []string{value}
}

func fields(value string, cut func(rune) bool) []string {
	parts := strings.FieldsFunc(value, cut)
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func unknownVariable(settings []Setting, name string) error {
	names := []string{FileVariable, EndpointsVariable}
	for _, s := range settings {
		names = append(names, s.Env)
	}
	return unknown("environment variable", name, "", names)
}
