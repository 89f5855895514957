package infra

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A schema is the arguments of a kind of resource, or of a block in it, as the
// provider's bindings for TypeScript declare them.
type schema struct {
	arguments map[string]argument
	getters   map[string]bool // what can be referred to
}

type argument struct {
	required bool
	kind     string // the interface of a block, or a type
}

var (
	interfaceOf = regexp.MustCompile(`(?ms)^export interface (\w+) (?:extends [\w.]+ )?\{\n(.*?)^\}`)
	memberOf    = regexp.MustCompile(`(?s)#(\w+) \w+#\w+\}.*?readonly \w+(\??): (\w+|\{)`)
	getterOf    = regexp.MustCompile(`(?m)^    get (\w+)\(\)`)
)

// schemas reads the declarations of a kind of resource, or of data. The one of the
// resource itself has no name.
func schemas(t *testing.T, bindings, kind string) map[string]schema {
	t.Helper()
	folder := strings.ReplaceAll(strings.TrimPrefix(strings.Replace(kind, "data.", "data_", 1), "aws_"), "_", "-") // sqs-queue, data-aws-region
	text, err := os.ReadFile(filepath.Join(bindings, folder, "index.d.ts"))
	if err != nil {
		t.Fatalf("the provider has no %s: %v", kind, err)
	}
	all := map[string]schema{}
	for _, match := range interfaceOf.FindAllStringSubmatch(string(text), -1) {
		s := schema{arguments: map[string]argument{}, getters: map[string]bool{}}
		for _, member := range memberOf.FindAllStringSubmatch(match[2], -1) {
			s.arguments[member[1]] = argument{required: member[2] == "", kind: member[3]}
		}
		name := match[1]
		if strings.Contains(match[0], "TerraformMetaArguments {") {
			for _, getter := range getterOf.FindAllStringSubmatch(string(text), -1) {
				s.getters[snake(getter[1])] = true
			}
			name = ""
		}
		all[name] = s
	}
	return all
}

// metaArguments are Terraform's own.
var metaArguments = map[string]bool{"count": true, "depends_on": true, "lifecycle": true}

// TestTerraformArguments is for machines that cannot reach the provider for
// terraform validate: each argument and each block is one that the provider has,
// those that it requires are there, and what is referred to exists.
func TestTerraformArguments(t *testing.T) {
	bindings := os.Getenv("BULKOPS_TEST_TERRAFORM_AWS")
	if bindings == "" {
		t.Skip("BULKOPS_TEST_TERRAFORM_AWS is not set; .ci/templates fetches what it names")
	}
	c := newConfiguration(t, nil)
	for _, block := range c.blocks {
		if block.Type != "resource" && block.Type != "data" {
			continue
		}
		kind := block.Labels[0]
		if block.Type == "data" {
			kind = "data." + kind
		}
		address := kind + "." + block.Labels[1]
		t.Run(address, func(t *testing.T) {
			all := schemas(t, bindings, kind)
			checkBlock(t, all, "", block.Body)
			for attribute := range c.references(address) {
				if !all[""].getters[attribute] {
					t.Errorf("it has no %s, which is referred to", attribute)
				}
			}
		})
	}
}

func checkBlock(t *testing.T, all map[string]schema, name string, body *hclsyntax.Body) {
	t.Helper()
	arguments := all[name].arguments
	if len(arguments) == 0 {
		t.Fatalf("nothing is declared of %q", name)
	}
	given := map[string]bool{}
	for argument := range body.Attributes {
		given[argument] = true
		if a, ok := arguments[argument]; !metaArguments[argument] && (!ok || len(all[a.kind].arguments) > 0) {
			t.Errorf("%s is no argument of it (%s)", argument, name)
		}
	}
	for _, block := range body.Blocks {
		kind, content := block.Type, block.Body
		if kind == "dynamic" {
			kind, content = block.Labels[0], block.Body.Blocks[0].Body
		}
		given[kind] = true
		if metaArguments[kind] {
			continue
		}
		a, ok := arguments[kind]
		if !ok {
			t.Errorf("%s is no block of it (%s)", kind, name)
			continue
		}
		if len(all[a.kind].arguments) == 0 && len(content.Attributes)+len(content.Blocks) == 0 {
			continue // an empty block
		}
		checkBlock(t, all, a.kind, content)
	}
	for argument, a := range arguments {
		if a.required && !given[argument] {
			t.Errorf("%s is required (%s)", argument, name)
		}
	}
}
