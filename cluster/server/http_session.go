package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/lockstepdb/lockstep/kv"
)

var (
	errSessionHeaders = errors.New(headerSession + " and " + headerSequence + " are used together, " + headerAcknowledged + " only with them")
	errSessionNumber  = errors.New(headerSession + ", " + headerSequence + " and " + headerAcknowledged + " are one decimal number each, the first two from 1")
	errNonce          = errors.New(headerNonce + " is 16 random bytes as 32 hexadecimal digits")
)

// parseSession reads the headers for exactly-once into a command.
func parseSession(h http.Header, c *kv.Command) error {
	fields := [...]struct {
		name string
		to   *uint64
	}{{headerSession, &c.Session}, {headerSequence, &c.Sequence}, {headerAcknowledged, &c.Acknowledged}}
	for _, f := range fields {
		values, present := h[f.name]
		if !present {
			continue
		}
		n, ok := uint64(0), len(values) == 1
		if ok {
			n, ok = parseUint(values[0])
		}
		if !ok || n == 0 && f.name != headerAcknowledged {
			return errSessionNumber
		}
		*f.to = n
	}
	if (c.Session == 0) != (c.Sequence == 0) || c.Session == 0 && c.Acknowledged != 0 {
		return errSessionHeaders
	}
	return nil
}

// serveSessions answers requests for /sessions.
func (x *exchange) serveSessions() {
	if x.r.Method != http.MethodPost {
		x.allow("POST, OPTIONS")
		return
	}
	x.method = methodOpenSession
	c := x.s.newCall(Write)
	c.Command.Kind = kv.OpenSession
	if err := parseNonce(x.r.Header[headerNonce], &c.Command.Nonce); err != nil {
		c.release()
		x.problem(problemKey, err.Error(), nil)
		return
	}
	r, ok := x.session(c)
	if !ok {
		return
	}
	id := strconv.FormatUint(r.Session, 10)
	x.setRevision(r.Revision)
	h := x.w.Header()
	h.Set("Location", sessionsPath+"/"+id)
	h[headerSession] = []string{id}
	h.Set("Content-Type", "application/json")
	body := fmt.Sprintf("{\"session\":%q,\"window\":%d,\"revision\":%d}\n", id, x.s.o.SessionWindow, r.Revision)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.header(http.StatusCreated)
	x.w.Write([]byte(body))
}

// parseNonce reads the header, or draws a nonce when there is none: a request that is sent again then opens another session.
func parseNonce(values []string, nonce *[kv.NonceBytes]byte) error {
	if len(values) == 0 {
		rand.Read(nonce[:]) // never fails
		return nil
	}
	if len(values) != 1 || len(values[0]) != hex.EncodedLen(kv.NonceBytes) {
		return errNonce
	}
	if _, err := hex.Decode(nonce[:], []byte(values[0])); err != nil {
		return errNonce
	}
	return nil
}

// serveSession answers requests for /sessions/{session}.
func (x *exchange) serveSession(id string) {
	if x.r.Method != http.MethodDelete {
		x.allow("DELETE, OPTIONS")
		return
	}
	x.method = methodCloseSession
	session, ok := parseUint(id)
	if !ok || session == 0 {
		x.problem(problemKey, "A session is a decimal number from 1.", nil)
		return
	}
	c := x.s.newCall(Write)
	c.Command.Kind, c.Command.Session = kv.CloseSession, session
	r, ok := x.session(c)
	if !ok {
		return
	}
	x.setRevision(r.Revision)
	x.header(http.StatusNoContent)
}

// session submits a command on the session table, and answers itself when it was not done.
func (x *exchange) session(c *call) (r kv.Result, ok bool) {
	if x.query != "" {
		c.release()
		x.problem(problemKey, errQuery.Error(), nil)
		return kv.Result{}, false
	}
	c.NoForward = x.s.redirects()
	reply, released := c.submit(x.r.Context(), x.s.o.RequestTimeout)
	if !released {
		c.release()
	}
	if f := failureOf(&reply); f != nil {
		x.fail(f, reply.Leader, "")
		return kv.Result{}, false
	}
	return reply.Result, true
}
