package report

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/lockstepdb/lockstep/linearizability/history"
	"github.com/lockstepdb/lockstep/linearizability/verdict"
)

// browserVariable names the browser to use, and shotsVariable a folder for pictures of every page that is opened.
const (
	browserVariable = "LOCKSTEP_CHROMIUM"
	shotsVariable   = "LOCKSTEP_REPORT_SHOTS"
)

// browserPatience ends a browser that hangs.
const browserPatience = 2 * time.Minute

func browserPath(t *testing.T) string {
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell"}
	if name := os.Getenv(browserVariable); name != "" {
		names = []string{name}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed; install chromium (Debian: apt-get install chromium), or name a browser in %s, to open the reports in it", strings.Join(names, " or "), browserVariable)
	return ""
}

// startBrowser returns a tab of a browser that ends with the test.
func startBrowser(t *testing.T) *tab {
	path := browserPath(t)
	profile, err := os.MkdirTemp("", "lockstep-report-")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), browserPatience)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile))
	allocator, _ := chromedp.NewExecAllocator(ctx, options...)
	b := &tab{t: t}
	b.ctx, _ = chromedp.NewContext(allocator, chromedp.WithListener(b.watch), chromedp.WithErrorf(func(string, ...any) {})) // newer browsers send what it does not know
	t.Cleanup(func() {
		_ = chromedp.Cancel(b.ctx) // waits for its end
		cancel()
		_ = os.RemoveAll(profile)
	})
	b.at = "about:blank"
	b.run(call(network.Enable, network.EnableParams{}), call(cdplog.Enable, cdp.Empty{}))
	return b
}

// tab shows one page after the other. It collects whatever the page should not do.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	at       string // the address of the page
	problems []string
}

// screen is what a page is opened on.
type screen struct {
	width, height int64
	dark          bool
}

var desktop = screen{1280, 800, false}

// open writes the page of a check to a file and opens it. When the test ends the page must have been quiet and have loaded nothing.
func (b *tab) open(t *testing.T, c Checked, s screen) *tab {
	var page bytes.Buffer
	require.NoError(t, HTML(&page, c))
	file := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(file, page.Bytes(), 0o600))
	b.quiet(t)
	b.t = t
	b.mu.Lock()
	b.at = (&url.URL{Scheme: "file", Path: file}).String()
	b.mu.Unlock()
	t.Cleanup(func() {
		b.shoot(s)
		b.quiet(t)
	})
	scheme := map[bool]string{true: "dark", false: "light"}[s.dark]
	b.run(chromedp.EmulateViewport(s.width, s.height),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}),
		chromedp.Navigate(b.at))
	b.frame("")
	return b
}

// quiet fails if the page did what it should not, and forgets it.
func (b *tab) quiet(t *testing.T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(t, b.problems)
	b.problems = nil
}

// call is a command of the browser's protocol as an action.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// watch notes what is said on the console, exceptions, and every request but that for the page itself.
func (b *tab) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	problem := ""
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		problem = fmt.Sprintf("console: %s", e.Type)
	case *runtime.EventExceptionThrown:
		problem = "exception: " + (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error()
	case *cdplog.EventEntryAdded:
		problem = "log: " + e.Entry.Text
	case *network.EventRequestWillBeSent:
		if e.Request.URL != b.at && !strings.HasPrefix(e.Request.URL, "data:") {
			problem = "request: " + e.Request.URL
		}
	}
	if problem != "" {
		b.problems = append(b.problems, problem)
	}
}

// shoot keeps a picture if pictures are asked for.
func (b *tab) shoot(s screen) {
	dir := os.Getenv(shotsVariable)
	if dir == "" || b.ctx.Err() != nil {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	scheme := map[bool]string{true: "dark", false: "light"}[s.dark]
	name := fmt.Sprintf("%s-%dx%d-%s.png", strings.NewReplacer("/", "-", " ", "-").Replace(b.t.Name()), s.width, s.height, scheme)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name), picture, 0o600))
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

// evaluate returns the value of an expression, that of a promise when it is kept.
func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err)
	return value
}

func (b *tab) number(expression string) float64 {
	b.t.Helper()
	return evaluate[float64](b, expression)
}

