package timeline

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/sim/trace"
)

const canvas = "#canvas"

// told is what the page says of itself to those who drive it.
func (b *tab) told(name string) int {
	b.t.Helper()
	return int(b.number(`document.querySelector("#canvas").dataset.` + name))
}

func (b *tab) length() int { return b.told("to") - b.told("from") }

// goTo looks at an event by its place from 0 on.
func (b *tab) goTo(place int) {
	b.t.Helper()
	b.frame(fmt.Sprintf(`const go = document.querySelector("#go"); go.value = "#%d"; go.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true}))`, place+1))
	require.Equal(b.t, place, b.told("current"))
}

// panel is what the panel says of the nodes.
func (b *tab) panel() string {
	b.t.Helper()
	return b.text(`[...document.querySelectorAll("#state tbody tr")].map(row => [...row.querySelectorAll("td")].map(cell => cell.textContent).join(" ")).join("\n")`)
}

// expected is what the panel must say after the events.
func expected(events []trace.Event, nodes int) string {
	paused, by := map[uint64]int{}, map[uint64]uint64{} // by node; who a fault concerns: its end does not say
	for i := range events {
		switch e := &events[i]; {
		case e.Kind == trace.Fault && e.What == "pause":
			by[e.Number("number")] = e.Node
			paused[e.Node]++
		case e.Kind == trace.Heal && e.What == "pause":
			paused[by[e.Number("number")]]--
		}
	}
	var rows []string
	for n, s := range stateOf(events, nodes) {
		role := s.role
		if s.up != "up" {
			role = s.up
		}
		if paused[uint64(n+1)] > 0 {
			role += " paused"
		}
		number := func(known bool, n uint64) string {
			if !known {
				return "–"
			}
			return thousands(n)
		}
		vote := "–"
		if s.vote != 0 {
			vote = fmt.Sprintf("n%d", s.vote)
		}
		begun := s.up != "not started"
		rows = append(rows, strings.Join([]string{role, number(begun, s.term), vote, number(begun, s.commit), number(begun, s.applied), number(s.known, s.last)}, " "))
	}
	return strings.Join(rows, "\n")
}

// row is what the list says of the event that is looked at, as the trace says it.
func (b *tab) row() string {
	b.t.Helper()
	return b.text(`[...document.querySelectorAll(".list tr.here td")].filter((_, column) => column !== 1).map(cell => cell.textContent).join(" ")`)
}

func line(t *testing.T, e *trace.Event) string {
	var out bytes.Buffer
	require.NoError(t, trace.Write(&out, e))
	return strings.Join(strings.Fields(out.String()), " ")
}

func TestTimelineInABrowser(t *testing.T) {
	b := startBrowser(t)
	life := lived(t, 3, 0)
	for _, x := range []struct {
		name string
		test func(t *testing.T, b *tab)
	}{
		{"a life that passed opens at its beginning", func(t *testing.T, b *tab) { pagePassed(t, b, life) }},
		{"a failure opens where it happened", pageFailed},
		{"the page says what the trace says", func(t *testing.T, b *tab) { pageTrace(t, b, life) }},
		{"the state of each node", func(t *testing.T, b *tab) { pageState(t, b, life) }},
		{"steps", func(t *testing.T, b *tab) { pageSteps(t, b, life) }},
		{"filters", func(t *testing.T, b *tab) { pageFilters(t, b, life) }},
		{"zoom", func(t *testing.T, b *tab) { pageZoom(t, b, life) }},
		{"what is drawn can be pointed at", func(t *testing.T, b *tab) { pagePointing(t, b, life) }},
		{"messages that are too many", func(t *testing.T, b *tab) { pageCrowd(t, b, life) }},
		{"faults and calls around an event", func(t *testing.T, b *tab) { pageAround(t, b, life) }},
		{"the check of the history", pageContradiction},
		{"texts stay texts", pageEvil},
		{"legend and keys", func(t *testing.T, b *tab) { pageLegend(t, b, life) }},
		{"addresses", func(t *testing.T, b *tab) { pageAddresses(t, b, life) }},
		{"screens", func(t *testing.T, b *tab) { pageScreens(t, b, life) }},
		{"no events", pageEmpty},
		{"as many events as are kept", pageLarge},
	} {
		t.Run(x.name, func(t *testing.T) { x.test(t, b) })
	}
}

