package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// spec is the OpenAPI document, generically.
type spec map[string]any

func (s spec) at(path ...string) any {
	var v any = map[string]any(s)
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = s.resolve(m[key])
	}
	return v
}

func (s spec) resolve(v any) any {
	if m, ok := v.(map[string]any); ok {
		if ref, ok := m["$ref"].(string); ok {
			return s.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
	}
	return v
}

func readSpec(t *testing.T) spec {
	var s map[string]any
	require.NoError(t, yaml.Unmarshal(openapiSource, &s))
	return s
}

// documented lists "PUT /v1/{key} 201" and so on.
func (s spec) documented() []string {
	var out []string
	for path, item := range s.at("paths").(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			for status := range op.(map[string]any)["responses"].(map[string]any) {
				out = append(out, strings.ToUpper(method)+" "+path+" "+status)
			}
		}
	}
	sort.Strings(out)
	return out
}

// scenario brings about one documented response.
type scenario struct {
	target  string // path with the template filled in; empty: as documented
	headers string
	body    string // "-": none
	node    func(*oneNode)
	options func(*Options)
}

func refusing(r cluster.Reason) func(*oneNode) { return func(n *oneNode) { n.refuse(r) } }
func unknown(n *oneNode)                       { n.force(cluster.Reply{Outcome: cluster.Unknown}) }
func following(n *oneNode)                     { n.follow("127.0.0.1:9") }
func resulting(s kv.Status) func(*oneNode) {
	return func(n *oneNode) {
		n.force(cluster.Reply{Outcome: cluster.Done, Result: kv.Result{Status: s, Session: 5}})
	}
}

const inSession = "Lockstep-Session: 5\nLockstep-Sequence: 1"

// scenarios has exactly what is documented. The key "there" exists at revision 1.
func scenarios() map[string]scenario {
	long := "/v1/" + strings.Repeat("k", 2000)
	noReads := func(o *Options) { o.FollowerReads = false }
	out := map[string]scenario{
		"PUT /v1/{key} 200":              {target: "/v1/there"},
		"PUT /v1/{key} 201":              {target: "/v1/new"},
		"PUT /v1/{key} 411":              {target: "/v1/new", body: "-"},
		"PUT /v1/{key} 412":              {target: "/v1/there", headers: "If-None-Match: *"},
		"PUT /v1/{key} 413":              {target: "/v1/new", body: strings.Repeat("v", 1<<20+1)},
		"PUT /v1/{key} 415":              {target: "/v1/new", headers: "Content-Encoding: br"},
		"PUT /v1/{key} 507":              {target: "/v1/new", node: refusing(cluster.ReasonDataFull)},
		"DELETE /v1/{key} 204":           {target: "/v1/there", body: "-"},
		"DELETE /v1/{key} 412":           {target: "/v1/there", headers: `If-Match: "77"`, body: "-"},
		"POST /sessions 201":             {},
		"POST /sessions 307":             {node: following},
		"POST /sessions 400":             {headers: "Lockstep-Nonce: x"},
		"POST /sessions 429":             {node: refusing(cluster.ReasonOverloaded)},
		"POST /sessions 503":             {node: refusing(cluster.ReasonNoLeader)},
		"POST /sessions 504":             {node: unknown},
		"DELETE /sessions/{session} 204": {target: "/sessions/5", node: resulting(kv.OK), body: "-"},
		"DELETE /sessions/{session} 307": {target: "/sessions/5", node: following, body: "-"},
		"DELETE /sessions/{session} 400": {target: "/sessions/five", body: "-"},
		"DELETE /sessions/{session} 410": {target: "/sessions/5", body: "-"},
		"DELETE /sessions/{session} 429": {target: "/sessions/5", node: refusing(cluster.ReasonOverloaded), body: "-"},
		"DELETE /sessions/{session} 503": {target: "/sessions/5", node: refusing(cluster.ReasonNoLeader), body: "-"},
		"DELETE /sessions/{session} 504": {target: "/sessions/5", node: unknown, body: "-"},
		"GET /livez 200":                 {body: "-"},
		"GET /readyz 200":                {body: "-"},
		"GET /readyz 503":                {body: "-", node: func(n *oneNode) { n.status.Ready = false }},
		"GET /healthz 200":               {body: "-"},
		"GET /healthz 503":               {body: "-", node: func(n *oneNode) { n.status.Ready = false }},
		"GET /openapi.yaml 200":          {body: "-"},
		"GET /openapi.json 200":          {body: "-"},
		"GET /docs/ 200":                 {body: "-"},
		"GET / 200":                      {body: "-"},
	}
	for _, method := range []string{"GET", "HEAD"} {
		op := method + " /v1/{key} "
		out[op+"200"] = scenario{target: "/v1/there", body: "-"}
		out[op+"304"] = scenario{target: "/v1/there", headers: `If-None-Match: "1"`, body: "-"}
		out[op+"307"] = scenario{target: "/v1/there", node: following, options: noReads, body: "-"}
		out[op+"400"] = scenario{target: "/v1/there?consistency=some", body: "-"}
		out[op+"404"] = scenario{target: "/v1/absent", body: "-"}
		out[op+"412"] = scenario{target: "/v1/there", headers: `If-Match: "7"`, body: "-"}
		out[op+"414"] = scenario{target: long, body: "-"}
		out[op+"429"] = scenario{target: "/v1/there", node: refusing(cluster.ReasonOverloaded), body: "-"}
		out[op+"503"] = scenario{target: "/v1/there", node: refusing(cluster.ReasonNoLeader), body: "-"}
	}
	for _, method := range []string{"PUT", "DELETE"} {
		op := method + " /v1/{key} "
		out[op+"307"] = scenario{target: "/v1/there", node: following}
		out[op+"400"] = scenario{target: "/v1/there", headers: "If-Match: x"}
		out[op+"409"] = scenario{target: "/v1/there", headers: inSession, node: resulting(kv.SequenceReused)}
		out[op+"410"] = scenario{target: "/v1/there", headers: inSession}
		out[op+"414"] = scenario{target: long}
		out[op+"429"] = scenario{target: "/v1/there", node: refusing(cluster.ReasonOverloaded)}
		out[op+"503"] = scenario{target: "/v1/there", node: refusing(cluster.ReasonNoLeader)}
		out[op+"504"] = scenario{target: "/v1/there", node: unknown}
	}
	return out
}

