package server

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/cluster"
	"github.com/lockstepdb/lockstep/kv"
)

const keyMethods = "GET, HEAD, PUT, DELETE, OPTIONS"

// serveKey answers a request under /v1/.
func (x *exchange) serveKey() {
	switch x.r.Method {
	case http.MethodGet:
		x.method = methodGet
		x.get()
	case http.MethodHead:
		x.method = methodHead
		x.get()
	case http.MethodPut:
		x.method = methodPut
		x.write(kv.Put)
	case http.MethodDelete:
		x.method = methodDelete
		x.write(kv.Delete)
	default:
		x.allow(keyMethods)
	}
}

// key decodes the path into the call's buffer, and answers itself when it is no key.
func (x *exchange) key(c *call) ([]byte, bool) {
	escaped := x.path[len(keyPrefix):]
	if len(escaped) > 3*x.s.o.KeyBytesMax {
		x.keyTooLong()
		return nil, false
	}
	key, err := appendKey(c.key[:0], escaped)
	c.key = key
	switch {
	case err != nil:
		x.problem(problemKey, err.Error(), nil)
	case len(key) == 0:
		x.problem(problemKey, "The key is empty: it is everything behind "+keyPrefix+" in the path.", nil)
	case len(key) > x.s.o.KeyBytesMax:
		x.keyTooLong()
	default:
		x.in += len(key)
		return key, true
	}
	return nil, false
}

func (x *exchange) keyTooLong() {
	x.problem(problemKeyLength, "A key has at most "+strconv.Itoa(x.s.o.KeyBytesMax)+" bytes.", nil)
}

// get answers GET and HEAD.
func (x *exchange) get() {
	stale, err := parseConsistency(x.query)
	if err != nil {
		x.problem(problemKey, err.Error(), nil)
		return
	}
	match, err := parseTags(x.r.Header["If-Match"])
	if err != nil {
		x.problem(problemKey, "If-Match: "+err.Error(), nil)
		return
	}
	noneMatch, err := parseTags(x.r.Header["If-None-Match"])
	if err != nil {
		x.problem(problemKey, "If-None-Match: "+err.Error(), nil)
		return
	}
	c := x.s.newCall(Read)
	key, ok := x.key(c)
	if !ok {
		c.release()
		return
	}
	if !stale && !x.linearize(c) {
		return
	}
	item, revision, found := x.s.o.Backend.Machine().Get(key)
	c.release()
	x.item(&item, revision, found, match, noneMatch)
}

// linearize waits until a read may be made. Otherwise it answers, and the call is no longer the exchange's.
func (x *exchange) linearize(c *call) bool {
	if x.s.refusesReads() {
		c.release()
		x.fail(failNotLeader, 0, "By its configuration this node serves linearizable reads only while it leads.")
		return false
	}
	reply, released := c.submit(x.r.Context(), x.s.o.RequestTimeout)
	f := readFailure(&reply)
	if f == nil {
		return true
	}
	if !released {
		c.release()
	}
	x.fail(f, reply.Leader, "")
	return false
}

// readFailure is nil when the read may be made. A read changes nothing, so that none has an unknown outcome.
func readFailure(r *cluster.Reply) *failure {
	switch r.Outcome {
	case cluster.Done:
		return nil
	default:
		return refusedBy(r.Reason)
	}
}

// item answers with what a read found. Preconditions are evaluated in RFC 9110's order (13.2.2).
func (x *exchange) item(item *kv.Item, revision uint64, found bool, match, noneMatch tags) {
	switch {
	case !match.empty() && (!found || !match.matches(item.ModRevision)):
		x.conditionFailed(revision, item, found)
	case !found:
		x.setRevision(revision)
		x.problemDocument(problemNotFound, document{Revision: revision})
	case noneMatch.matchesWeakly(item.ModRevision):
		x.setItem(revision, item.CreateRevision, item.ModRevision, item.Version)
		x.w.Header()["Cache-Control"] = noCache
		x.header(http.StatusNotModified)
	default:
		x.value(item, revision)
	}
}