func pagePassed(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "")
	require.Equal(t, "Passed", b.text(`document.querySelector("h1").textContent`))
	require.Equal(t, 0, b.told("current"))
	require.Equal(t, 0, b.told("from"))
	require.Contains(t, b.text(`document.querySelector(".facts").textContent`), "Trace events"+thousands(uint64(len(life.Events))))
	require.Equal(t, "0", b.text(`document.querySelectorAll("#to-failure, #go-failure").length`))
	require.Equal(t, "report.html", b.text(`document.querySelector("nav a").getAttribute("href")`))
	require.Equal(t, "canvas", b.text(`document.activeElement.id`), "arrow keys step at once")
}

func pageFailed(t *testing.T, b *tab) {
	in := broken(lived(t, 3, 0), 15_000)
	b.open(t, in, laptop, "")
	require.Equal(t, "Failed: state", b.text(`document.querySelector("h1").textContent`))
	require.Equal(t, 15_000, b.told("current"))
	require.Less(t, int64(b.told("from")), in.Failure.At)
	require.Greater(t, int64(b.told("to")), in.Failure.At)
	require.Contains(t, b.row(), "FAIL n2 state n2 holds another state")
	require.Equal(t, expected(in.Events, in.Plan.Nodes), b.panel())
	b.press(canvas, kb.Home)
	require.Equal(t, 0, b.told("current"))
	b.click("#to-failure")
	require.Equal(t, 15_000, b.told("current"))
	b.press(canvas, kb.Home)
	b.click("#go-failure")
	require.Equal(t, 15_000, b.told("current"))
	b.press(canvas, kb.Home, "v")
	require.Equal(t, 15_000, b.told("current"))
}

func pageTrace(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "")
	for kind := trace.Send; kind <= trace.Fail; kind++ {
		told := 0
		for i := range life.Events {
			if e := &life.Events[i]; e.Kind == kind && told < 2 && i%3 == 0 {
				told++
				b.goTo(i)
				require.Equal(t, line(t, e), strings.Join(strings.Fields(b.row()), " "))
			}
		}
	}
	b.goTo(len(life.Events) - 1)
	require.Equal(t, line(t, &life.Events[len(life.Events)-1]), strings.Join(strings.Fields(b.row()), " "))
}

func pageState(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "")
	for i := 0; i < len(life.Events); i += len(life.Events)/37 + 1 {
		b.goTo(i)
		require.Equal(t, expected(life.Events[:i+1], life.Plan.Nodes), b.panel(), "after event %d", i)
	}
	for i := range life.Events {
		if e := &life.Events[i]; e.Kind == trace.Crash || e.Kind == trace.Start || e.Kind == trace.Heal && e.What == "pause" {
			b.goTo(i)
			require.Equal(t, expected(life.Events[:i+1], life.Plan.Nodes), b.panel(), "after event %d", i)
		}
	}
}

func pageSteps(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "")
	b.goTo(5000)
	b.press(canvas, kb.ArrowRight, kb.ArrowRight, kb.ArrowLeft)
	require.Equal(t, 5001, b.told("current"))
	require.Equal(t, expected(life.Events[:5002], life.Plan.Nodes), b.panel())
	b.click("#next")
	require.Equal(t, 5002, b.told("current"))
	b.click("#back")
	b.click("#back")
	require.Equal(t, 5000, b.told("current"))
	b.press(canvas, kb.PageDown)
	require.Equal(t, 5100, b.told("current"))
	b.press(canvas, kb.PageUp)
	b.press(canvas, kb.ArrowDown)
	same := 5001
	for of := life.Events[5000].Node; life.Events[same].Node != of && life.Events[same].Peer != of; same++ {
	}
	require.Equal(t, same, b.told("current"), "the next event of this node")
	b.press(canvas, kb.End)
	require.Equal(t, len(life.Events)-1, b.told("current"))
	b.press(canvas, kb.ArrowRight)
	require.Equal(t, len(life.Events)-1, b.told("current"), "there is no next one")
	b.click("#first")
	require.Equal(t, 0, b.told("current"))
	sent := 0
	for life.Events[sent].Kind != trace.Receive {
		sent++
	}
	b.goTo(sent)
	b.press(canvas, "p")
	partner := b.told("current")
	require.Equal(t, trace.Send, life.Events[partner].Kind)
	require.Equal(t, life.Events[sent].Number("packet"), life.Events[partner].Number("packet"))
}

