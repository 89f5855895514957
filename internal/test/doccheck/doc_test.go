package doccheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the folder of the module, seen from here.
const root = "../../.."

// maxMount is how many lines it may take to mount the API.
const maxMount = 20

// documents returns the text of the documents, by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	var names []string
	for _, folder := range []string{"docs", "docs/usecases"} {
		pages, err := filepath.Glob(filepath.Join(root, folder, "*.md"))
		if err != nil || len(pages) == 0 {
			t.Fatalf("%s has %d pages: %v", folder, len(pages), err)
		}
		names = append(names, pages...)
	}
	for _, name := range []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "RELEASE.md", "SECURITY.md"} {
		names = append(names, filepath.Join(root, name))
	}
	all := make(map[string]string, len(names))
	for _, name := range names {
		all[name] = read(t, name)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks returns the fenced blocks of a language.
func blocks(text, language string) []string {
	var found []string
	for _, match := range fence.FindAllStringSubmatch(text, -1) {
		if match[1] == language {
			found = append(found, match[2])
		}
	}
	return found
}

// TestCodeOfDocumentsIsCompiled: each block of Go appears word for word in a file
// that the compiler checks, and each block of SQL in one whose tests run it.
func TestCodeOfDocumentsIsCompiled(t *testing.T) {
	sources := goFiles(t, root)
	for name, text := range documents(t) {
		for _, block := range append(blocks(text, "go"), blocks(text, "sql")...) {
			found := false
			for _, source := range sources {
				found = found || strings.Contains(source, "\n"+block)
			}
			if !found {
				t.Errorf("%s: this code is in no Go file:\n%s", name, block)
			}
		}
	}
}

func TestMountingTakesFewLines(t *testing.T) {
	code := blocks(read(t, filepath.Join(root, "README.md")), "go")
	if len(code) == 0 || !strings.Contains(code[0], "httpapi.New(") {
		t.Fatal("the first Go code of README.md does not mount the API")
	}
	if lines := strings.Count(code[0], "\n"); lines > maxMount {
		t.Errorf("mounting takes %d lines, more than %d", lines, maxMount)
	}
}

// goFiles returns the text of the Go files in a folder and below, by name.
func goFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && name != dir:
			return filepath.SkipDir // fetched programs, and what is not of the module
		case !entry.IsDir() && strings.HasSuffix(name, ".go"):
			files[name] = read(t, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	goRun      = regexp.MustCompile("go run (\\./[\\w./-]+)([^`|#\n]*?)(?: -- |[`|#\n])")
	makeTarget = regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)")
	link       = regexp.MustCompile(`\]\(([^)#\s]+)`)
)

func TestCommandsOfDocumentsExist(t *testing.T) {
	makefile := read(t, filepath.Join(root, "Makefile"))
	for name, text := range documents(t) {
		for _, match := range goRun.FindAllStringSubmatch(text, -1) {
			source := ""
			for _, text := range goFiles(t, filepath.Join(root, match[1])) {
				source += text
			}
			if !strings.Contains(source, "func main()") {
				t.Errorf("%s: there is no program %s", name, match[1])
			}
			for _, word := range strings.Fields(match[2]) {
				if flag, ok := strings.CutPrefix(word, "-"); ok && !strings.Contains(source, `"`+flag+`"`) {
					t.Errorf("%s: %s has no flag -%s", name, match[1], flag)
				}
				if _, err := os.Stat(filepath.Join(root, word)); strings.HasPrefix(word, "examples/") && err != nil {
					t.Errorf("%s: %s is given %s, which is not there", name, match[1], word)
				}
			}
		}
		for _, match := range makeTarget.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+match[1]+":") {
				t.Errorf("%s: the Makefile has no target %s", name, match[1])
			}
		}
	}
}

func TestLinksOfDocumentsLeadToFiles(t *testing.T) {
	for name, text := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), match[1])); err != nil {
				t.Errorf("%s: the link %s leads nowhere", name, match[1])
			}
		}
	}
}

