package browser

import (
	"strings"

	"github.com/chromedp/chromedp"
)

// kept is all that a page leaves in storage, as text by its place.
const kept = `async () => {
	const all = {};
	const store = (place, storage) => {
		for (let i = 0; i < storage.length; i++) all[place + " " + storage.key(i)] = storage.getItem(storage.key(i));
	};
	store("localStorage", localStorage);
	store("sessionStorage", sessionStorage);
	all["document.cookie"] = document.cookie;
	all["window.name"] = window.name;
	all["history.state"] = JSON.stringify(history.state);
	for (const {name} of await globalThis.indexedDB?.databases() ?? []) all["IndexedDB " + name] = "a database";
	for (const name of await globalThis.caches?.keys() ?? []) { // pages of https alone have some
		const cache = await caches.open(name);
		for (const request of await cache.keys()) all["cache " + name + " " + request.url] = await (await cache.match(request)).text();
	}
	for (const worker of await navigator.serviceWorker?.getRegistrations() ?? []) all["service worker " + worker.scope] = "registered";
	return all;
}`

// noTraces checks that nobody's address is in a URL or in storage, and that the page has
// no database at all.
func (p *tab) noTraces() {
	for place, text := range eval[map[string]string](p, kept) {
		if hasAddress(place) || hasAddress(text) {
			p.Errorf("an address is in %s: %.200s", place, text)
		}
		if strings.HasPrefix(place, "IndexedDB") || strings.HasPrefix(place, "cache") || strings.HasPrefix(place, "service worker") {
			p.Errorf("the page keeps %s", place)
		}
	}
	history, err := chromedp.Run(p.ctx, chromedp.NavigationEntries())
	if err != nil {
		p.Error(err)
	}
	urls := p.watch.urls()
	for _, entry := range history.Entries {
		urls = append(urls, entry.URL)
	}
	for _, u := range urls {
		if hasAddress(u) {
			p.Errorf("an address is in a URL: %s", u)
		}
	}
}

func hasAddress(text string) bool {
	return strings.Contains(text, "@") || strings.Contains(text, "%40") || strings.Contains(text, "example.com")
}