// passing counts the events that pass.
func passing(life *Input, pass func(e *trace.Event) bool) (n int) {
	for i := range life.Events {
		if pass(&life.Events[i]) {
			n++
		}
	}
	return n
}

func isMessage(e *trace.Event) bool {
	return e.Kind == trace.Send || e.Kind == trace.Receive || e.Kind == trace.Lose
}

func pageFilters(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "")
	all := len(life.Events)
	keys := map[uint64]string{}
	for i := range life.Events {
		if e := &life.Events[i]; e.Kind == trace.Invoke {
			keys[e.Number("operation")] = e.Text
		}
	}
	require.Equal(t, all, b.told("passing"))
	check := func(what string, pass func(e *trace.Event) bool) {
		t.Helper()
		require.Equal(t, passing(life, pass), b.told("passing"), what)
		b.click("#reset")
		require.Equal(t, all, b.told("passing"))
	}
	b.click(`[data-group="Disk"]`)
	check("no disk", func(e *trace.Event) bool { return e.Kind != trace.Disk })
	b.frame(`document.querySelector('[data-group="Roles"]').dispatchEvent(new MouseEvent("click", {shiftKey: true, bubbles: true}))`)
	check("only roles", func(e *trace.Event) bool { return e.Kind == trace.Role })
	b.choose("#by-type", "MsgPreVote")
	check("type", func(e *trace.Event) bool { return !isMessage(e) || e.What == "MsgPreVote" })
	b.choose("#by-type", "without heartbeats")
	check("no heartbeats", func(e *trace.Event) bool { return !isMessage(e) || !strings.Contains(e.What, "Heartbeat") })
	b.choose("#by-node", "2")
	check("node", func(e *trace.Event) bool { return e.Node == 2 || e.Peer == 2 })
	b.choose("#by-client", "3")
	check("client", func(e *trace.Event) bool { return e.Client == 3 })
	b.choose("#by-key", "k1")
	check("key", func(e *trace.Event) bool {
		return (e.Kind >= trace.Invoke && e.Kind <= trace.Return) && keys[e.Number("operation")] == "k1"
	})
	b.choose("#search", "n2 MSGVOTE")
	check("words", func(e *trace.Event) bool {
		return (e.Node == 2 || e.Peer == 2) && strings.Contains(strings.ToLower(e.What+" "+e.Text), "msgvote")
	})
	b.choose("#search", "zebra")
	require.Equal(t, 0, b.told("passing"))
	require.Contains(t, b.text(`document.querySelector("#place").textContent`), "filtered out")
	b.click("#reset")

	b.goTo(0)
	b.choose("#by-type", "MsgVote")
	b.frame(`document.querySelector('[data-group="Messages"]').dispatchEvent(new MouseEvent("click", {shiftKey: true, bubbles: true}))`)
	b.press(canvas, kb.ArrowRight)
	first := 0
	for !isMessage(&life.Events[first]) || life.Events[first].What != "MsgVote" {
		first++
	}
	require.Equal(t, first, b.told("current"), "steps go to what passes only")
}