var identifier = regexp.MustCompile("`(\\w+)\\.([A-Z]\\w*)(?:\\.([A-Z]\\w*))?")

// TestNamesOfDocumentsExist: what documents name of the API is there.
func TestNamesOfDocumentsExist(t *testing.T) {
	folders := map[string]string{
		"bulk": "bulk", "bulktest": "bulk/bulktest", "httpapi": "httpapi", "client": "httpapi/client", "sesmail": "bulk/sesmail",
		"memstore": "store/memstore", "memblob": "blob/memblob", "memjobs": "jobs/memjobs",
		"dynamostore": "store/dynamostore", "s3blob": "blob/s3blob", "dynamojobs": "jobs/dynamojobs",
		"sqsjobs":   "jobs/sqsjobs",
		"otelbulk":  "observe/otelbulk",
		"cloudblob": "blob/cloudblob", "pgjobs": "jobs/pgjobs", "pgblob": "jobs/pgjobs/pgblob",
	}
	declared := make(map[string]map[string]bool)
	for name, folder := range folders {
		declared[name] = declarations(t, filepath.Join(root, folder))
	}
	for name, text := range documents(t) {
		for _, match := range identifier.FindAllStringSubmatch(text, -1) {
			full := match[2]
			if match[3] != "" {
				full += "." + match[3]
			}
			if names, ours := declared[match[1]]; ours && !names[full] {
				t.Errorf("%s: there is no %s.%s", name, match[1], full)
			}
		}
	}
}

// declarations returns the exported names of a package: "F", "T", "T.Field",
// "T.Method".
func declarations(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for file, text := range goFiles(t, dir) {
		if strings.HasSuffix(file, "_test.go") || filepath.Dir(file) != filepath.Clean(dir) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				name := decl.Name.Name
				if decl.Recv != nil {
					name = typeName(decl.Recv.List[0].Type) + "." + name
				}
				names[name] = true
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					declareSpec(names, spec)
				}
			}
		}
	}
	return names
}

func typeName(e ast.Expr) string {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func declareSpec(names map[string]bool, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			names[name.Name] = true
		}
	case *ast.TypeSpec:
		names[spec.Name.Name] = true
		var members *ast.FieldList
		switch t := spec.Type.(type) {
		case *ast.StructType:
			members = t.Fields
		case *ast.InterfaceType:
			members = t.Methods
		default:
			return
		}
		for _, member := range members.List {
			for _, name := range member.Names {
				names[spec.Name.Name+"."+name.Name] = true
			}
		}
	}
}

// TestMemoryBackendsLinkNoAWS: a program on the in-memory backends links no AWS
// code, and package bulk no backend.
func TestMemoryBackendsLinkNoAWS(t *testing.T) {
	for _, test := range []struct {
		packages []string
		absent   []string
	}{
		{
			[]string{"./bulk", "./httpapi", "./store/memstore", "./blob/memblob", "./jobs/memjobs", "./examples/quickstart"},
			[]string{"github.com/aws/"},
		},
		{
			[]string{"./bulk"},
			[]string{
				"github.com/bulkops/bulkops/store/", "github.com/bulkops/bulkops/blob/", "github.com/bulkops/bulkops/jobs/",
				"github.com/bulkops/bulkops/httpapi", "github.com/bulkops/bulkops/bulk/bulktest", "net/http", "testing",
			},
		},
	} {
		cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, test.packages...)...)
		cmd.Dir = root
		var stderr strings.Builder
		cmd.Stderr = &stderr
		list, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v\n%s", err, stderr.String())
		}
		for dep := range strings.Lines(string(list)) {
			dep = strings.TrimSpace(dep)
			for _, absent := range test.absent {
				if dep == absent || strings.HasPrefix(dep, strings.TrimSuffix(absent, "/")+"/") {
					t.Errorf("%s depends on %s", strings.Join(test.packages, " "), dep)
				}
			}
		}
	}
}
