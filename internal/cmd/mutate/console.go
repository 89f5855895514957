package main

// Faults of the administrator's page that its own tests see without a browser: what it
// is served with, and what its sources must not have.
var console = []mutation{
	{
		name: "the policy allows inline scripts", file: "httpapi/console/console.go",
		old: `script-src 'self';`, new: `script-src 'self' 'unsafe-inline';`, test: "TestHeadersThatProtect",
	},
	{
		name: "a refused path has no policy", file: "httpapi/console/console.go",
		old: `	header.Set("Content-Security-Policy", policy)
`, new: `	if r.URL.Path != "/console/nothing" {
		header.Set("Content-Security-Policy", policy)
	}
`, test: "TestHeadersThatProtect",
	},
	{
		name: "a POST is answered", file: "httpapi/console/console.go",
		old: `r.Method != http.MethodGet && r.Method != http.MethodHead`, new: `r.Method == http.MethodDelete`, test: "TestOtherPathsAndMethods",
	},
	{
		name: "any path is the page", file: "httpapi/console/console.go",
		old: `	if found == nil {
		http.NotFound(w, r)
		return
	}
`, new: `	if found == nil {
		found = h.files[""]
	}
`, test: "TestOtherPathsAndMethods",
	},
	{
		name: "a prefix must be stripped", file: "httpapi/console/console.go",
		old: `if i := strings.LastIndex(r.URL.Path, mount); i >= 0 {`, new: `if i := strings.LastIndex(r.URL.Path, mount); i == 0 {`, test: "TestFilesUnderEveryMount",
	},
	{
		name: "the address without a slash leads to the root", file: "httpapi/console/console.go",
		old: `strings.Trim(mount, "/")+"/"`, new: `mount`, test: "TestAddressWithoutSlash",
	},
	{
		name: "the API may be another origin's", file: "httpapi/console/console.go",
		old: `strings.HasPrefix(each.value, "//") || `, new: ``, test: "TestConfigIsOnThePagesOrigin",
	},
	{
		name: "a script's address may be any URL", file: "httpapi/console/console.go",
		old: `u.Scheme != "" || `, new: ``, test: "TestConfigIsOnThePagesOrigin",
	},
	{
		name: "a backslash begins another origin", file: "httpapi/console/console.go",
		old: "strings.ContainsAny(each.value, `\\ `)", new: "strings.Contains(each.value, ` `)", test: "TestConfigIsOnThePagesOrigin",
	},
	{
		name: "a blank in front of another origin passes", file: "httpapi/console/console.go",
		old: "strings.ContainsAny(each.value, `\\ `)", new: "strings.Contains(each.value, `\\`)", test: "TestConfigIsOnThePagesOrigin",
	},
	{
		name: "a page elsewhere signs its visitors in", file: "examples/server/signin.go",
		old: `fromHere.Check(r); err != nil {`, new: `fromHere.Check(r); err != nil && r == nil {`, test: "TestOthersCannotSignAnybodyIn",
	},
	{
		name: "the API's path loses its last name", file: "httpapi/console/console.go",
		old: `		cfg.API += "/" // or the last name would be lost where others are joined to it
`, new: ``, test: "TestConfigReachesThePage",
	},
	{
		name: "any header passes for the page's", file: "httpapi/console/console.go",
		old: `return r.Header.Get(Header) == HeaderValue`, new: `return r.Header.Get(Header) != ""`, test: "TestFromPage",
	},
	{
		name: "the configuration is not escaped", file: "httpapi/console/files.go",
		old: `content=\"%s\">\n", html.EscapeString(cfg.SignIn))`, new: `content=\"%s\">\n", cfg.SignIn+html.EscapeString(""))`, test: "TestConfigReachesThePage",
	},
	{
		name: "browsers keep copies without asking", file: "httpapi/console/files.go",
		old: `"no-cache"`, new: `"max-age=3600"`, test: "TestFilesUnderEveryMount",
	},
	{
		name: "all files have one tag", file: "httpapi/console/files.go",
		old: `sha256.Sum256(content)`, new: `sha256.Sum256(style)`, test: "TestBrowsersCopies",
	},
	{
		name: "comments are sent", file: "httpapi/console/files.go",
		old: ` && !bytes.HasPrefix(line, []byte("//"))`, new: ``, test: "TestScriptHasAllSources|TestSize",
	},
	{
		name: "a text of a cell is HTML", file: "httpapi/console/page/dom.js",
		old: `  if (text.length > max) node.title`, new: `  node.innerHTML = text;
  if (text.length > max) node.title`, test: "TestSourcesKeepOutOfDanger",
	},
	{
		name: "the import is kept beyond the tab", file: "httpapi/console/page/importing.js",
		old: `      sessionStorage.setItem(stored`, new: `      localStorage.setItem(stored`, test: "TestSourcesKeepOutOfDanger",
	},
	{
		name: "a text is missing in German", file: "httpapi/console/page/texts.js",
		old: `    "file.drop": "Datei hier ablegen",
`, new: ``, test: "TestEveryLanguageHasEveryText",
	},
	{
		name: "a text that is shown is missing", file: "httpapi/console/page/dom.js",
		old: `function linkTo(`, new: `function missing() { return t("no.such"); }
function linkTo(`, test: "TestTextsAreUsed",
	},
	{
		name: "a code has no words", file: "httpapi/console/page/texts.js",
		old: `"code.USER_TOO_LARGE": "The`, new: `"code.TOO_LARGE": "The`, test: "TestErrorCodesHaveWords",
	},
}
