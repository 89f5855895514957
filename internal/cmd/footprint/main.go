// Footprint prints the table of README.md that says what programs on this library
// link, and how large they are: the stripped binaries of the three programs below
// this folder.
//
//	go run ./internal/cmd/footprint
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// programs are what is measured, by the folder below this one.
var programs = []struct{ folder, name string }{
	{"memory", "the API on the in-memory backends"},
	{"client", "`httpapi/client`"},
	{"aws", "the API on DynamoDB, S3 and SES"},
}

const (
	own  = "github.com/bulkops/bulkops"
	here = own + "/internal/cmd/footprint/"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "footprint:", err)
		os.Exit(1)
	}
}

func run() error {
	fmt.Println("| program | modules of third parties | stripped binary |\n| --- | --- | --- |")
	for _, p := range programs {
		modules, err := linked(here + p.folder)
		if err != nil {
			return err
		}
		size, err := built(here + p.folder)
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %s | %.1f MB |\n", p.name, shorten(modules), float64(size)/1e6)
	}
	return nil
}

// linked returns the modules that a program links, but for this one and the
// standard library.
func linked(program string) ([]string, error) {
	list, err := output("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", program)
	if err != nil {
		return nil, err
	}
	modules := slices.DeleteFunc(strings.Fields(list), func(path string) bool { return path == own || strings.HasPrefix(path, own+"/") })
	slices.Sort(modules)
	return slices.Compact(modules), nil
}

// shorten lists the modules, those of the AWS SDK by their number.
func shorten(modules []string) string {
	var (
		names []string
		aws   int
	)
	for _, path := range modules {
		if strings.HasPrefix(path, "github.com/aws/") {
			aws++
			continue
		}
		names = append(names, "`"+path+"`")
	}
	if aws > 0 {
		names = append(names, fmt.Sprintf("%d of the AWS SDK", aws))
	}
	return strings.Join(names, ", ")
}

// built returns the size of a program without symbols, in bytes.
func built(program string) (int64, error) {
	dir, err := os.MkdirTemp("", "footprint")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "program")
	if _, err := output("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, program); err != nil {
		return 0, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return string(out), nil
}
