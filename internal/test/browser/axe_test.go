package browser

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"

	"github.com/bulkops/bulkops/internal/test/required"
)

// accessible runs axe-core on the page as it is: the rules of WCAG 2.2 AA and the best
// practices. where names the view in the test's messages.
func (p *tab) accessible(where string) {
	p.Helper()
	for _, violation := range p.axe() {
		p.Errorf("%s: axe-core finds %s", where, violation)
	}
}

// axe returns what axe-core finds. It runs in a world of its own, beside the page's
// script.
func (p *tab) axe() []string {
	p.Helper()
	source, err := os.ReadFile(filepath.Join(required.Variable(p, envAxe, "axe-core"), "axe.min.js"))
	if err != nil {
		p.Fatal(err)
	}
	frame := call(p, page.GetFrameTree, cdp.Empty{}).FrameTree.Frame.ID
	world := call(p, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: frame, WorldName: "axe"}).ExecutionContextID
	there := call(p, runtime.Evaluate, runtime.EvaluateParams{ContextID: world, Expression: "typeof axe", ReturnByValue: yes()})
	if decode[string](p, there.Result.Value) == "undefined" { // a new document
		call(p, runtime.Evaluate, runtime.EvaluateParams{ContextID: world, Expression: string(source)})
	}
	answer := call(p, runtime.Evaluate, runtime.EvaluateParams{
		ContextID: world, AwaitPromise: yes(), ReturnByValue: yes(),
		Expression: `
			axe.run(document, {
				runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
				resultTypes: ["violations"],
			}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + " at " + n.target + ": " + n.failureSummary)).join("\n\n"))`,
	})
	if answer.ExceptionDetails != nil {
		p.Fatalf("axe-core: %s", answer.ExceptionDetails.Exception.Description)
	}
	text := decode[string](p, answer.Result.Value)
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n\n")
}
