package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/cluster/host"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

const examplePath = "../../../../deploy/lockstep.example.yaml"

func flagSet(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(flags)
	require.NoError(t, flags.Parse(args))
	return flags
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "lockstep.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestEverySettingIsDocumented(t *testing.T) {
	var keys, documented []string
	for _, s := range Settings() {
		keys = append(keys, s.Key)
	}
	for key := range docs {
		documented = append(documented, key)
	}
	require.ElementsMatch(t, keys, documented)
}

func TestEverySettingHasNamesOfItsOwn(t *testing.T) {
	flags, variables := map[string]string{}, map[string]string{}
	for _, s := range Settings() {
		require.Empty(t, flags[s.Flag], "--%s is also %s", s.Flag, s.Key)
		require.Empty(t, variables[s.Env], "%s is also %s", s.Env, s.Key)
		require.False(t, isInjected(s.Env, "tcp://10.0.0.1:8081"), "%s looks like a service link", s.Env)
		require.NotEqual(t, FileVariable, s.Env)
		require.NotEqual(t, EndpointsVariable, s.Env)
		flags[s.Flag], variables[s.Env] = s.Key, s.Key
	}
}

func TestNames(t *testing.T) {
	s, ok := find(Settings(), "raft.election-ticks", byKey)
	require.True(t, ok)
	require.Equal(t, "raft-election-ticks", s.Flag)
	require.Equal(t, "LOCKSTEP_RAFT_ELECTION_TICKS", s.Env)
}

func TestLayersOverrideEachOther(t *testing.T) {
	file := writeFile(t, "cluster: from-file\ndata-dir: /file\nraft:\n  tick: 10ms\n  election-ticks: 20\nlog:\n  level: warn\n")
	environ := []string{"LOCKSTEP_DATA_DIR=/environment", "LOCKSTEP_RAFT_TICK=20ms", "HOME=/x"}
	e, err := Load(flagSet(t, "--config", file, "--raft-tick=30ms"), environ)
	require.NoError(t, err)
	require.Equal(t, "from-file", e.Config.Cluster)
	require.Equal(t, "/environment", e.Config.DataDir)
	require.EqualValues(t, 30e6, e.Config.Raft.Tick)
	require.Equal(t, 20, e.Config.Raft.ElectionTicks)
	require.Equal(t, "warn", e.Config.Log.Level)
	require.Equal(t, defaults().HTTPAddress, e.Config.HTTPAddress)

	require.Equal(t, Origin{File, file + ":1"}, e.Origins["cluster"])
	require.Equal(t, Origin{Environment, "LOCKSTEP_DATA_DIR"}, e.Origins["data-dir"])
	require.Equal(t, Origin{Flag, "--raft-tick"}, e.Origins["raft.tick"])
	require.Equal(t, Origin{}, e.Origins["http-address"])
}

func TestFileFromTheEnvironment(t *testing.T) {
	file := writeFile(t, "cluster: c\n")
	e, err := Load(nil, []string{"LOCKSTEP_CONFIG=" + file})
	require.NoError(t, err)
	require.Equal(t, "c", e.Config.Cluster)
}

// Every setting has to arrive from every layer: the store that this project follows ignored some without a word.
func TestEverySettingTakesEffectFromEveryLayer(t *testing.T) {
	for _, s := range Settings() {
		text := otherText(s)
		t.Run(s.Key, func(t *testing.T) {
			fromFlag, err := Load(flagSet(t, "--"+s.Flag+"="+text), nil)
			require.NoError(t, err)
			fromEnv, err := Load(nil, []string{s.Env + "=" + text})
			require.NoError(t, err)
			fromFile, err := Load(flagSet(t, "--config", writeFile(t, yamlOf(s.Key, text))), nil)
			require.NoError(t, err)
			for _, e := range []Effective{fromFlag, fromEnv, fromFile} {
				require.NotEqual(t, plain(value(defaults(), s.Key)), plain(value(e.Config, s.Key)))
				require.Equal(t, fromFlag.Config, e.Config)
			}
		})
	}
}

// otherText is a value that differs from the default.
func otherText(s Setting) string {
	switch {
	case s.kind == peers:
		return "7=127.0.0.1:1,http=127.0.0.1:2,grpc=127.0.0.1:3"
	case s.Type() == "bool":
		return map[bool]string{true: "false", false: "true"}[value(defaults(), s.Key).Bool()]
	case s.Type() == "duration":
		return "77ms"
	case s.Type() == "size":
		return "77MiB"
	case s.Type() == "number":
		return "0.125"
	case s.Type() == "int":
		return "77"
	}
	return "other"
}

func yamlOf(key, text string) string {
	if s, _ := find(Settings(), key, byKey); s.kind != scalar {
		text = "[\"" + text + "\"]"
	}
	if head, name, nested := strings.Cut(key, "."); nested {
		return head + ":\n  " + name + ": " + text + "\n"
	}
	return key + ": " + text + "\n"
}

