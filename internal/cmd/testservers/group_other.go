//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// Elsewhere there are no process groups that a signal can be sent to, so only
// the process itself is ended.

func ownGroup(*exec.Cmd) {}

func terminateGroup(p *os.Process) error { return p.Kill() }

func killGroup(p *os.Process) error { return p.Kill() }