func (x *exchange) value(item *kv.Item, revision uint64) {
	x.setItem(revision, item.CreateRevision, item.ModRevision, item.Version)
	h := x.w.Header()
	h["Content-Type"] = octetStream
	h["Cache-Control"] = noCache
	h["X-Content-Type-Options"] = nosniff
	h["Content-Length"] = []string{strconv.Itoa(len(item.Value))}
	x.header(http.StatusOK)
	if x.method == methodGet {
		x.out = len(item.Value)
		x.w.Write(item.Value)
	}
}

// setRevision sets the header that every evaluated operation has.
func (x *exchange) setRevision(revision uint64) {
	x.w.Header()[headerRevision] = []string{strconv.FormatUint(revision, 10)}
}

// setItem sets a key's headers. All four values share one string and one slice, which saves six allocations.
func (x *exchange) setItem(revision, create, mod, version uint64) {
	var buf [4*20 + 2]byte
	b := append(buf[:0], '"')
	b = strconv.AppendUint(b, mod, 10)
	b = append(b, '"')
	etag := len(b)
	b = strconv.AppendUint(b, revision, 10)
	at := len(b)
	b = strconv.AppendUint(b, create, 10)
	created := len(b)
	b = strconv.AppendUint(b, version, 10)
	all := string(b)
	values := []string{all[:etag], all[etag:at], all[at:created], all[created:]}
	h := x.w.Header()
	h["Etag"] = values[0:1:1]
	h[headerRevision] = values[1:2:2]
	h[headerCreateRevision] = values[2:3:3]
	h[headerVersion] = values[3:4:4]
}

// conditionFailed answers 412 with the key as it is.
func (x *exchange) conditionFailed(revision uint64, item *kv.Item, found bool) {
	mod := uint64(0)
	if found {
		mod = item.ModRevision
		x.setItem(revision, item.CreateRevision, mod, item.Version)
	} else {
		x.setRevision(revision)
	}
	x.problemDocument(problemCondition, document{Revision: revision, ModRevision: &mod})
}

var errQuery = errors.New("the only query parameter is consistency, of reads, with the value linearizable or stale")

// parseConsistency reads the query of a read. Anything that is not understood is refused: a misspelt parameter would
// otherwise be ignored without a word.
func parseConsistency(query string) (stale bool, err error) {
	switch query {
	case "", "consistency=linearizable":
		return false, nil
	case "consistency=stale":
		return true, nil
	}
	return false, errQuery
}

// write answers PUT and DELETE.
func (x *exchange) write(kind kv.CommandKind) {
	c := x.s.newCall(Write)
	if !x.command(c, kind) {
		c.release()
		return
	}
	key, value := len(c.Command.Key), len(c.Command.Value)
	c.NoForward = x.s.redirects()
	reply, released := c.submit(x.r.Context(), x.s.o.RequestTimeout)
	if !released {
		c.release()
	}
	x.in = key + value
	if f := failureOf(&reply); f != nil {
		x.fail(f, reply.Leader, "")
		return
	}
	x.written(kind, &reply.Result)
}

// written answers with the result of a put or delete.
func (x *exchange) written(kind kv.CommandKind, r *kv.Result) {
	switch {
	case r.Status == kv.ConditionFailed:
		item := kv.Item{CreateRevision: r.CreateRevision, ModRevision: r.ModRevision, Version: r.Version}
		x.conditionFailed(r.Revision, &item, r.ModRevision != 0)
	case kind == kv.Delete:
		x.setRevision(r.Revision)
		x.header(http.StatusNoContent)
	case r.Existed:
		x.setItem(r.Revision, r.CreateRevision, r.ModRevision, r.Version)
		x.header(http.StatusOK)
	default:
		x.setItem(r.Revision, r.CreateRevision, r.ModRevision, r.Version)
		x.header(http.StatusCreated)
	}
}

// command fills the call's command from the request, body included, and answers itself when it is not valid.
func (x *exchange) command(c *call, kind kv.CommandKind) bool {
	if x.query != "" {
		x.problem(problemKey, errQuery.Error(), nil)
		return false
	}
	key, ok := x.key(c)
	if !ok {
		return false
	}
	c.Command.Kind, c.Command.Key = kind, key
	if err := x.preconditions(&c.Command); err != nil {
		x.problem(problemKey, err.Error(), nil)
		return false
	}
	if err := parseSession(x.r.Header, &c.Command); err != nil {
		x.problem(problemKey, err.Error(), nil)
		return false
	}
	if detail := x.s.invalidCommand(&c.Command, 0); detail != "" {
		x.problem(problemKey, detail, nil)
		return false
	}
	if kind == kv.Delete {
		return true
	}
	return x.framed() && x.body(c)
}

