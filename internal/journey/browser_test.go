package journey

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/curfewhq/curfew/internal/localpeer"
)

// pageLimit bounds how long one step in the browser may take.
const pageLimit = time.Minute

// browser is a Chromium with a profile of its own. Where screenshots is set, show keeps pictures there to be looked at.
type browser struct {
	testing.TB
	ctx context.Context
}

// screenshots is where pictures of the pages go; empty keeps none.
var screenshots = os.Getenv("CURFEW_SCREENSHOTS")

// newBrowser starts a browser, which ends with the test.
func newBrowser(t testing.TB, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path, err := localpeer.NeedProgram(t.Context(), t.Output(), "chromium", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(900, 700),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-component-update", true),
	)
	options = append(options, more...)
	allocated, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		closeTab()
		end()
	})
	b := &browser{TB: t, ctx: ctx}
	// The first step starts the browser, which lives as long as that step's context.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return b
}

// do carries out steps.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageLimit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.fail(err)
	}
}

// fail says what the browser shows.
func (b *browser) fail(err error) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	page, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	b.Fatalf("%v\nThe browser is at %s and shows:\n%s", err, at, page)
}

// text waits until there is something that the selector fits, and returns its text.
func (b *browser) text(selector string) string {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageLimit)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.fail(err)
	}
	return text
}

// show keeps a picture of the page, where somebody wants to see them.
func (b *browser) show(name string) {
	b.Helper()
	if screenshots == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.fail(err)
	}
	if err := os.WriteFile(filepath.Join(screenshots, name+".png"), picture, 0o600); err != nil {
		b.Fatal(err)
	}
}

// look keeps pictures of the page as it is by day, by night, and on a telephone.
func (b *browser) look(name string) {
	b.Helper()
	if screenshots == "" {
		return
	}
	b.everyLook(func(look string) { b.show(name + look) })
}

// everyLook has the browser show pages by day and by night, on a desk and on a telephone.
func (b *browser) everyLook(do func(look string)) {
	b.Helper()
	scheme := func(value string) {
		preferred := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}}
		if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, preferred); err != nil {
			b.fail(err)
		}
	}
	for width, narrow := range map[int64]string{900: "", 390: "-narrow"} {
		b.do(chromedp.EmulateViewport(width, 700))
		scheme("dark")
		do("-dark" + narrow)
		scheme("light")
		do(narrow)
	}
	b.do(chromedp.EmulateViewport(900, 700))
}

// accessible holds pages to what axe-core knows of, in every look.
func (b *browser) accessible(pages ...string) {
	b.Helper()
	axe, err := localpeer.Axe(b.Context(), b.Output())
	if err != nil {
		b.Fatal(err)
	}
	const violations = `axe.run().then(found => found.violations.map(v => v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.html).join(' ')))`
	for _, at := range pages {
		b.open(at)
		b.everyLook(func(look string) {
			if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](axe+"; true")); err != nil {
				b.fail(err)
			}
			found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](violations, chromedp.EvalAwaitPromise))
			if err != nil || len(found) > 0 {
				b.Errorf("%s%s: %v, %q", at, look, err, found)
			}
		})
	}
}

// signInAtDex fills in the provider's page.
func (b *browser) signInAtDex(email, password string) {
	b.Helper()
	b.do(
		chromedp.WaitVisible(chromedp.CSS(`#login`)),
		chromedp.SendKeys(chromedp.CSS(`#login`), email), chromedp.SendKeys(chromedp.CSS(`#password`), password),
		chromedp.Click(chromedp.CSS(`#submit-login`)),
	)
}
