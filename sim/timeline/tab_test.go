package timeline

import (
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
	"github.com/stretchr/testify/require"
)

// browserVariable names the browser to use, and shotsVariable a folder for pictures of every page that is opened.
const (
	browserVariable = "LOCKSTEP_CHROMIUM"
	shotsVariable   = "LOCKSTEP_REPORT_SHOTS"
)

// browserPatience ends a browser that hangs.
const browserPatience = 3 * time.Minute

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
	t.Skipf("%s is not installed; install chromium (Debian: apt-get install chromium), or name a browser in %s, to open the timelines in it", strings.Join(names, " or "), browserVariable)
	return ""
}

// screen is what a page is opened on.
type screen struct {
	width, height int64
	dark          bool
}

var laptop = screen{1280, 800, false}

// tab shows one page after the other. It collects whatever the page should not do.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	at       string // the address of the page
	problems []string
}

// startBrowser returns a tab of a browser that ends with the test.
func startBrowser(t *testing.T) *tab {
	path := browserPath(t)
	profile, err := os.MkdirTemp("", "lockstep-timeline-")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), browserPatience)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile))
	allocator, _ := chromedp.NewExecAllocator(ctx, options...)
	b := &tab{t: t, at: "about:blank"}
	b.ctx, _ = chromedp.NewContext(allocator, chromedp.WithListener(b.watch), chromedp.WithErrorf(func(string, ...any) {})) // newer browsers send what it does not know
	t.Cleanup(func() {
		_ = chromedp.Cancel(b.ctx) // waits for its end
		cancel()
		_ = os.RemoveAll(profile)
	})
	b.run(call(network.Enable, network.EnableParams{}), call(cdplog.Enable, cdp.Empty{}))
	return b
}

// open writes the page of an input to a file and opens it. When the test ends the page must have been quiet and have loaded nothing.
func (b *tab) open(t *testing.T, in *Input, s screen, fragment string) {
	page := pageBytes(t, in)
	file := filepath.Join(t.TempDir(), "timeline.html")
	require.NoError(t, os.WriteFile(file, page, 0o600))
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
		chromedp.Navigate(b.at+fragment))
	b.frame(`if (document.body.dataset.ready !== "yes") await new Promise(go => { new MutationObserver(go).observe(document.body, {attributes: true}); if (document.body.dataset.ready === "yes") go(); })`)
	t.Logf("%d events, a page of %d bytes", len(in.Events), len(page))
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
	return evaluate[float64](b, "Number("+expression+")")
}

func (b *tab) text(expression string) string {
	b.t.Helper()
	return evaluate[string](b, "String("+expression+")")
}

// frame evaluates a statement and waits until what it changed is drawn. It returns the milliseconds that this took.
func (b *tab) frame(statement string) (milliseconds float64) {
	b.t.Helper()
	return evaluate[float64](b, `(async () => { const start = performance.now(); `+statement+`; await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))); return performance.now() - start; })()`)
}

// choose sets a control and tells the page, as a user's choice does.
func (b *tab) choose(selector, value string) {
	b.t.Helper()
	b.frame(fmt.Sprintf(`const node = document.querySelector(%q); node.value = %q; node.dispatchEvent(new Event(node.type === "search" ? "input" : "change", {bubbles: true}))`, selector, value))
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
