package native

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lockstepdb/lockstep/chaos/driver"
	"github.com/lockstepdb/lockstep/linearizability/history"
)

const (
	httpPause = 20 * time.Millisecond
	// httpAttempt bounds one attempt, so that a node that hangs does not use up the whole time.
	httpAttempt = 1500 * time.Millisecond
	httpIdleMax = 64
)

// httpClient uses the HTTP API as docs/api.md describes it, and knows nothing else of the store. Redirects are followed.
type httpClient struct {
	all    []driver.Addresses
	client http.Client
	next   atomic.Int64 // where operations begin

	sessions bool
	mu       sync.Mutex
	session  *session // nil: none is open
}

// session is one that the store keeps. Its fields but id and window are guarded by the client's mu.
type session struct {
	id       string
	window   int
	sequence uint64          // the last number that was used
	under    map[uint64]bool // numbers under way
}

// ticket is a number of a session. The zero ticket is none.
type ticket struct {
	session *session
	number  uint64
}

func newHTTP(all []driver.Addresses, sessions bool) *httpClient {
	t := &http.Transport{MaxIdleConnsPerHost: httpIdleMax, IdleConnTimeout: 30 * time.Second, DialContext: (&net.Dialer{Timeout: httpAttempt}).DialContext}
	return &httpClient{all: all, client: http.Client{Transport: t}, sessions: sessions}
}

func (h *httpClient) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

// Do tries until the operation is done, the time is over, or its outcome is unknown and may not be tried again.
func (h *httpClient) Do(ctx context.Context, o history.Operation, at int) (history.Operation, error) {
	var t ticket
	if h.sessions && o.Kind != history.Get {
		var err error
		if t, err = h.begin(ctx); err != nil {
			return history.Operation{Outcome: history.Refused}, err
		}
		defer h.end(t)
	}
	open := false // an earlier attempt may have taken effect
	for i := int(h.next.Add(1)); ; i++ {
		slot := at
		if slot == 0 {
			slot = 1 + i%len(h.all)
		}
		r, expired, err := h.attempt(ctx, o, h.all[slot-1].HTTP, t)
		switch {
		case err == nil:
			return r, nil
		case expired && !open:
			return history.Operation{Outcome: history.Refused}, err
		case expired:
			return history.Operation{Outcome: history.Unknown}, err
		case r.Outcome == history.Unknown && o.Kind != history.Get:
			open = true
		}
		late := pause(ctx, httpPause)
		switch {
		case open && (late != nil || t.session == nil):
			return history.Operation{Outcome: history.Unknown}, err
		case late != nil:
			return history.Operation{Outcome: history.Refused}, err
		}
	}
}

// attempt sends the operation once. Only a nil error is a result; expired says that the session is not known.
func (h *httpClient) attempt(ctx context.Context, o history.Operation, address string, t ticket) (r history.Operation, expired bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, httpAttempt)
	defer cancel()
	request, err := h.request(ctx, o, address, t)
	if err != nil {
		return history.Operation{Outcome: history.Refused}, false, err
	}
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	answer, err := h.client.Do(request.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		return history.Operation{Outcome: sent(connected.Load(), err)}, false, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err != nil {
		return history.Operation{Outcome: history.Unknown}, false, err
	}
	if answer.StatusCode == http.StatusGone {
		h.forget(t.session)
		return history.Operation{}, true, errors.New(answer.Status)
	}
	r, err = resultOf(o, answer, body)
	return r, false, err
}

// sent says what an error of the transport means: only a request that never had a connection, be it behind a redirect, had no
// effect for sure.
func sent(connected bool, err error) history.Outcome {
	var op *net.OpError
	if !connected || errors.As(err, &op) && op.Op == "dial" || errors.Is(err, syscall.ECONNREFUSED) {
		return history.Refused
	}
	return history.Unknown
}

var methods = map[history.Kind]string{history.Get: http.MethodGet, history.Put: http.MethodPut, history.Delete: http.MethodDelete}

