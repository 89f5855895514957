package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A program is one that the machine has or has not: it is not fetched, as it needs
// libraries of the system.
type program struct {
	id       string // for -only
	name     string // for people
	variable string // the environment variable that tells its path
	commands []string
}

// chromium is what the tests of the page run in: Debian's chromium, or a browser that is
// built from the same source.
var chromium = program{
	id:       "chromium",
	name:     "Chromium",
	variable: "BULKOPS_CHROMIUM",
	commands: []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"},
}

var programs = []program{chromium}

// find looks programs up in PATH. It returns what the tests must know, as KEY=value, and
// an error that names the program for each that is not there.
func find(all []program) (env []string, unavailable []error) {
	for _, p := range all {
		if os.Getenv(p.variable) != "" {
			continue
		}
		path := p.path()
		if path == "" {
			unavailable = append(unavailable, fmt.Errorf("%s: none of %s found", p.name, strings.Join(p.commands, ", ")))
			continue
		}
		env = append(env, p.variable+"="+path)
	}
	return env, unavailable
}

// path returns that of the first command that is there, "" for none.
func (p program) path() string {
	for _, command := range p.commands {
		if path, err := exec.LookPath(command); err == nil {
			return path
		}
	}
	return ""
}
