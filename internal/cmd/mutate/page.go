package main

// inBrowser is the module of the tests in a browser. One that waits for what does not come
// takes a minute.
const inBrowser = "internal/test/browser"

// Faults of the administrator's page that its tests in a browser see.
var page = []mutation{
	{
		name: "each post has a key of its own", file: "httpapi/console/page/importing.js", in: inBrowser,
		old: "-${this.state.id}.${i + 1}`;", new: "-${randomId()}.${i + 1}`;", test: "TestAnswerIsLost",
	},
	{
		name: "parts have one key", file: "httpapi/console/page/importing.js", in: inBrowser,
		old: "-${this.state.id}.${i + 1}`;", new: "-${this.state.id}.1`;", test: "TestPartsFollowTheLimitOfTheService",
	},
	{
		name: "rows outlive the page", file: "httpapi/console/page/importing.js", in: inBrowser,
		old: `JSON.stringify({ ...state, targets, file })`, new: `JSON.stringify(this.state)`, test: "TestFirstImport/memory",
	},
	{
		name: "an option is left out", file: "httpapi/console/page/importing.js", in: inBrowser,
		old: `merge: merge === "merge" ? null : merge, maxFailed, label: this.label(i)`, new: `merge: null, maxFailed, label: this.label(i)`, test: "TestOptions",
	},
	{
		name: "parts are sent behind one that was cancelled", file: "httpapi/console/page/importing.js", in: inBrowser,
		old: `      if (job.status !== "completed") {`, new: `      if (job.status === "failed") {`, test: "TestCheckStopsWhereTheImportWould",
	},
	{
		name: "another file is taken for the first", file: "httpapi/console/page/view_preview.js", in: inBrowser,
		old: `described.digest !== current.state.file.digest`, new: `!described.digest`, test: "TestTwentyFiveThousandRows/memory",
	},
	{
		name: "nobody is asked", file: "httpapi/console/page/view.js", in: inBrowser,
		old: `dialog.returnValue === "yes"`, new: `dialog.returnValue !== ""`, test: "TestCancel/memory",
	},
	{
		name: "what changes is not shown", file: "httpapi/console/page/view.js", in: inBrowser,
		old: `        row.changes && h(`, new: `        !row.changes && h(`, test: "TestPreview/memory",
	},
	{
		name: "the outcome selects no rows", file: "httpapi/console/page/worker.js", in: inBrowser,
		old: `if (status && result.status !== status) return false;`, new: `if (status && !result.status) return false;`, test: "TestPreview/memory",
	},
	{
		name: "a spreadsheet runs what is in files", file: "httpapi/console/page/csv.js", in: inBrowser,
		old: `jsonNumber.test(text) ? text : defuse(text)`, new: `text`, test: "TestFailedRowsAsAFile",
	},
	{
		name: "files of old spreadsheets are taken for UTF-8", file: "httpapi/console/page/decode.js", in: inBrowser,
		old: `return "windows-1252";`, new: `return "utf-8";`, test: "TestEverySeparatorAndEncoding/semicolon",
	},
	{
		name: "choices are forgotten", file: "httpapi/console/page/guess.js", in: inBrowser,
		old: "    localStorage.setItem(memory, JSON.stringify(entries));\n", new: ``, test: "TestColumnsAreGuessedChangedAndRemembered",
	},
	{
		name: "any site can send what the page sends", file: "httpapi/console/page/api.js", in: inBrowser,
		old: `"X-Requested-With": "bulkops-console", `, new: ``, test: "TestEveryCallHasThePagesHeader",
	},
	{
		name: "a token is not renewed", file: "httpapi/console/page/api.js", in: inBrowser,
		old: `if (had && !refused) {`, new: `if (had && refused) {`, test: "TestTokenIsRenewed",
	},
	{
		name: "hints are too pale", file: "httpapi/console/page/console.css", in: inBrowser,
		old: `.hint { font-size: 0.875rem; color: var(--soft);`, new: `.hint { font-size: 0.875rem; color: #999;`, test: "TestViews",
	},
	{
		name: "a table widens the page", file: "httpapi/console/page/console.css", in: inBrowser,
		old: `.table-box { position: relative; overflow-x: auto;`, new: `.table-box { position: relative;`, test: "TestWideAndLongFiles",
	},
	{
		name: "nobody sees the focus", file: "httpapi/console/page/console.css", in: inBrowser,
		old: `:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius`, new: `:focus-visible { outline: none; border-radius`, test: "TestKeyboardAlone",
	},
	{
		name: "rows of a saved file are taken for others", file: "httpapi/console/page/worker.js", in: inBrowser,
		old: `    data.table = table;
    data.places = null;`, new: `    data.table = table;
    data.places = table.exported ? rowsByIndex(table) : null;`, test: "TestSavedRowsFailAgain",
	},
	{
		name: "a spreadsheet runs the name of a column", file: "httpapi/console/page/worker.js", in: inBrowser,
		old: `own.map(([name]) => safeCell(name))`, new: `own.map(([name]) => quoteCell(name))`, test: "TestNameOfAColumnIsNoFormula",
	},
	{
		name: "the name of a saved column keeps its apostrophe", file: "httpapi/console/page/table.js", in: inBrowser,
		old: `this.headers.map((name) => restore(name, true))`, new: `this.headers.map((name) => name)`, test: "TestNameOfAColumnIsNoFormula",
	},
	{
		name: "a cancel without the file is lost", file: "httpapi/console/page/view_running.js", in: inBrowser,
		old: `!importing.running && !signal.aborted`, new: `importing.running && !signal.aborted`, test: "TestCancelWithoutTheFile",
	},
	{
		name: "a check goes on where the import would stop", file: "httpapi/console/page/importing.js", in: inBrowser,
		old: `      if (stopped) break;`, new: `      if (!stopped) continue;`, test: "TestCheckStopsWhereTheImportWould",
	},
	{
		name: "a proxy's limit stops the check", file: "httpapi/console/page/importing.js", in: inBrowser,
		old: `details?.limit ?? part.bytes / 2`, new: `details?.limit ?? Infinity`, test: "TestLimitOfALaterPart",
	},
	{
		name: "each retry has a key of its own", file: "httpapi/console/page/view_job.js", in: inBrowser,
		old: "`console-retry-${only}-${id}`", new: "`console-retry-${only}-${randomId()}`", test: "TestRetryTwice",
	},
	{
		name: "lines in front are arguments", file: "httpapi/console/page/worker.js", in: inBrowser,
		old: `lines.push("\n".repeat(row.line - line - 1));`, new: `lines.push(...Array(row.line - line).fill(""));`, test: "TestMendFarDown",
	},
	{
		name: "one byte makes another encoding", file: "httpapi/console/page/decode.js", in: inBrowser,
		old: `    if (bad < good) return "utf-8";
`, new: ``, test: "TestSlipInUTF8",
	},
	{
		name: "another separator loses the mark", file: "httpapi/console/page/view_job.js", in: inBrowser,
		old: `new TextDecoder("utf-8", { ignoreBOM: true })`, new: `new TextDecoder("utf-8")`, test: "TestSeparatorKeepsTheMark",
	},
	{
		name: "a label has no room for its tag", file: "httpapi/console/page/importing.js", in: inBrowser,
		old: `.slice(0, 125 - tag.length)`, new: `.slice(0, 128)`, test: "TestMendUnderALongLabel",
	},
}
