package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockstepdb/lockstep/chaos/network"
	"github.com/stretchr/testify/require"
)

const patience = 20 * time.Second

// rig is a server behind a proxy. Node 1 connects to node 2's server.
type rig struct {
	t       *testing.T
	network *Network
	address string
	server  net.Listener
}

var (
	up   = network.Link{From: 1, To: 2}
	down = network.Link{From: 2, To: 1}
)

func start(t *testing.T) *rig {
	return startWith(t, func(net.Addr, net.Addr) (int, bool) { return 1, true })
}

func startWith(t *testing.T, identify Identify) *rig {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := New(identify)
	address, err := n.Add(2, server.Addr().String(), true)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, n.Close())
		server.Close()
	})
	return &rig{t, n, address, server}
}

// dial connects through the proxy.
func (r *rig) dial() *end {
	c, err := net.Dial("tcp", r.address)
	require.NoError(r.t, err)
	return r.end(c)
}

// turnedAway connects, and is reset, be it at once or a moment later.
func (r *rig) turnedAway() {
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		require.ErrorIs(r.t, err, syscall.ECONNRESET)
		return
	}
	r.end(c).hearsEnd(syscall.ECONNRESET)
}

// accept takes the connection that arrives at the server.
func (r *rig) accept() *end {
	require.NoError(r.t, r.server.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	c, err := r.server.Accept()
	require.NoError(r.t, err)
	return r.end(c)
}

// nobody says that no connection has arrived.
func (r *rig) nobody() {
	require.NoError(r.t, r.server.(*net.TCPListener).SetDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := r.server.Accept()
	require.ErrorIs(r.t, err, os.ErrDeadlineExceeded)
}

// pair is a connection's two ends, after a line went each way.
func (r *rig) pair() (client, server *end) {
	client = r.dial()
	client.say("hello")
	server = r.accept()
	server.hears("hello")
	server.say("welcome")
	client.hears("welcome")
	return client, server
}

// end is one side of a connection.
type end struct {
	t *testing.T
	*net.TCPConn
	lines *bufio.Reader
}

func (r *rig) end(c net.Conn) *end {
	r.t.Cleanup(func() { c.Close() })
	return &end{r.t, c.(*net.TCPConn), bufio.NewReader(c)}
}

func (e *end) say(text string) {
	_, err := e.Write([]byte(text + "\n"))
	require.NoError(e.t, err)
}

func (e *end) hears(text string) {
	e.t.Helper()
	require.NoError(e.t, e.SetReadDeadline(time.Now().Add(patience)))
	line, err := e.lines.ReadString('\n')
	require.NoError(e.t, err)
	require.Equal(e.t, text, strings.TrimSpace(line))
}

// hearsNothing looks for a moment: what may not arrive could only be missed here, never be made up.
func (e *end) hearsNothing() {
	e.t.Helper()
	require.NoError(e.t, e.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := e.lines.ReadByte()
	require.ErrorIs(e.t, err, os.ErrDeadlineExceeded)
}

func (e *end) hearsEnd(want error) {
	e.t.Helper()
	require.NoError(e.t, e.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, e.lines)
	if want == io.EOF {
		require.NoError(e.t, err)
		return
	}
	require.ErrorIs(e.t, err, want)
}

func TestBytesPassBothWays(t *testing.T) {
	r := start(t)
	client, server := r.pair()
	big := strings.Repeat("x", 4<<20)
	go client.say(big)
	server.hears(big)
	require.NoError(t, client.CloseWrite())
	server.hearsEnd(io.EOF)
	server.say("after the other's end")
	client.hears("after the other's end")
}

func TestAResetIsPassedOn(t *testing.T) {
	r := start(t)
	client, server := r.pair()
	abort(server.TCPConn)
	client.hearsEnd(syscall.ECONNRESET)

	client, server = r.pair()
	r.network.Reset(2)
	client.hearsEnd(syscall.ECONNRESET)
	server.hearsEnd(syscall.ECONNRESET)
	r.network.Reset(3)
	client, server = r.pair()
	r.network.Reset(3)
	client.say("still there")
	server.hears("still there")
}

func TestACutLosesWhatWasUnderWay(t *testing.T) {
	r := start(t)
	client, server := r.pair()
	w := network.Weather{}
	w.Both(1, 2, network.Condition{Cut: true})
	r.network.Set(w)
	client.say("lost")
	server.hearsNothing()
	late := r.dial()
	late.say("waits")
	r.nobody()
	r.network.Set(nil)
	client.hearsEnd(syscall.ECONNRESET)
	server.hearsEnd(syscall.ECONNRESET)
	r.accept().hears("waits")
}

// A connection that had nothing to say notices nothing.
func TestACutLeavesSilentConnections(t *testing.T) {
	r := start(t)
	client, server := r.pair()
	w := network.Weather{}
	w.Both(1, 2, network.Condition{Cut: true})
	r.network.Set(w)
	r.network.Set(network.Weather{})
	client.say("back")
	server.hears("back")
}

func TestAOneWayCut(t *testing.T) {
	r := start(t)
	client, server := r.pair()
	r.network.Set(network.Weather{down: {Cut: true}})
	client.say("passes")
	server.hears("passes")
	server.say("lost")
	client.hearsNothing()
	r.network.Set(nil)
	client.hearsEnd(syscall.ECONNRESET)
}

func TestWhatIsHeldArrivesInTheEnd(t *testing.T) {
	r := start(t)
	client, server := r.pair()
	r.network.Set(network.Weather{up: {Hold: true}})
	client.say("one")
	client.say("two")
	server.hearsNothing()
	r.network.Set(nil)
	server.hears("one")
	server.hears("two")
	server.say("fine")
	client.hears("fine")
}

// A direction that is held back takes a bounded amount, and the sender has to wait.
func TestTheQueueIsBounded(t *testing.T) {
	r := start(t)
	client, _ := r.pair()
	r.network.Set(network.Weather{up: {Hold: true}})
	require.NoError(t, client.SetWriteDeadline(time.Now().Add(time.Second)))
	n, err := client.Write(make([]byte, 256<<20))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Less(t, n, 64<<20)
}

func TestRefusedConnections(t *testing.T) {
	r := start(t)
	client, server := r.pair()
	r.network.Set(network.Weather{up: {Refuse: true}})
	client.hearsEnd(syscall.ECONNRESET)
	server.hearsEnd(syscall.ECONNRESET)
	r.turnedAway()
	r.network.Set(nil)
	r.pair()
}

func TestHalfOpenConnections(t *testing.T) {
	r := start(t)
	client, server := r.pair()
	w := network.Weather{}
	w.Both(1, 2, network.Condition{HalfOpen: true})
	r.network.Set(w)
	server.hearsEnd(syscall.ECONNRESET)
	client.say("into the void")
	client.hearsNothing()
	nowhere := r.dial()
	nowhere.say("anybody?")
	r.nobody()
	r.network.Set(nil)
	client.hearsEnd(syscall.ECONNRESET)
	nowhere.hearsEnd(syscall.ECONNRESET)
	r.pair()
}

// These only bound from below: nothing arrives early.
func TestSlowLinks(t *testing.T) {
	r := start(t)
	client, server := r.pair()
	const delay = 60 * time.Millisecond
	r.network.Set(network.Weather{up: {Delay: delay, Jitter: delay}})
	began := time.Now()
	client.say("one")
	client.say("two")
	server.hears("one")
	require.GreaterOrEqual(t, time.Since(began), delay)
	server.hears("two")

	r.network.Set(network.Weather{up: {BytesPerSecond: 50_000}})
	began = time.Now()
	client.say(strings.Repeat("x", 5_000))
	server.hears(strings.Repeat("x", 5_000))
	require.GreaterOrEqual(t, time.Since(began), 90*time.Millisecond)

	r.network.Set(network.Weather{up: {CloseDelay: delay}})
	began = time.Now()
	require.NoError(t, client.Close())
	server.hearsEnd(io.EOF)
	require.GreaterOrEqual(t, time.Since(began), delay)
}

func TestANodeThatIsDownRefuses(t *testing.T) {
	r := start(t)
	require.NoError(t, r.server.Close())
	r.turnedAway()
}

func TestClientsAndNodesAreToldApart(t *testing.T) {
	r := start(t)
	public, err := r.network.Add(2, r.server.Addr().String(), false)
	require.NoError(t, err)
	r.network.Set(network.Weather{up: {Cut: true}, down: {Cut: true}})
	c, err := net.Dial("tcp", public)
	require.NoError(t, err)
	client := r.end(c)
	client.say("hello")
	r.accept().hears("hello")
}

func TestUnknownCallersAreReset(t *testing.T) {
	r := startWith(t, func(net.Addr, net.Addr) (int, bool) { return 0, false })
	r.turnedAway()
	require.Equal(t, 1, r.network.Unidentified())
}

// The process that holds a connection is found by the connection's addresses.
func TestOwner(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	c, err := net.Dial("tcp", server.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, os.Getpid(), Owner(c.LocalAddr(), c.RemoteAddr(), []int{1, os.Getpid()}))
	require.Zero(t, Owner(c.LocalAddr(), c.RemoteAddr(), []int{os.Getppid()}))
	require.Zero(t, Owner(c.LocalAddr(), c.RemoteAddr(), nil))
}

func TestCloseEndsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	n := New(func(net.Addr, net.Addr) (int, bool) { return 1, true })
	address, err := n.Add(2, server.Addr().String(), true)
	require.NoError(t, err)
	w := network.Weather{}
	w.Both(1, 2, network.Condition{Hold: true})
	n.Set(w)
	for range 5 {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer c.Close()
	}
	require.NoError(t, n.Close())
	require.NoError(t, n.Close())
	require.Zero(t, n.Connections())
	_, err = n.Add(3, server.Addr().String(), true)
	require.ErrorContains(t, err, "closed")
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, patience, time.Millisecond)
	_, err = net.Dial("tcp", address)
	require.True(t, errors.Is(err, syscall.ECONNREFUSED))
}

func TestWeatherAddsUp(t *testing.T) {
	a, b := network.Weather{}, network.Weather{}
	a.Both(1, 2, network.Condition{Delay: time.Second, BytesPerSecond: 10})
	b.Add(up, network.Condition{Delay: time.Second, Cut: true, BytesPerSecond: 5})
	sum := network.Over(a, b)
	require.Equal(t, network.Condition{Delay: 2 * time.Second, Cut: true, BytesPerSecond: 5}, sum[up])
	require.Equal(t, network.Condition{Delay: time.Second, BytesPerSecond: 10}, sum[down])
	require.Equal(t, network.Condition{Delay: time.Second, BytesPerSecond: 10}, a[up])
}
