package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/lockstepdb/lockstep/kv/kvpb"
)

// problemTypes is what the URI of every problem type starts with. The URIs are part of the API and never change.
const problemTypes = "https://github.com/lockstepdb/lockstep/blob/main/docs/api.md#"

// problem is a kind of error response (RFC 9457).
type problem struct {
	status int
	slug   string
	title  string
	reason kvpb.Reason
	effect effect
	retry  time.Duration
}

// Problems that are HTTP's own. Those of operations come from their failures.
var (
	problemRedirect    = &problem{status: 307, slug: "redirect", title: "Another node leads", reason: kvpb.Reason_REASON_NOT_LEADER}
	problemKey         = &problem{status: 400, slug: "invalid", title: "The operation is not valid", reason: kvpb.Reason_REASON_INVALID}
	problemNotFound    = &problem{status: 404, slug: "key-not-found", title: "The key does not exist"}
	problemPath        = &problem{status: 404, slug: "path-not-found", title: "Nothing is served under this path"}
	problemMethod      = &problem{status: 405, slug: "method-not-allowed", title: "The path does not take this method"}
	problemLength      = &problem{status: 411, slug: "length-required", title: "The request has no Content-Length and is not chunked"}
	problemCondition   = &problem{status: 412, slug: "condition-failed", title: "The precondition does not hold"}
	problemValueLength = &problem{status: 413, slug: "value-too-long", title: "The value is too long", reason: kvpb.Reason_REASON_INVALID}
	problemKeyLength   = &problem{status: 414, slug: "key-too-long", title: "The key is too long", reason: kvpb.Reason_REASON_INVALID}
	problemCoding      = &problem{status: 415, slug: "content-coding", title: "Values are stored as they come; send no Content-Encoding"}
	problemInternal    = &problem{status: 500, slug: "internal", title: "A defect in the server", effect: effectUnknown}
)

// problem is the failure's form on HTTP.
func (f *failure) problem() *problem {
	return &problem{f.status, f.slug, f.title, f.reason, f.effect, f.retry}
}

// document is the body of an error response.
type document struct {
	Type      string          `json:"type"`
	Title     string          `json:"title"`
	Status    int             `json:"status"`
	Detail    string          `json:"detail,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Effect    effect          `json:"effect"`
	RequestID string          `json:"request_id"`
	Leader    *leaderDocument `json:"leader,omitempty"`
	// Of a key that is absent or on which a condition failed.
	Revision    uint64  `json:"revision,omitempty"`
	ModRevision *uint64 `json:"mod_revision,omitempty"`
}

type leaderDocument struct {
	Node uint64 `json:"node"`
	Term uint64 `json:"term"`
	HTTP string `json:"http,omitempty"`
	GRPC string `json:"grpc,omitempty"`
}

// problem answers with a problem document. leader may be nil.
func (x *exchange) problem(p *problem, detail string, leader *kvpb.LeaderHint) {
	d := document{Detail: detail}
	if leader != nil {
		d.Leader = &leaderDocument{Node: leader.Node, Term: leader.Term, HTTP: leader.HttpAddress, GRPC: leader.GrpcAddress}
	}
	x.problemDocument(p, d)
}

func (x *exchange) problemDocument(p *problem, d document) {
	d.Type, d.Title, d.Status, d.RequestID, d.Effect = problemTypes+p.slug, p.title, p.status, x.id, p.effect
	if d.Effect == "" {
		d.Effect = effectNone
	}
	if p.reason != 0 {
		d.Reason = reasonName(p.reason)
	}
	h := x.w.Header()
	if p.retry > 0 {
		h["Retry-After"] = []string{strconv.Itoa(retryAfterSeconds(p.retry))}
	}
	h["Content-Type"] = []string{"application/problem+json"}
	h["Cache-Control"] = noCache
	body, err := json.Marshal(&d)
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body) + 1)}
	x.header(p.status)
	if x.r.Method != http.MethodHead {
		x.w.Write(append(body, '\n'))
	}
}

// retryAfterSeconds rounds up, since the header knows whole seconds.
func retryAfterSeconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}
