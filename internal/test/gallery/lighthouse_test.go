package gallery

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// lighthouse looks at addresses with the Chromium of the studio, one after the other in one tab, and prints a line for
// each with the audits that take a point. The arguments are the folder of Lighthouse, the port of the browser, and each
// address with how it is looked at: light, dark or phone. It does not wait for a page to become quiet: these run no
// script on their own, and its speed is not judged.
const lighthouse = `
const [folder, port, ...stops] = process.argv.slice(1);
const {default: look} = await import(folder + "/core/index.js");
const {default: puppeteer} = await import(folder + "/../puppeteer-core/lib/puppeteer/puppeteer-core.js");
const browser = await puppeteer.connect({browserURL: "http://127.0.0.1:" + port, defaultViewport: null});
const tab = await browser.newPage();
for (const stop of stops) {
	const [way, address] = stop.split(" ");
	await tab.emulateMediaFeatures([{name: "prefers-color-scheme", value: way === "dark" ? "dark" : "light"}]);
	const phone = way === "phone" ? {formFactor: "mobile", screenEmulation: {mobile: true, width: 360, height: 720, deviceScaleFactor: 2, disabled: false}} :
		{formFactor: "desktop", screenEmulation: {mobile: false, width: 1280, height: 800, deviceScaleFactor: 1, disabled: false}};
	const {lhr} = await look(address, {port: +port, output: "json", logLevel: "error", onlyCategories: ["accessibility", "best-practices"], ...phone,
		throttlingMethod: "provided", disableFullPageScreenshot: true, pauseAfterFcpMs: 0, pauseAfterLoadMs: 0, networkQuietThresholdMs: 0, cpuQuietThresholdMs: 0}, undefined, tab);
	const faults = lhr.runtimeError ? [lhr.runtimeError.message] : [];
	for (const category of Object.values(lhr.categories)) {
		for (const {id, weight} of category.auditRefs) {
			const audit = lhr.audits[id];
			if (weight > 0 && audit.score !== null && audit.score < 1 || audit.scoreDisplayMode === "error") {
				faults.push(id + ": " + JSON.stringify(audit.details?.items ?? audit.errorMessage).slice(0, 400));
			}
		}
	}
	const dark = await tab.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches);
	const width = lhr.configSettings.screenEmulation.width;
	console.log(JSON.stringify({address, way, dark, width, version: lhr.lighthouseVersion, faults, scores: Object.values(lhr.categories).map(c => c.score * 100)}));
}
await tab.close();
await browser.disconnect();`

var full = flag.Bool("full", false, "have Lighthouse look at every kind of page: some minutes")

// lookedAt are pages of several kinds: a list of ways, forms, a picture to scan, an account, a console, an error.
// lookedAtInFull are those of every kind. TestAxe looks at every page in all its states.
var (
	lookedAt       = []string{"postern.choose", "postern.sign-up", "totp.enroll", "postern.account-security", "admin.user", "postern.error-cancelled"}
	lookedAtInFull = append([]string{"postern.ways", "postern.accounts", "password.sign-in", "magic.code", "passkey.sign-in", "recovery.codes", "postern.factor",
		"postern.account", "postern.account-sessions", "postern.account-history", "postern.account-delete", "admin.users", "admin.keys", "admin.mail-preview",
		"admin.settings"}, lookedAt...)
)

// TestLighthouse: Lighthouse gives each of some kinds of page 100 points for accessibility and 100 for best practices,
// some of them also dark and on a phone; with -full each kind of page. A mail loses points for one thing alone: it has
// no landmark main, since mail programs show it inside of a page of theirs.
func TestLighthouse(t *testing.T) {
	bin, folder := node(t), filepath.Join(modules(t), "lighthouse")
	v := newWorld(t)
	s := newStudio(t, v)
	pages, twice := lookedAt, []string{"postern.choose"}
	if *full {
		pages, twice = lookedAtInFull, []string{"postern.choose", "postern.account-security", "admin.user"}
	}
	var stops []string
	for _, one := range reached(t) {
		if !slices.Contains(pages, one.name()) {
			continue
		}
		address := site + s.shelf.put(one)
		stops = append(stops, "light "+address)
		if slices.Contains(twice, one.name()) {
			stops = append(stops, "dark "+address, "phone "+address)
		}
	}
	v.person(t, "en").open("/mail/authorize").send("email", "ada@example.com")
	mails := v.Mails.All()
	stops = append(stops, "light "+site+s.shelf.put(shot{scene: scene{page: "mail"}, language: "en", body: mails[len(mails)-1].HTML,
		header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}}))
	cmd := exec.Command(bin, append([]string{"--input-type=module", "-e", lighthouse, folder, s.port}, stops...)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	begun := time.Now()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &complaint)
	}
	looked := 0
	for line := range strings.Lines(string(out)) {
		var page struct {
			Address, Way, Version string
			Dark                  bool
			Width                 int
			Faults                []string
			Scores                []float64
		}
		if err := json.Unmarshal([]byte(line), &page); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		looked++
		if page.Dark != (page.Way == "dark") || (page.Width == 360) != (page.Way == "phone") {
			t.Errorf("%s was not looked at as %s: %s", page.Address, page.Way, line)
		}
		if strings.HasSuffix(page.Address, "/mail") && len(page.Faults) == 1 && strings.HasPrefix(page.Faults[0], "landmark-one-main:") {
			continue
		}
		if len(page.Faults) > 0 || !slices.Equal(page.Scores, []float64{100, 100}) {
			t.Errorf("%s, %s: %v points from Lighthouse %s: %s", page.Address, page.Way, page.Scores, page.Version, strings.Join(page.Faults, "\n"))
		}
	}
	if want := len(pages) + 2*len(twice) + 1; looked != want {
		t.Errorf("%d pages were looked at, want %d", looked, want)
	}
	t.Logf("%d pages in %s", looked, time.Since(begun).Round(time.Second))
}