func pageZoom(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "")
	b.goTo(8000)
	before := b.length()
	b.click("#zoom-in")
	require.Less(t, b.length(), before)
	b.press(canvas, "+", "+")
	require.Less(t, b.length(), before/3)
	b.press(canvas, "-")
	b.click("#zoom-out")
	b.click("#zoom-fit")
	require.GreaterOrEqual(t, int64(b.told("to")), life.Events[len(life.Events)-1].At)
	require.Less(t, b.told("from"), 1)
	b.press(canvas, "c", "+", "+", "+")
	before, from := b.length(), b.told("from")
	b.frame(`document.querySelector("#canvas").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", shiftKey: true, bubbles: true}))`)
	require.Greater(t, b.told("from"), from, "with Shift the arrow keys move the view")
	wheel := `const box = document.querySelector("#canvas").getBoundingClientRect(); document.querySelector("#canvas").dispatchEvent(new WheelEvent("wheel", {deltaY: %d, shiftKey: %v, clientX: box.left + 500, clientY: box.top + 60, cancelable: true, bubbles: true}))`
	b.frame(fmt.Sprintf(wheel, -120, false))
	require.Less(t, b.length(), before, "the wheel zooms")
	before, from = b.length(), b.told("from")
	b.frame(fmt.Sprintf(wheel, 120, true))
	require.InDelta(t, before, b.length(), 2)
	require.Greater(t, b.told("from"), from, "with Shift it moves")
	from = b.told("from")
	b.frame(`const c = document.querySelector("#canvas"), box = c.getBoundingClientRect(), at = (type, x) => c.dispatchEvent(new PointerEvent(type, {pointerId: 1, clientX: box.left + x, clientY: box.top + 60, bubbles: true}));
		at("pointerdown", 300); at("pointermove", 400); at("pointermove", 500); at("pointerup", 500)`)
	require.Less(t, b.told("from"), from, "dragging to the right shows what was before")
	require.Equal(t, 8000, b.told("current"), "a drag is no click")
	for range 40 {
		b.frame(`document.querySelector("#zoom-in").click()`)
	}
	require.Positive(t, b.length(), "zooming in ends somewhere")
	frames := b.told("frames")
	b.frame(`document.querySelector("#zoom-fit").click()`)
	require.LessOrEqual(t, b.told("frames"), frames+2, "one interaction is one drawing, and another if the lanes get another height")
}

func pagePointing(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "#at=20s")
	box := evaluate[[]float64](b, `(() => { const box = document.querySelector("#canvas").getBoundingClientRect(); return [box.left, box.top, box.width]; })()`)
	b.run(chromedp.MouseClickXY(box[0]+300, box[1]+44+20))
	b.frame("")
	// How high a lane is depends on how much room there is: which node's it was is not told here, but that it was a node's, and when.
	e := life.Events[b.told("current")]
	require.NotZero(t, e.Node, "a click into the lanes of the nodes looks at an event of one")
	at := int64(b.told("from")) + int64(float64(b.length())*300/box[2])
	require.InDelta(t, at, e.At, float64(b.length())/5, "and at one near where it was")
	b.frame(`const node = document.querySelector("#canvas"), box = node.getBoundingClientRect(); node.dispatchEvent(new PointerEvent("pointermove", {clientX: 0, clientY: 0, bubbles: true}))`)
	b.frame(`document.querySelector(".list tr").click()`)
	require.Equal(t, b.text(`document.querySelector(".list tr.here").dataset.event`), fmt.Sprint(b.told("current")))
}

func pageCrowd(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "")
	b.click("#zoom-fit")
	sent := passing(life, func(e *trace.Event) bool { return e.Kind == trace.Send })
	require.GreaterOrEqual(t, b.told("messages"), sent)
	require.Less(t, b.told("arrows"), b.told("messages"))
	status := b.text(`document.querySelector("#status").textContent`)
	require.Contains(t, status, fmt.Sprintf("%s of %s messages in view as arrows", thousands(uint64(b.told("arrows"))), thousands(uint64(b.told("messages")))))
	require.Contains(t, status, "MsgHeartbeat")
	require.Contains(t, status, "as density")
	b.choose("#by-type", "MsgVote")
	require.Equal(t, b.told("messages"), b.told("arrows"), "the rarest have room")
	require.Positive(t, b.told("arrows"))
}