func (b *tab) text(expression string) string {
	b.t.Helper()
	return evaluate[string](b, "String("+expression+")")
}

func (b *tab) yes(expression string) bool {
	b.t.Helper()
	return b.text("Boolean("+expression+")") == "true"
}

// frame evaluates a statement and waits until what it changed is drawn. It returns the milliseconds that this took.
func (b *tab) frame(statement string) (milliseconds float64) {
	b.t.Helper()
	return b.number(`new Promise(done => { const start = performance.now(); ` + statement + `; requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start))); })`)
}

// choose sets a control and tells the page, as a user's choice does.
func (b *tab) choose(selector, value string) float64 {
	b.t.Helper()
	return b.frame(fmt.Sprintf(`const node = document.querySelector(%q); node.value = %q; node.dispatchEvent(new Event(node.type === "search" ? "input" : "change", {bubbles: true}))`, selector, value))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.run(chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
	b.frame("")
}

func (b *tab) press(selector string, keys ...string) {
	b.t.Helper()
	b.run(chromedp.Focus(chromedp.CSS(selector)))
	for _, key := range keys {
		b.run(chromedp.KeyEvent(key))
	}
	b.frame("")
}

const (
	canvas = ".lanes canvas"
	status = `document.querySelector("#status").textContent`
	drawn  = `+document.querySelector(".lanes canvas").dataset.drawn`
	shown  = `document.querySelector(".lanes canvas").dataset.to - document.querySelector(".lanes canvas").dataset.from`
	nodes  = `document.querySelectorAll("*").length`
)

func TestPageInABrowser(t *testing.T) {
	b := startBrowser(t)
	for _, x := range []struct {
		name string
		test func(t *testing.T, b *tab)
	}{
		{"the violation is on the first screen", pageFirstScreen},
		{"every verdict opens quietly", pageVerdicts},
		{"bytes stay bytes", pageBytes},
		{"a bar shows its details", pageDetails},
		{"the timeline shows details by mouse and keys", pageTimelineDetails},
		{"filters", pageFilters},
		{"zoom", pageZoom},
		{"orders", pageOrders},
		{"operations far apart", pageFarApart},
		{"table of keys", pageKeys},
		{"narrow and dark", pageNarrow},
		{"labels keep apart", pageLabels},
		{"places in a record", pagePlaces},
		{"transactions", pageTransactions},
		{"axis", pageAxis},
		{"ten thousand operations", pageTenThousand},
		{"a hundred thousand operations", pageHundredThousand},
	} {
		t.Run(x.name, func(t *testing.T) { x.test(t, b) })
	}
}

var smallRun = run{clients: 5, keys: 12, operations: 600}

func pageFirstScreen(t *testing.T, b *tab) {
	b.open(t, violated(smallRun), desktop)
	require.Equal(t, sentence(staleSentence), b.text(`document.querySelector("#says-1").textContent`))
	for _, selector := range []string{"#verdict", "#says-1", "#violation-1 .set", "#violation-1 .window svg .pin:last-of-type"} {
		bottom := b.number(fmt.Sprintf("document.querySelector(%q).getBoundingClientRect().bottom", selector))
		require.Greater(t, bottom, 0.0, selector)
		require.Less(t, bottom, 800.0, selector)
	}
	require.Equal(t, 3.0, b.number(`document.querySelectorAll("#violation-1 .op.focus").length`))
	require.Equal(t, 2.0, b.number(`document.querySelectorAll("#violation-1 .window > svg .before").length`), "put v7 before put v8 before get")
	require.Equal(t, 1.0, b.number(`document.querySelectorAll("#violation-1 .window > svg .from").length`), "v7 was read")
}

func pageVerdicts(t *testing.T, b *tab) {
	for name, c := range verdicts() {
		t.Run(name, func(t *testing.T) {
			b.open(t, c, desktop)
			require.Equal(t, headlines[name], b.text(`document.querySelector("h1").textContent`))
			require.True(t, b.yes(`document.querySelector(".icon .shape").getBoundingClientRect().width > 30`), "the verdict has a shape, not only a colour")
		})
	}
}

func pageBytes(t *testing.T, b *tab) {
	r := smallRun
	r.binary = true
	b.open(t, violated(r), desktop)
	require.Equal(t, "undefined", b.text("typeof boom"))
	require.Equal(t, 2.0, b.number(`document.scripts.length`), "the record and the page's own")
	require.Equal(t, 0.0, b.number(`document.images.length`))
	require.Contains(t, b.text(`document.querySelector("#violation-1 .kicker").textContent`), `"k1</script><script>boom()</script>\x00\xff\u202e\"'&"`)
	b.press(canvas, kb.ArrowRight)
	require.Contains(t, b.text(`document.querySelector("#details").textContent`), "boom()")
	b.frame(`document.querySelector(".inview summary").click()`)
	require.Equal(t, 0.0, b.number(`document.images.length`))
}

func pageDetails(t *testing.T, b *tab) {
	b.open(t, violated(smallRun), desktop)
	require.True(t, b.yes(`document.querySelector("#details").hidden`))
	b.click("#violation-1 .op.focus:nth-of-type(2)")
	require.Contains(t, b.text(`document.querySelector("#details").textContent`), "line 900")
	require.Equal(t, 1.0, b.number(`document.querySelectorAll("#violation-1 tr.lit").length`), "its line in the table is marked")
	b.press("#details .close", kb.Escape)
	require.True(t, b.yes(`document.querySelector("#details").hidden`))
	b.press(`#violation-1 .op.focus[aria-label*="number 3"]`, kb.Enter)
	require.Contains(t, b.text(`document.querySelector("#details").textContent`), "line 9003")
	b.press(`#violation-1 .op.focus[aria-label*="number 3"]`, kb.ArrowLeft)
	require.True(t, b.yes(`document.activeElement.classList.contains("op") && !document.activeElement.getAttribute("aria-label").includes("number 3")`), "arrow keys walk")
	require.False(t, b.yes(`document.querySelector("#tip").hidden`), "focus shows the tip")
}

func pageTimelineDetails(t *testing.T, b *tab) {
	b.open(t, violated(smallRun), desktop)
	b.frame(`[...document.querySelectorAll(".legend button")].at(-1).click()`) // show on the whole timeline
	require.Contains(t, b.text(status), "matching operations of")
	b.press(canvas, kb.ArrowRight)
	first := b.text(`document.querySelector("#details h3").textContent`)
	require.NotEmpty(t, first)
	at := b.text(`(() => { const c = document.querySelector(".lanes canvas"), box = c.getBoundingClientRect(); return [box.left + +c.dataset.selectedX + 2, box.top + +c.dataset.selectedY].join() })()`)
	b.press("#details .close", kb.Enter)
	require.True(t, b.yes(`document.querySelector("#details").hidden`))
	var x, y float64
	_, err := fmt.Sscanf(at, "%g,%g", &x, &y)
	require.NoError(t, err)
	b.run(chromedp.MouseClickXY(x, y))
	b.frame("")
	require.Equal(t, first, b.text(`document.querySelector("#details h3").textContent`))
}

func pageFilters(t *testing.T, b *tab) {
	c := violated(smallRun)
	b.open(t, c, desktop)
	all := fmt.Sprintf("%d of %d operations", len(c.History.Operations), len(c.History.Operations))
	require.Contains(t, b.text(status), all)
	b.frame(`document.querySelector("#only-bad").click()`)
	require.Contains(t, b.text(status), "3 of 3 matching operations")
	b.frame(`document.querySelector("#reset").click()`)
	require.Contains(t, b.text(status), all)
	b.choose("#search", "v7")
	want := 0
	for i := range c.History.Operations {
		o := &c.History.Operations[i]
		if strings.Contains(o.Call(), "v7") || strings.Contains(o.Result(), "v7") {
			want++
		}
	}
	require.Contains(t, b.text(status), fmt.Sprintf("%d of %d matching operations", want, want))
	b.choose("#search", "ACCOUNT/11")
	want = len(partitions(c.History)["account/11"])
	require.Contains(t, b.text(status), fmt.Sprintf("%d of %d matching operations", want, want), "keys are searched, too")
	b.choose("#search", "client 2")
	require.Contains(t, b.text(status), "1 lane", "and clients")
	b.choose("#search", "no such value")
	require.Contains(t, b.text(status), "No operation matches")
	b.frame(`document.querySelector("#reset").click()`)
	b.frame(`document.querySelectorAll(".chip").forEach(chip => chip.dataset.is !== "delete" && ["get", "put"].includes(chip.dataset.is) && chip.click())`)
	deletes := 0
	for i := range c.History.Operations {
		if c.History.Operations[i].Call() == "delete" {
			deletes++
		}
	}
	require.Contains(t, b.text(status), fmt.Sprintf("%d of %d matching operations", deletes, deletes))
	b.frame(`document.querySelector("#reset").click()`)
	b.choose("#by-client", "3")
	require.Contains(t, b.text(status), "1 lane")
}

func pageZoom(t *testing.T, b *tab) {
	b.open(t, violated(smallRun), desktop)
	b.run(chromedp.ScrollIntoView(chromedp.CSS(canvas)))
	all, length := b.number(drawn), b.number(shown)
	b.click("#zoom-in")
	require.Less(t, b.number(drawn), all)
	require.Less(t, b.number(shown), length)
	b.click("#zoom-fit")
	require.Equal(t, all, b.number(drawn))
	wheel := `document.querySelector(".lanes canvas").dispatchEvent(new WheelEvent("wheel", {deltaY: -120, clientX: 640, bubbles: true, cancelable: true}))`
	b.frame(wheel)
	require.Equal(t, all, b.number(drawn), "without the focus the page scrolls")
	b.press(canvas)
	b.frame(wheel)
	require.Less(t, b.number(shown), length)
	b.press(canvas, "0")
	require.Equal(t, length, b.number(shown))
	b.press(canvas, "+", "+")
	from := b.number(`+document.querySelector(".lanes canvas").dataset.from`)
	b.frame(`const c = document.querySelector(".lanes canvas"), r = c.getBoundingClientRect(); for (const [type, x] of [["pointerdown", 700], ["pointermove", 600], ["pointerup", 600]]) c.dispatchEvent(new PointerEvent(type, {clientX: x, clientY: r.top + 5, pointerId: 1, bubbles: true}))`)
	require.Greater(t, b.number(`+document.querySelector(".lanes canvas").dataset.from`), from, "dragging moves")
}

func pageOrders(t *testing.T, b *tab) {
	c := violated(smallRun)
	b.open(t, c, desktop)
	require.Equal(t, 3.0, b.number(`document.querySelectorAll("#order-1 option").length`), "none and two partial orders")
	require.Equal(t, 0.0, b.number(`document.querySelectorAll("#violation-1 .place").length`))
	b.choose("#order-1", "0")
	require.NotZero(t, b.number(`document.querySelectorAll("#violation-1 .place").length`))
	b.choose("#order-1", "")
	require.Equal(t, 0.0, b.number(`document.querySelectorAll("#violation-1 .place").length`))

	h, placed, next := stuck()
	k := verdict1(h, placed, next)
	b.open(t, k, desktop)
	b.choose("#order-1", "0")
	says := b.text(`document.querySelector("#violation-1 .says").textContent`)
	require.Contains(t, says, "Then the key holds v2")
	require.Contains(t, says, "get → v1 does not fit")
	require.Equal(t, "1,2,next?", b.text(`[...document.querySelectorAll("#violation-1 .place-text")].map(n => n.textContent).sort().join()`))
}

func pageFarApart(t *testing.T, b *tab) {
	h, _, _ := stuck()
	h.Operations[2].Invoke += 60_000_000_000
	h.Operations[2].Return += 60_000_000_000
	c := verdict1(h, []int32{0, 1}, 2)
	b.open(t, c, desktop)
	require.Contains(t, b.text(`document.querySelector("#violation-1 .legend").textContent`), "not to scale")
	widths := `Math.min(...[...document.querySelectorAll("#violation-1 .op.focus .body")].map(n => n.getBoundingClientRect().width))`
	require.Greater(t, b.number(widths), 20.0)
	b.frame(`[...document.querySelectorAll(".legend button")][0].click()`)
	require.Less(t, b.number(widths), 5.0, "to scale they are slivers")
	b.frame(`[...document.querySelectorAll(".legend button")][0].click()`)
	require.Greater(t, b.number(widths), 20.0)
}

func pageKeys(t *testing.T, b *tab) {
	b.open(t, violated(smallRun), desktop)
	column := func(n int) string {
		return b.text(fmt.Sprintf(`[...document.querySelectorAll("#table tbody tr td:nth-child(%d)")].map(n => n.textContent).join()`, n))
	}
	require.True(t, strings.HasPrefix(column(2), "Violation,Undecided,Linearizable"), "problems first")
	b.frame(`document.querySelector("#table th button").click()`)
	require.True(t, strings.HasPrefix(column(1), "account/0,account/1,account/10,"))
	require.Equal(t, "ascending", b.text(`document.querySelector("#table th").getAttribute("aria-sort")`))
	b.choose("#key-verdict", "undecided")
	require.Equal(t, "account/2", column(1))
	require.Contains(t, column(6), "give it more with --budget")
	b.choose("#key-verdict", "")
	b.choose("#key-search", "account/11")
	require.Equal(t, "account/11", column(1))
	b.frame(`document.querySelector("#table tbody button").click()`)
	require.Contains(t, b.text(`document.querySelector("#by-key").selectedOptions[0].textContent`), "account/11")
}

func pageNarrow(t *testing.T, b *tab) {
	for _, s := range []screen{{420, 800, false}, {420, 800, true}, {1280, 800, true}, {320, 640, false}} {
		t.Run(fmt.Sprintf("%dx%d %v", s.width, s.height, s.dark), func(t *testing.T) {
			b.open(t, violated(smallRun), s)
			require.LessOrEqual(t, b.number("document.scrollingElement.scrollWidth"), float64(s.width), "the page does not scroll sideways")
			require.Less(t, b.number(`document.querySelector("#verdict").getBoundingClientRect().bottom`), 200.0)
			require.NotZero(t, b.number(drawn))
		})
	}
}

// Labels of bars overlap neither each other nor the pins of others, however narrow the page is.
func pageLabels(t *testing.T, b *tab) {
	// Contradicting operations of one client, near to each other: there is room for few labels.
	h := &history.History{Origin: history.Origin{File: "labels.jsonl"}}
	for i := range 8 {
		at := int64(i) * 300
		h.Operations = append(h.Operations, history.Operation{Client: int32(i % 2), Kind: history.Put, Outcome: history.Done, Key: "x", Value: history.Of(fmt.Sprintf("value-%d", i)), Invoke: at, Return: at + 250})
	}
	dense := judged(h)
	dense.Result.Verdict = verdict.Violation
	k := &dense.Result.Keys[0]
	k.Verdict, k.Contradiction = verdict.Violation, &verdict.Contradiction{Kind: verdict.Unorderable, Operations: []int32{0, 1, 2, 3, 4, 5, 6, 7}, Sentence: "many"}
	for _, c := range []Checked{violated(smallRun), dense, transactional()} {
		for _, width := range []int64{320, 420, 760, 1280} {
			b.open(t, c, screen{width, 800, false})
			require.Empty(t, b.text(`(() => {
				const texts = [...document.querySelectorAll("#violation-1 .window .op text:not(.place-text), #violation-1 .window .outside, #violation-1 .window .pin")];
				const boxes = texts.map(n => ({text: n.textContent || "pin", ...JSON.parse(JSON.stringify(n.getBoundingClientRect()))})), bad = [];
				for (const a of boxes) for (const b of boxes) {
					if (a === b || a.text === "pin") continue;
					if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4) bad.push(a.text + " and " + b.text);
				}
				return bad.join("; ");
			})()`), "%s at %d", c.History.Origin.File, width)
		}
	}
}

func pagePlaces(t *testing.T, b *tab) {
	b.open(t, untimed(), desktop)
	b.press(canvas, kb.ArrowRight)
	b.frame(`document.querySelector(".inview summary").click()`)
	page := b.text(`document.body.innerText + [...document.querySelectorAll("[aria-label]")].map(n => n.getAttribute("aria-label")).join() + [...document.querySelectorAll("svg text")].map(n => n.textContent).join()`)
	require.NotRegexp(t, `\d (ns|µs|ms|s)\b`, strings.ReplaceAll(page, "not measured", ""))
	require.Contains(t, b.text(`document.querySelector("#details").innerText`), "#2")
	require.Contains(t, b.text(`document.querySelector("#details").innerText`), "1 place")
	require.Contains(t, b.text(status), "#2 to #7: 3 of 3 operations in view")
	require.Regexp(t, `^#\d`, b.text(`document.querySelector("#violation-1 .window .tick").textContent`))
}

func pageTransactions(t *testing.T, b *tab) {
	b.open(t, transactional(), desktop)
	require.Equal(t, "1", b.text(`document.querySelectorAll("#violation-1 .op.read").length`), "a range has the colour of reads")
	require.Contains(t, b.text(`document.querySelector("#violation-1 .op.read").getAttribute("aria-label")`), "range a*")
	require.Equal(t, "all keys", b.text(`document.querySelector("#table td.key").textContent`))
}

func pageAxis(t *testing.T, b *tab) {
	// Two operations at once contradict each other: no arrow, and so none in the legend.
	h, _, _ := stuck()
	for i := range h.Operations {
		h.Operations[i].Invoke, h.Operations[i].Return = int64(i)*1_000_000, 20_000_000
	}
	c := verdict1(h, []int32{0, 1}, 2)
	b.open(t, c, desktop)
	require.Equal(t, 0.0, b.number(`document.querySelectorAll("#violation-1 .window .before").length`), "neither drawn nor explained")
	ticks := `[...document.querySelectorAll("#violation-1 .window .tick")].map(n => n.textContent).join("; ")`
	require.Contains(t, b.text(ticks), "20 ms")
	require.NotRegexp(t, "µs|ns", b.text(ticks))
	h.Operations[0].Return = 1_500_000
	b.open(t, c, desktop)
	require.Equal(t, 2.0, b.number(`document.querySelectorAll("#violation-1 .window .before").length`), "one is drawn, and explained")
}

// nodesMax bounds what a page of any size is made of.
const nodesMax = 6_000

func pageTenThousand(t *testing.T, b *tab) {
	c := violated(run{clients: 16, keys: 40, operations: 10_000})
	b.open(t, c, desktop)
	require.Contains(t, b.text(status), fmt.Sprintf("%s of %s operations", thousands(int64(len(c.History.Operations))), thousands(int64(len(c.History.Operations)))), "all are there")
	require.Empty(t, b.text(`[...document.querySelectorAll(".left-out")].map(n => n.textContent).join()`))
	for _, x := range []struct{ what, statement string }{
		{"zoom in", `document.querySelector("#zoom-in").click()`},
		{"zoom to fit", `document.querySelector("#zoom-fit").click()`},
		{"find", `const s = document.querySelector("#search"); s.value = "v9"; s.dispatchEvent(new Event("input"))`},
		{"reset", `document.querySelector("#reset").click()`},
		{"one kind off", `document.querySelector(".chip").click()`},
	} {
		frames := b.number(`+document.querySelector(".lanes canvas").dataset.frames`)
		took := b.frame(x.statement)
		require.LessOrEqual(t, b.number(`+document.querySelector(".lanes canvas").dataset.frames`)-frames, 2.0, "one interaction is one drawing")
		t.Logf("%s: handled and drawn within %.0f ms, two frames included", x.what, took)
	}
	require.Less(t, b.number(nodes), float64(nodesMax))
	t.Logf("%.0f elements", b.number(nodes))
}

func pageHundredThousand(t *testing.T, b *tab) {
	r := run{clients: 30, keys: 6_000, operations: 100_000}
	if testing.Short() {
		r.operations = 40_000 // still more than a page holds
	}
	c := violated(r)
	b.open(t, c, desktop)
	require.Contains(t, b.text(`[...document.querySelectorAll(".left-out")].map(n => n.textContent).join(" ")`), "This page holds 20,000 of")
	require.Equal(t, 1.0, b.number(`document.querySelectorAll(".left-out").length`))
	require.Contains(t, b.text(status), " of 20,000 operations in view")
	require.Contains(t, b.text(`document.querySelector("#keys-status").textContent`), "keys with the least problems are in the JSON report only")
	took := b.frame(`document.querySelector("#zoom-in").click()`)
	t.Logf("zoom: handled and drawn within %.0f ms, two frames included", took)
	b.choose("#search", "v7")
	require.Less(t, b.number(nodes), float64(nodesMax))
}