func TestOpenAPIConformance(t *testing.T) {
	s := readSpec(t)
	all := scenarios()
	var driven []string
	for name := range all {
		driven = append(driven, name)
	}
	sort.Strings(driven)
	require.Equal(t, s.documented(), driven, "what is documented and what is driven here")
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			part := strings.Fields(name)
			g := start(t, c.options)
			g.put("there", "v")
			if c.node != nil {
				c.node(g.node)
			}
			if c.target == "" {
				c.target = part[1]
			}
			r, body := g.send(part[0]+" "+c.target, c.headers, c.body)
			response := s.at("paths", part[1], strings.ToLower(part[0]), "responses", part[2]).(map[string]any)
			require.Equal(t, part[2], r.Status[:3], body)
			s.checkHeaders(t, response, r)
			s.checkContent(t, response, r, body)
		})
	}
}

// unmentioned are headers that HTTP itself has, or that say nothing about the operation.
var unmentioned = map[string]bool{"Date": true, "Content-Length": true, "Content-Type": true, "Cache-Control": true, "Connection": true,
	"X-Content-Type-Options": true, "X-Request-Id": true, "Content-Security-Policy": true}

// checkHeaders compares both ways: required headers are there and well-formed, and no header is a secret.
func (s spec) checkHeaders(t *testing.T, response map[string]any, r *http.Response) {
	documented := map[string]bool{}
	headers, _ := response["headers"].(map[string]any)
	for name, h := range headers {
		documented[http.CanonicalHeaderKey(name)] = true
		header := s.resolve(h).(map[string]any)
		value := r.Header.Get(name)
		if header["required"] == true {
			require.NotEmpty(t, value, name)
		}
		if pattern, ok := header["schema"].(map[string]any)["pattern"].(string); ok && value != "" {
			require.Regexp(t, regexp.MustCompile(pattern), value, name)
		}
	}
	for name := range r.Header {
		require.True(t, documented[name] || unmentioned[name], "header %s is not documented", name)
	}
}

func (s spec) checkContent(t *testing.T, response map[string]any, r *http.Response, body string) {
	content, _ := response["content"].(map[string]any)
	if len(content) == 0 {
		require.Empty(t, body)
		return
	}
	got, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	require.Contains(t, content, got)
	if !strings.HasSuffix(got, "json") || body == "" {
		return
	}
	var v any
	require.NoError(t, json.Unmarshal([]byte(body), &v))
	media, _ := content[got].(map[string]any)
	if schema := s.resolve(media["schema"]); schema != nil {
		s.checkSchema(t, schema.(map[string]any), v)
	}
}