func pageAround(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "")
	ended := map[uint64]bool{}
	for i := range life.Events {
		e := &life.Events[i]
		if e.Kind != trace.Fault || ended[e.Number("number")] || e.What == "client-dies" {
			continue
		}
		ended[e.Number("number")] = true
		b.goTo(i)
		name := e.What
		if e.Node != 0 {
			name += fmt.Sprintf(" n%d", e.Node)
		}
		require.Contains(t, b.text(`document.querySelector("#active").textContent`), name)
		if len(ended) == 5 {
			break
		}
	}
	require.Len(t, ended, 5)
	b.frame(`document.querySelector("#active button").click()`)
	require.Equal(t, trace.Fault, life.Events[b.told("current")].Kind)
	for i := range life.Events {
		if e := &life.Events[i]; e.Kind == trace.Invoke && e.Text != "" {
			b.goTo(i)
			require.Contains(t, b.text(`document.querySelector("#open").textContent`), fmt.Sprintf("c%d ", e.Client))
			return
		}
	}
}

func pageContradiction(t *testing.T, b *tab) {
	b.open(t, judged(), laptop, "")
	require.Equal(t, "Failed: linearizability", b.text(`document.querySelector("h1").textContent`))
	require.Equal(t, 4, b.told("current"), "it opens where the last of the contradicting calls returns")
	require.Contains(t, b.text(`document.querySelector("#contradictions").textContent`), "the get misses v1")
	require.Contains(t, b.text(`document.querySelector("#contradictions").textContent`), "1 operation of it not on this page")
	require.Equal(t, "report.html#violation-2", b.text(`document.querySelector("#contradictions a").getAttribute("href")`))
	b.frame(`[...document.querySelectorAll("#contradictions button")].at(1).click()`)
	require.Equal(t, 3, b.told("current"), "the invocation of the get")
	require.Equal(t, "number 2 of violation 2 in the report", b.text(`document.querySelector("#event .links a").textContent`))
}

func pageEvil(t *testing.T, b *tab) {
	in := &Input{Title: evil, Plan: smallPlan(), Replay: evil, Failure: &Failure{evil, evil, 3}, Events: []trace.Event{
		{Kind: trace.Start, Node: 1}, {Kind: trace.Raft, Node: 1, Text: evil}, {Kind: trace.Role, Node: 1, What: evil}, {Kind: trace.Send, Node: 1, Peer: 2, What: evil},
		{Kind: trace.Invoke, Client: 1, What: evil, Text: evil}, {Kind: trace.Fault, Node: 99, What: evil, Text: evil}, {Kind: trace.Disk, Node: 77, What: evil, Text: evil},
		{Kind: trace.Request, Node: 88, Client: 55}, {Kind: trace.Receive, Node: 60, Peer: 61, What: evil},
	}}
	b.open(t, in, laptop, "")
	for range in.Events {
		b.press(canvas, kb.ArrowLeft)
	}
	require.Equal(t, "undefined", b.text("typeof boom"))
	require.Equal(t, 2.0, b.number(`document.scripts.length`), "the data and the page's own")
	require.Equal(t, 0.0, b.number(`document.images.length`))
	require.Contains(t, b.text(`document.querySelector(".list").textContent`), "<script>boom()</script>")
}

func pageLegend(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "")
	b.press(canvas, "?")
	require.Equal(t, "true", b.text(`document.querySelector("#legend").open`))
	require.Contains(t, b.text(`document.querySelector("#legend").textContent`), "pre-candidate")
	b.run(chromedp.KeyEvent(kb.Escape))
	b.frame("")
	require.Equal(t, "false", b.text(`document.querySelector("#legend").open`))
	b.press(canvas, "/")
	require.Equal(t, "search", b.text(`document.activeElement.id`))
	require.Empty(t, b.text(`[...document.querySelectorAll("button, input, select")].filter(node => !node.textContent.trim() && !node.getAttribute("aria-label")).map(node => node.outerHTML).join()`), "all controls have names")
}

