package console

import (
	"encoding/json"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/httpapi"
)

// maxSize is how many bytes the page may have in all, uncompressed.
const maxSize = 150_000

func files(t *testing.T) map[string]string {
	t.Helper()
	made, err := makeFiles(Config{API: DefaultAPI})
	require.NoError(t, err)
	all := make(map[string]string)
	for name, f := range made {
		all[name] = string(f.content)
	}
	return all
}

// sources are the files that the script is made of.
func sources(t *testing.T) map[string]string {
	t.Helper()
	names, err := fs.Glob(page, "page/*.js")
	require.NoError(t, err)
	all := make(map[string]string)
	for _, name := range names {
		content, err := page.ReadFile(name)
		require.NoError(t, err)
		all[strings.TrimSuffix(strings.TrimPrefix(name, "page/"), ".js")] = string(content)
	}
	return all
}

func TestSize(t *testing.T) {
	size := 0
	for _, content := range files(t) {
		size += len(content)
	}
	t.Logf("%d bytes", size)
	assert.Positive(t, size)
	assert.LessOrEqual(t, size, maxSize)
}

// The first paint takes one request for each of HTML, CSS and script, and nothing is ever
// asked of anybody else.
func TestRequestsOfTheFirstPaint(t *testing.T) {
	all := files(t)
	loads := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(all[""], -1)
	var names []string
	for _, load := range loads {
		if !strings.HasPrefix(load[1], "#") {
			names = append(names, load[1])
		}
	}
	assert.Equal(t, []string{"data:,", "console.css", "console.js"}, names)
	for name, content := range all {
		assert.Empty(t, regexp.MustCompile(`https?://|\bimport\s*\(|@import|url\(`).FindString(content), name)
	}
}

func TestNothingInline(t *testing.T) {
	document := files(t)[""]
	assert.NotRegexp(t, `(?i)\sstyle=|<style|\son\w+=|javascript:`, document)
	assert.NotRegexp(t, `<script[^>]*>[^<]`, document)
}

// What comes from a file or from the service is only ever text, and nothing is stored but
// what the package says.
func TestSourcesKeepOutOfDanger(t *testing.T) {
	for name, source := range sources(t) {
		none := func(pattern string) { assert.Empty(t, regexp.MustCompile(pattern).FindString(source), name) }
		none(`innerHTML|outerHTML|insertAdjacentHTML|createContextualFragment|DOMParser|setHTML|document\.write|\beval\(|new Function|srcdoc`)
		none(`indexedDB|caches\b|document\.cookie|getDirectory|BroadcastChannel`)
		none(`setAttribute\("(style|on)`)
	}
	stores := regexp.MustCompile(`(\w+Storage)\.setItem\((\w+)`)
	var found []string
	for _, source := range sources(t) {
		for _, match := range stores.FindAllStringSubmatch(source, -1) {
			found = append(found, match[1]+" "+match[2])
		}
	}
	slices.Sort(found)
	assert.Equal(t, []string{"localStorage memory", "sessionStorage stored"}, found)
}

func TestScriptHasAllSources(t *testing.T) {
	assert.Equal(t, slices.Sorted(maps.Keys(sources(t))), slices.Sorted(slices.Values(scripts)))
	script := files(t)["console.js"]
	for name, source := range sources(t) {
		assert.True(t, strings.Contains(script, string(slim([]byte(source)))), name)
	}
	assert.Empty(t, regexp.MustCompile(`(?m)^\s.*|^//.*`).FindString(script))
}

// Lines are joined without their indentation, so no text may go on in the next line.
func TestNoTextHasALineBreak(t *testing.T) {
	for name, source := range sources(t) {
		for i, line := range strings.Split(source, "\n") {
			assert.Zero(t, strings.Count(line, "`")%2, "%s.js:%d", name, i+1)
		}
	}
}

func texts(t *testing.T) map[string]map[string]string {
	t.Helper()
	source := sources(t)["texts"]
	_, object, ok := strings.Cut(source, "const texts = ")
	require.True(t, ok)
	var all map[string]map[string]string
	require.NoError(t, json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimSpace(object), ";")), &all))
	require.GreaterOrEqual(t, len(all), 2)
	return all
}

func TestEveryLanguageHasEveryText(t *testing.T) {
	parameter := regexp.MustCompile(`\{\w+\}`)
	all := texts(t)
	for language, words := range all {
		assert.ElementsMatch(t, slices.Collect(maps.Keys(all["en"])), slices.Collect(maps.Keys(words)), language)
		for key, text := range words {
			assert.NotEmpty(t, text, "%s %s", language, key)
			assert.ElementsMatch(t, parameter.FindAllString(all["en"][key], -1), parameter.FindAllString(text, -1), "%s %s", language, key)
			if base, ok := strings.CutSuffix(key, ".one"); ok {
				assert.Contains(t, words, base+".other", language)
			}
		}
	}
}

// Each text that the sources name is there, and each that is there is named.
func TestTextsAreUsed(t *testing.T) {
	words := texts(t)["en"]
	keys := make(map[string]bool)
	for key := range words {
		keys[strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")] = true
	}
	literal := regexp.MustCompile(`"([a-zA-Z]+(?:\.[a-zA-Z_]+)+)"`)
	template := regexp.MustCompile("\\bt\\(`([^`]*)`")
	hole := regexp.MustCompile(`\\\$\\\{[^}]*\\\}`)
	used := make(map[string]bool)
	for name, source := range sources(t) {
		if name == "texts" {
			continue
		}
		for _, match := range regexp.MustCompile(`\b(?:t|FileProblem)\((?:[^"()]*\? )?"([a-zA-Z.]+)"`).FindAllStringSubmatch(source, -1) {
			if !strings.HasSuffix(match[1], ".") {
				assert.True(t, keys[match[1]], "%s.js names the text %s", name, match[1])
			}
		}
		for _, match := range literal.FindAllStringSubmatch(source, -1) {
			used[match[1]] = true
		}
		for _, match := range template.FindAllStringSubmatch(source, -1) {
			pattern := regexp.MustCompile("^" + hole.ReplaceAllString(regexp.QuoteMeta(match[1]), `[\w.-]+`) + "$")
			some := false
			for key := range keys {
				if pattern.MatchString(key) {
					used[key], some = true, true
				}
			}
			assert.True(t, some, "%s.js: there is no text %s", name, match[1])
		}
	}
	for key := range keys {
		if !strings.HasPrefix(key, "problem.") && key != "brand" && key != "skip" {
			assert.True(t, used[key], "no source names the text %s", key)
		}
	}
}

// A new error code needs words for administrators.
func TestErrorCodesHaveWords(t *testing.T) {
	var document struct {
		Components struct {
			Schemas struct {
				RowErrorCode struct{ Enum []string }
				JobError     struct {
					Properties struct{ Code struct{ Enum []string } }
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal(httpapi.OpenAPI(), &document))
	codes := slices.Concat(document.Components.Schemas.RowErrorCode.Enum, document.Components.Schemas.JobError.Properties.Code.Enum)
	require.Greater(t, len(codes), 15)
	for language, words := range texts(t) {
		for _, code := range codes {
			assert.Contains(t, words, "code."+code, language)
		}
	}
}