// checkSchema knows what the document uses: type, required, properties, enum.
func (s spec) checkSchema(t *testing.T, schema map[string]any, v any) {
	if enum, ok := schema["enum"].([]any); ok {
		require.Contains(t, enum, v)
	}
	switch schema["type"] {
	case "object":
		object, ok := v.(map[string]any)
		require.True(t, ok)
		properties := schema["properties"].(map[string]any)
		for _, name := range schema["required"].([]any) {
			require.Contains(t, object, name)
		}
		for name, member := range object {
			require.Contains(t, properties, name)
			s.checkSchema(t, s.resolve(properties[name]).(map[string]any), member)
		}
	case "string":
		require.IsType(t, "", v)
	case "integer":
		require.IsType(t, 1.0, v)
	case "boolean":
		require.IsType(t, true, v)
	default:
		require.Failf(t, "schema", "type %v", schema["type"])
	}
}

func TestOpenAPIForms(t *testing.T) {
	d, err := parseOpenAPI(openapiSource)
	require.NoError(t, err)
	var fromJSON, fromYAML map[string]any
	require.NoError(t, json.Unmarshal(d.json, &fromJSON))
	require.NoError(t, yaml.Unmarshal(d.yaml, &fromYAML))
	a, err := json.Marshal(fromJSON)
	require.NoError(t, err)
	b, err := json.Marshal(fromYAML)
	require.NoError(t, err)
	require.JSONEq(t, string(b), string(a))
	requireResolvable(t, readSpec(t), fromYAML)

	page := string(d.page)
	for _, outside := range []string{"<script", "<link", "<img", "src=", "@import", "url(", "http://", "https://"} {
		require.NotContains(t, page, outside, "the page works offline and without scripts")
	}
	for _, name := range readSpec(t).documented() {
		part := strings.Fields(name)
		require.Contains(t, page, part[1])
		require.Contains(t, page, "<dt>"+part[2])
	}
	for _, schema := range []string{"Problem", "Session", "Health"} {
		require.Contains(t, page, `id="schema-`+schema+`"`)
	}
	_, err = parseOpenAPI([]byte("a: [b"))
	require.Error(t, err)
}

func requireResolvable(t *testing.T, s spec, v any) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			require.NotNil(t, s.resolve(v), ref)
		}
		for _, one := range v {
			requireResolvable(t, s, one)
		}
	case []any:
		for _, one := range v {
			requireResolvable(t, s, one)
		}
	}
}

// failures are all that an operation can fail by.
var failures = []*failure{failNotLeader, failNoLeader, failOverloaded, failDataFull, failDiskFull, failInvalid, failSessionExpired,
	failSequenceAcknowledged, failSequenceOutOfWindow, failSequenceReused, failStopping, failSuperseded, failUnknown, failMembership,
	failBehind, failDeadline}

// The URI of every problem type leads to a heading of the API's documentation, below which its status is told.
func TestProblemTypesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	all := []*problem{problemRedirect, problemKey, problemNotFound, problemPath, problemMethod, problemLength, problemCondition,
		problemValueLength, problemKeyLength, problemCoding, problemInternal}
	for _, f := range failures {
		all = append(all, f.problem())
	}
	for _, p := range all {
		require.Contains(t, string(text), fmt.Sprintf("\n#### %s\n%d. ", p.slug, p.status), "docs/api.md")
	}
}

// Every reason of the protocol has a failure, and stands in the row of its code in the documentation's table.
func TestReasonsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	of := map[kvpb.Reason]*failure{}
	for _, f := range failures {
		of[f.reason] = f
	}
	for number, name := range kvpb.Reason_name {
		reason := kvpb.Reason(number)
		if reason == kvpb.Reason_REASON_UNSPECIFIED {
			continue
		}
		require.Contains(t, of, reason, "no failure has the reason")
		code := strings.ToUpper(regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(of[reason].code.String(), "${1}_$2"))
		row := fmt.Sprintf("(?m)^\\| `%s` \\|.*`%s`", code, strings.TrimPrefix(name, "REASON_"))
		require.Regexp(t, row, string(text), "docs/api.md")
	}
}