func TestErrorsNameThePlaceAndTheNearestKey(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"unknown", "cluster: c\nraft:\n  tik: 10ms\n", ":3: unknown key raft.tik; did you mean raft.tick?"},
		{"unknown section", "raff:\n  x: 1\n", ":1: unknown key raff"},
		{"far off", "zzzzzzzzzz: 1\n", ":1: unknown key zzzzzzzzzz"},
		{"type", "node: one\n", ":1: node: \"one\" is not a whole number from 0"},
		{"negative", "node: -1\n", ":1: node: \"-1\" is not a whole number from 0"},
		{"duration", "raft:\n  tick: 50\n", ":2: raft.tick: \"50\" is not a duration"},
		{"twice", "node: 1\nnode: 2\n", ":2: node: it is set twice"},
		{"section as value", "raft: 5\n", ":1: raft: keys with values are expected"},
		{"list as value", "node: [1]\n", ":1: node: one value is expected"},
		{"value as list", "peers: 5\n", ":1: peers: a list is expected"},
		{"peer field", "peers:\n  - {node: 1, addr: x}\n", ":2: unknown key peers.addr"},
		{"peer id", "peers:\n  - {node: x, peer: y}\n", "is not a peer"},
		{"two documents", "node: 1\n---\nnode: 2\n", "more than one YAML document"},
		{"no mapping", "- 1\n", ":1: keys with values are expected"},
		{"broken", "a: [\n", "line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := writeFile(t, c.file)
			_, err := Load(flagSet(t, "--config", file), nil)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, file)
		})
	}
}

func TestMissingFileIsAnError(t *testing.T) {
	_, err := Load(flagSet(t, "--config", "nowhere.yaml"), nil)
	require.EqualError(t, err, "nowhere.yaml: no such file or directory")
	_, err = Load(flagSet(t, "--config", ""), nil)
	require.Error(t, err)
}

func TestEmptyFileAndEmptyKeysAreNoSettings(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "node:\nraft:\nlog:\n  level:\n"} {
		e, err := Load(flagSet(t, "--config", writeFile(t, text)), nil)
		require.NoError(t, err)
		require.Equal(t, defaults(), e.Config)
		require.Empty(t, e.Origins)
	}
}

func TestAnExplicitEmptyAddressTurnsItOff(t *testing.T) {
	e, err := Load(flagSet(t, "--config", writeFile(t, "admin-address: \"\"\n")), nil)
	require.NoError(t, err)
	require.Empty(t, e.Config.AdminAddress)
	e, err = Load(flagSet(t, "--admin-address="), nil)
	require.NoError(t, err)
	require.Empty(t, e.Config.AdminAddress)
}

func TestEnvironment(t *testing.T) {
	for _, c := range []struct{ pair, want string }{
		{"LOCKSTEP_RAFT_TIK=50ms", "did you mean LOCKSTEP_RAFT_TICK?"},
		{"LOCKSTEP_NODE=x", "LOCKSTEP_NODE: node: \"x\" is not a whole number"},
		{"LOCKSTEP_PORT=8081", "unknown environment variable LOCKSTEP_PORT"},
		{"LOCKSTEP_PORT_8081=x", "unknown environment variable"},
		{"LOCKSTEP_PORT_8081_HTTP=x", "unknown environment variable"},
		{"LOCKSTEP_SERVICE=x", "unknown environment variable"},
		{"LOCKSTEP_PORT=tcp://10.0.0.1:8081", ""},
		{"LOCKSTEP_SERVICE_HOST=10.0.0.1", ""},
		{"LOCKSTEP_SERVICE_PORT=8081", ""},
		{"LOCKSTEP_SERVICE_PORT_HTTP=8081", ""},
		{"LOCKSTEP_PORT_8081_TCP=tcp://10.0.0.1:8081", ""},
		{"LOCKSTEP_PORT_8081_TCP_PROTO=tcp", ""},
		{"LOCKSTEP_PORT_8081_TCP_PORT=8081", ""},
		{"LOCKSTEP_PORT_8081_UDP_ADDR=10.0.0.1", ""},
		{"LOCKSTEP_CLIENT_SERVICE_PORT_GRPC=9081", ""},
		{"LOCKSTEP_CLIENT_PORT=tcp://10.0.0.1:9081", ""},
		{"LOCKSTEP_ENDPOINTS=127.0.0.1:9081", ""},
		{"LOCKSTEP_NODE=", ""},
		{"LOCKSTEP_UNKNOWN=", ""},
		{"lockstep_node=x", ""},
	} {
		_, err := Load(nil, []string{c.pair})
		if c.want == "" {
			require.NoError(t, err, c.pair)
			continue
		}
		require.ErrorContains(t, err, c.want, c.pair)
	}
}