func (x *exchange) preconditions(c *kv.Command) error {
	match, err := parseTags(x.r.Header["If-Match"])
	if err != nil {
		return errors.New("If-Match: " + err.Error())
	}
	noneMatch, err := parseTags(x.r.Header["If-None-Match"])
	if err != nil {
		return errors.New("If-None-Match: " + err.Error())
	}
	c.Condition, c.ConditionRevision, err = writeCondition(match, noneMatch)
	return err
}

// framed checks how a PUT's body is announced. A request without any framing has an empty body by RFC 9112, 6.3, but
// one that was meant to have a body looks the same: an empty value must be asked for with Content-Length: 0.
func (x *exchange) framed() bool {
	h := x.r.Header
	switch {
	case h.Get("Content-Range") != "":
		x.problem(problemKey, "A part of a value cannot be written: Content-Range is not supported.", nil)
	case h.Get("Content-Encoding") != "" && !strings.EqualFold(h.Get("Content-Encoding"), "identity"):
		x.problem(problemCoding, "", nil)
	case x.r.ContentLength == 0 && h.Get("Content-Length") == "" && len(x.r.TransferEncoding) == 0:
		x.problem(problemLength, "Send Content-Length: 0 to write an empty value.", nil)
	case x.r.ContentLength > int64(x.s.o.ValueBytesMax):
		x.valueTooLong()
	default:
		return true
	}
	return false
}

func (x *exchange) valueTooLong() {
	x.problem(problemValueLength, "A value has at most "+strconv.Itoa(x.s.o.ValueBytesMax)+" bytes.", nil)
}

// body reads the value into the call's buffer, which grows to what the client announced and no further.
func (x *exchange) body(c *call) bool {
	length := x.r.ContentLength
	reserved := length
	if length < 0 {
		reserved = int64(x.s.o.ValueBytesMax) // chunked: it may become that much
	}
	if !x.s.inflight.reserve(reserved) {
		x.fail(failOverloaded, 0, "The requests in flight hold too many bytes.")
		return false
	}
	c.bytes = reserved
	if length == 0 {
		return true
	}
	x.setReadDeadline(time.Now().Add(x.s.o.BodyTimeout))
	var err error
	if length > 0 {
		err = c.readExactly(x.r.Body, int(length))
	} else {
		err = c.readUpTo(http.MaxBytesReader(x.w, x.r.Body, int64(x.s.o.ValueBytesMax)))
	}
	if err != nil {
		x.bodyFailed(err)
		return false
	}
	x.setReadDeadline(time.Time{})
	c.Command.Value = c.value
	return true
}

// bodyFailed answers a body that could not be read; in most cases nobody reads the answer.
func (x *exchange) bodyFailed(err error) {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		x.valueTooLong()
		return
	}
	x.w.Header()["Connection"] = []string{"close"}
	x.problem(problemKey, "The body ended early or came too slowly.", nil)
}

// setReadDeadline bounds reading from the connection. It is lifted behind the body, since net/http goes on reading to
// notice a client that goes away and would take a deadline for one.
func (x *exchange) setReadDeadline(t time.Time) {
	if d, ok := x.w.(interface{ SetReadDeadline(time.Time) error }); ok {
		d.SetReadDeadline(t) // not supported by a recorder in tests, and then not needed
	}
}

// readExactly reads n bytes.
func (c *call) readExactly(r io.Reader, n int) error {
	if cap(c.value) < n {
		c.value = make([]byte, n)
	}
	c.value = c.value[:n]
	_, err := io.ReadFull(r, c.value)
	return err
}

// readUpTo reads to the end; r bounds it.
func (c *call) readUpTo(r io.Reader) error {
	c.value = c.value[:0]
	for {
		if len(c.value) == cap(c.value) {
			c.value = append(c.value, 0)[:len(c.value)]
		}
		n, err := r.Read(c.value[len(c.value):cap(c.value)])
		c.value = c.value[:len(c.value)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