func (h *httpClient) request(ctx context.Context, o history.Operation, address string, t ticket) (*http.Request, error) {
	target := "http://" + address + "/v1/" + url.PathEscape(o.Key)
	if o.Stale {
		target += "?consistency=stale"
	}
	var body io.Reader
	if o.Kind == history.Put {
		body = strings.NewReader(o.Value.Data)
	}
	r, err := http.NewRequestWithContext(ctx, methods[o.Kind], target, body)
	if err != nil {
		return nil, err
	}
	switch o.Condition.Kind {
	case history.MustNotExist:
		r.Header.Set("If-None-Match", "*")
	case history.MustExist:
		r.Header.Set("If-Match", "*")
	case history.RevisionEquals:
		r.Header.Set("If-Match", strconv.Quote(strconv.FormatUint(o.Condition.Revision, 10)))
	}
	if t.session != nil {
		h.identify(r, t)
	}
	return r, nil
}

// identify adds the session, the number, and which numbers are done with.
func (h *httpClient) identify(r *http.Request, t ticket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	done := t.number
	for n := range t.session.under {
		done = min(done, n)
	}
	r.Header.Set("Lockstep-Session", t.session.id)
	r.Header.Set("Lockstep-Sequence", strconv.FormatUint(t.number, 10))
	r.Header.Set("Lockstep-Acknowledged", strconv.FormatUint(done, 10))
}

// resultOf reads an answer by its status.
func resultOf(o history.Operation, answer *http.Response, body []byte) (history.Operation, error) {
	r := history.Operation{Revision: number(answer, "Lockstep-Revision")}
	tag, _ := strconv.ParseUint(strings.Trim(answer.Header.Get("ETag"), `"`), 10, 64)
	switch answer.StatusCode {
	case http.StatusOK:
		r.Outcome = history.Done
		if o.Kind == history.Get {
			r.Observed, r.KeyRevision = history.Of(string(body)), tag
		} else {
			r.Existed = history.Yes
		}
	case http.StatusCreated:
		r.Outcome, r.Existed = history.Done, history.No
	case http.StatusNoContent: // a delete does not tell whether the key was there
		r.Outcome = history.Done
	case http.StatusNotFound:
		r.Outcome = history.Done
	case http.StatusPreconditionFailed:
		r.Outcome, r.KeyRevision, r.HasObserved = history.ConditionFailed, tag, tag == 0
	case http.StatusInternalServerError, http.StatusGatewayTimeout:
		return history.Operation{Outcome: history.Unknown}, fmt.Errorf("%s: %s", answer.Status, body)
	default:
		return history.Operation{Outcome: history.Refused}, fmt.Errorf("%s: %s", answer.Status, body)
	}
	return r, nil
}

func number(answer *http.Response, header string) uint64 {
	n, _ := strconv.ParseUint(answer.Header.Get(header), 10, 64) // 0: not told
	return n
}

// begin takes the next number, and opens a session if there is none. It waits while half of the window is under way.
func (h *httpClient) begin(ctx context.Context) (ticket, error) {
	for {
		t, ok := h.take()
		if ok {
			return t, nil
		}
		if t.session == nil {
			if err := h.open(ctx); err != nil {
				return ticket{}, err
			}
			continue
		}
		if err := pause(ctx, httpPause); err != nil {
			return ticket{}, err
		}
	}
}

// take takes a number if there is a session with room.
func (h *httpClient) take() (ticket, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.session
	if s == nil || len(s.under) >= s.window/2 {
		return ticket{session: s}, false
	}
	s.sequence++
	s.under[s.sequence] = true
	return ticket{session: s, number: s.sequence}, true
}

func (h *httpClient) end(t ticket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(t.session.under, t.number)
}

// forget drops a session that the store does not know any more.
func (h *httpClient) forget(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.session == s {
		h.session = nil
	}
}

// open opens a session, under one nonce on all attempts.
func (h *httpClient) open(ctx context.Context) error {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	for i := int(h.next.Add(1)); ; i++ {
		s, err := h.tryOpen(ctx, h.all[i%len(h.all)].HTTP, hex.EncodeToString(nonce[:]))
		if err == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.session == nil { // nobody was faster
				h.session = s
			}
			return nil
		}
		if pause(ctx, httpPause) != nil {
			return err
		}
	}
}

func (h *httpClient) tryOpen(ctx context.Context, address, nonce string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, httpAttempt)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/sessions", http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Lockstep-Nonce", nonce)
	answer, err := h.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		return nil, errors.New(answer.Status)
	}
	var opened struct {
		Session string `json:"session"`
		Window  int    `json:"window"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&opened); err != nil {
		return nil, err
	}
	return &session{id: opened.Session, window: opened.Window, under: map[uint64]bool{}}, nil
}