func TestPeersReadAlikeEverywhere(t *testing.T) {
	want := []host.Peer{
		{Node: 1, Peer: "10.0.0.1:16801", HTTP: "10.0.0.1:8081", GRPC: "10.0.0.1:9081"},
		{Node: 2, Peer: "[::1]:16802"},
	}
	one, two := FormatPeer(want[0]), FormatPeer(want[1])
	file := writeFile(t, "peers:\n  - {node: 1, peer: '10.0.0.1:16801', http: '10.0.0.1:8081', grpc: '10.0.0.1:9081'}\n  - node: 2\n    peer: '[::1]:16802'\n")
	for name, load := range map[string]func() (Effective, error){
		"flag":        func() (Effective, error) { return Load(flagSet(t, "--peer", one, "--peer", two), nil) },
		"environment": func() (Effective, error) { return Load(nil, []string{"LOCKSTEP_PEERS=" + one + "; " + two}) },
		"file":        func() (Effective, error) { return Load(flagSet(t, "--config", file), nil) },
	} {
		e, err := load()
		require.NoError(t, err, name)
		require.Equal(t, want, e.Config.Peers, name)
	}
}

func TestAListReplacesTheOneBelow(t *testing.T) {
	file := writeFile(t, "peers: ['1=a:1', '2=b:1', '3=c:1']\nserver:\n  cors-origins: [x, y]\n")
	e, err := Load(flagSet(t, "--config", file, "--peer", "9=z:1", "--server-cors-origin", "a,b"), nil)
	require.NoError(t, err)
	require.Equal(t, []host.Peer{{Node: 9, Peer: "z:1"}}, e.Config.Peers)
	require.Equal(t, []string{"a", "b"}, e.Config.Server.CORSOrigins)
}

func TestBadPeers(t *testing.T) {
	for _, text := range []string{"", "1", "x=a:1", "0=a:1", "1=", "1=,http=a:1", "1=a:1,ftp=b:1"} {
		_, err := parsePeer(text)
		require.Error(t, err, text)
	}
}

func TestNumbersAreDecimal(t *testing.T) {
	e, err := Load(flagSet(t, "--config", writeFile(t, "node: 010\nraft:\n  tail-entries: 10_000\n")), nil)
	require.NoError(t, err)
	require.EqualValues(t, 10, e.Config.Node)
	require.EqualValues(t, 10000, e.Config.Raft.TailEntries)
}

func TestExampleFileIsCompleteAndLoads(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteExample(&b))
	text, err := os.ReadFile(examplePath)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(text), "run make generate")

	e, err := Load(flagSet(t, "--config", examplePath), nil)
	require.NoError(t, err)
	want := exampleConfig()
	want.Server.CORSOrigins = []string{}
	require.Equal(t, want, e.Config)
	for _, s := range Settings() {
		require.Equal(t, File, e.Origins[s.Key].Layer, "%s is not in the example", s.Key)
	}
}

func TestPrint(t *testing.T) {
	e, err := Load(flagSet(t, "--node=3", "--peer", "3=a:1"), nil)
	require.NoError(t, err)
	var table, js bytes.Buffer
	require.NoError(t, e.WriteTable(&table))
	require.Regexp(t, `(?m)^node +3 +flag --node$`, table.String())
	require.Regexp(t, `(?m)^raft.tick +50ms +default$`, table.String())
	require.NoError(t, e.WriteJSON(&js))
	var parsed struct{ Settings []Row }
	require.NoError(t, json.Unmarshal(js.Bytes(), &parsed))
	require.Len(t, parsed.Settings, len(Settings()))
}

func TestNearest(t *testing.T) {
	require.Equal(t, 3, distance("kitten", "sitting"))
	require.Equal(t, 0, distance("", ""))
	require.Equal(t, "data-dir", nearest("datadir", []string{"node", "data-dir"}))
	require.Empty(t, nearest("zzz", []string{"node", "data-dir"}))
	require.Empty(t, nearest("LOCKSTEP_PORT", []string{"LOCKSTEP_NODE", "LOCKSTEP_JOIN"}), "they have only the prefix in common")
	require.Empty(t, nearest("a-long-name-of-something-else", []string{"a-long-story-of-nothing-else"}))
}

func FuzzFile(f *testing.F) {
	f.Add("cluster: c\npeers:\n  - {node: 1, peer: a:1}\n")
	f.Add("a: &a [1]\nb: *a\n")
	f.Fuzz(func(t *testing.T, text string) {
		name := filepath.Join(t.TempDir(), "f.yaml")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		l, err := loadFile(Settings(), name)
		if err != nil {
			return
		}
		_, err = merge([]layer{l})
		require.NoError(t, err)
	})
}
