package infra

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A schema is the arguments of a kind of resource, or of a block in it, as the
// command recordprovider has recorded them.
type schema struct {
	Arguments map[string]argument
	Getters   []string // what can be referred to
}

type argument struct {
	Required bool
	Kind     string // the name of a block's schema, or a type
}

// provider reads the schemas by kind of resource, or of data, and in it by name. That
// of the resource itself has no name.
func provider(t *testing.T) (kinds map[string]map[string]schema) {
	t.Helper()
	text, err := os.ReadFile("testdata/provider.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &kinds); err != nil {
		t.Fatal(err)
	}
	return kinds
}

// metaArguments are Terraform's own.
var metaArguments = map[string]bool{"count": true, "depends_on": true, "lifecycle": true}

// TestTerraformArguments is for machines that cannot reach the provider for
// terraform validate: each argument and each block is one that the provider has,
// those that it requires are there, and what is referred to exists.
func TestTerraformArguments(t *testing.T) {
	kinds := provider(t)
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
			all := kinds[kind]
			if all == nil {
				t.Fatalf("%s is not recorded: see recordprovider", kind)
			}
			checkBlock(t, all, "", block.Body)
			for attribute := range c.references(address) {
				if !slices.Contains(all[""].Getters, attribute) {
					t.Errorf("it has no %s, which is referred to", attribute)
				}
			}
		})
	}
}

func checkBlock(t *testing.T, all map[string]schema, name string, body *hclsyntax.Body) {
	t.Helper()
	arguments := all[name].Arguments
	if len(arguments) == 0 {
		t.Fatalf("nothing is declared of %q", name)
	}
	given := map[string]bool{}
	for argument := range body.Attributes {
		given[argument] = true
		if a, ok := arguments[argument]; !metaArguments[argument] && (!ok || len(all[a.Kind].Arguments) > 0) {
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
		if len(all[a.Kind].Arguments) == 0 && len(content.Attributes)+len(content.Blocks) == 0 {
			continue // an empty block
		}
		checkBlock(t, all, a.Kind, content)
	}
	for argument, a := range arguments {
		if a.Required && !given[argument] {
			t.Errorf("%s is required (%s)", argument, name)
		}
	}
}
