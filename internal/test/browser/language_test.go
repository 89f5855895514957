package browser

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// textsOfPage is the source of the file that has all texts.
func textsOfPage(tb testing.TB) string {
	tb.Helper()
	source, err := os.ReadFile(filepath.FromSlash("../../../httpapi/console/page/texts.js"))
	if err != nil {
		tb.Fatal(err)
	}
	return string(source)
}

// TestLanguages: every text is there in each language, with the same parameters.
func TestLanguages(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := h.signedIn(t, look{})
	for language, problems := range eval[map[string][]string](p, `source => {
		const texts = new Function(source + "; return texts;")();
		const plain = key => key.replace(/\.(zero|one|two|few|many|other)$/, "");
		const parameters = text => [...text.matchAll(/\{\w+\}/g)].map(m => m[0]).filter(name => name !== "{n}").sort().join();
		const problems = {};
		for (const [language, all] of Object.entries(texts)) {
			const found = problems[language] = [];
			const there = new Map(Object.entries(all).map(([key, text]) => [plain(key), text]));
			const wanted = new Map(Object.entries(texts.en).map(([key, text]) => [plain(key), text]));
			for (const [key, text] of wanted) {
				if (!there.get(key)) found.push("lacks " + key);
				else if (parameters(there.get(key)) !== parameters(text)) found.push("has other parameters in " + key);
			}
			for (const key of there.keys()) if (!wanted.has(key)) found.push("has more than English: " + key);
			// Each form of the plural that the language has.
			const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
			for (const key of Object.keys(texts.en).filter(key => key.endsWith(".one")).map(plain))
				for (const form of forms) if (!(key + "." + form in all)) found.push("lacks the plural " + key + "." + form);
		}
		return problems;
	}`, textsOfPage(t)) {
		for _, problem := range problems {
			t.Errorf("the language %q %s", language, problem)
		}
	}
}

// TestGerman: the whole way in the second language, with its numbers, and no word of the
// first.
func TestGerman(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := open(t, h, "/signin", look{language: "de-DE"})
	p.enter()
	if got := eval[string](p, `() => document.documentElement.lang`); got != "de" {
		t.Errorf("the page says that its language is %q", got)
	}
	english := func(where string) {
		t.Helper()
		left := eval[[]string](p, `source => {
			const texts = new Function(source + "; return texts;")();
			const same = new Set(Object.values(texts.de));
			const english = new Set(Object.values(texts.en).filter(text => /[a-z]{4}/i.test(text) && !text.includes("{") && !same.has(text)));
			const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
			const found = [];
			for (let node; (node = walker.nextNode());) if (!node.parentElement.closest("[lang=en]") && english.has(node.data.trim())) found.push(node.data);
			for (const e of document.querySelectorAll("[aria-label], [title], [placeholder]"))
				for (const name of ["aria-label", "title", "placeholder"]) if (english.has(e.getAttribute(name))) found.push(e.getAttribute(name));
			return found;
		}`, textsOfPage(t))
		if len(left) > 0 {
			t.Errorf("%s has English texts: %q", where, left)
		}
	}
	english("the beginning")
	p.load(file(t, "viele.csv", csvOf(1200)+"u-x,keine Adresse,\n"))
	english("the mapping")
	p.preview()
	p.says(`section [data-count="created"]`, "1.200")
	english("the preview")
	p.run()
	p.says(`section [data-count="created"]`, "1.200")
	english("the result")
	p.click("#mend")
	p.see("#mend-table tr[data-index]")
	english("the mending")
	p.visit("/console/#/jobs")
	p.inView("jobs", "ready")
	english("the list")
	p.click("#jobs tr[data-job] a")
	p.inView("job", "ended")
	english("the job")
	if got := p.value("#separator-out"); got != ";" {
		t.Errorf("files have the separator %q, want that of German spreadsheets", got)
	}
	if title := eval[string](p, `() => document.title`); slices.Contains(strings.Fields(title), "import") {
		t.Errorf("the title is %q", title)
	}
}

// TestOtherLanguages fall back to English.
func TestOtherLanguages(t *testing.T) {
	t.Parallel()
	h := serve(t, inMemory, settings{})
	p := open(t, h, "/signin", look{language: "fi-FI"})
	p.enter()
	if got := eval[string](p, `() => document.documentElement.lang`); got != "en" {
		t.Errorf("the page says that its language is %q", got)
	}
}