func pageAddresses(t *testing.T, b *tab, life *Input) {
	b.open(t, life, laptop, "#event=4321")
	require.Equal(t, 4320, b.told("current"))
	b.frame(`location.hash = "#at=30.5s"`)
	require.GreaterOrEqual(t, life.Events[b.told("current")].At, int64(30.5e9))
	require.Less(t, life.Events[b.told("current")-1].At, int64(30.5e9))
	b.frame(`location.hash = "#operation=17"`)
	e := life.Events[b.told("current")]
	require.Equal(t, trace.Invoke, e.Kind)
	require.EqualValues(t, 17, e.Number("operation"))
	b.frame(`const go = document.querySelector("#go"); go.value = "12.5 s"; go.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}))`)
	require.GreaterOrEqual(t, life.Events[b.told("current")].At, int64(12.5e9))
	b.frame(`const go = document.querySelector("#go"); go.value = "soon"; go.dispatchEvent(new KeyboardEvent("keydown", {key: "Enter"}))`)
	require.Equal(t, "true", b.text(`document.querySelector("#go").getAttribute("aria-invalid")`))
}

func pageScreens(t *testing.T, b *tab, life *Input) {
	for _, s := range []screen{laptop, {1280, 800, true}, {1366, 680, false}, {420, 800, true}} {
		t.Run(fmt.Sprintf("%dx%d %v", s.width, s.height, s.dark), func(t *testing.T) {
			b.open(t, life, s, "#at=20s")
			require.LessOrEqual(t, b.number("document.scrollingElement.scrollWidth"), float64(s.width), "the page does not scroll sideways")
			require.Positive(t, b.told("messages"))
			if s.width >= 1280 {
				require.LessOrEqual(t, b.number("document.scrollingElement.scrollHeight"), float64(s.height), "nor downwards")
				require.GreaterOrEqual(t, b.number(`document.querySelectorAll(".list tr").length`), 4.0)
				require.GreaterOrEqual(t, b.number(`document.querySelector(".lanes").clientHeight`), 240.0)
				b.fills(t)
				// A window that grows is filled at once.
				b.run(chromedp.EmulateViewport(s.width, s.height+120))
				b.frame("")
				b.fills(t)
			}
		})
	}
}

// fills says that the drawing takes all the height that there is for it.
func (b *tab) fills(t *testing.T) {
	t.Helper()
	require.InDelta(t, b.number(`document.querySelector(".lanes").clientHeight`), b.number(`document.querySelector("#canvas").clientHeight`), 1)
}

func pageEmpty(t *testing.T, b *tab) {
	b.open(t, &Input{Title: "nothing", Plan: smallPlan()}, laptop, "")
	require.Contains(t, b.text(`document.querySelector("main").textContent`), "no events")
}

// many repeats a life until there are as many events as a collector keeps.
func many(life *Input) *Input {
	in, c := *life, Collector{}
	last := life.Events[len(life.Events)-1].At + 1
	for round := int64(0); len(c.ring) < EventsMax; round++ {
		for _, e := range life.Events {
			e.At += round * last
			if isMessage(&e) {
				e.Numbers[4] += uint64(round) << 32
			}
			c.Add(&e)
		}
	}
	in.Events, in.Missing = c.Events(), c.Missing()
	return &in
}

func pageLarge(t *testing.T, b *tab) {
	in := many(lived(t, 5, 0))
	if testing.Short() {
		in.Events = in.Events[len(in.Events)-150_000:]
	}
	b.open(t, in, laptop, "")
	require.Contains(t, b.text(`document.querySelector("#missing").textContent`), thousands(in.Missing)+" events at the beginning are left out")
	for _, x := range []struct{ what, statement string }{
		{"zoom to fit", `document.querySelector("#zoom-fit").click()`},
		{"zoom in", `document.querySelector("#zoom-in").click()`},
		{"find", `const s = document.querySelector("#search"); s.value = "n3 MsgVote"; s.dispatchEvent(new Event("input"))`},
		{"reset", `document.querySelector("#reset").click()`},
		{"step", `document.querySelector("#next").click()`},
		{"last", `document.querySelector("#last").click()`},
	} {
		t.Logf("%s: handled and drawn within %.0f ms, two frames included", x.what, b.frame(x.statement))
	}
	last := len(in.Events) - 1
	b.goTo(last)
	require.Equal(t, expected(in.Events, in.Plan.Nodes), b.panel())
	require.Less(t, b.number(`document.querySelectorAll("*").length`), 2_000.0)
}
