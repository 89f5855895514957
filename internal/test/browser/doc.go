// Package browser tests the administrator's page, httpapi/console, in a real browser:
// headless Chromium, against the real server on the in-memory backends and on those of
// AWS. It is a module of its own for its driver, chromedp.
//
// The command internal/cmd/testservers finds Chromium and fetches axe-core; a test
// without them is skipped, or fails if BULKOPS_REQUIRE_BACKENDS is 1:
//
//	make browser
//
// Every page that a test opens is watched: an uncaught exception, a violation of the
// Content-Security-Policy or a request to another origin fails the test, and so does an
// address that the page leaves in what outlives its tab.
package browser
