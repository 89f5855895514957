//go:build unix

// Command soak soaks imports on AWS: see package soak, which has its flags.
//
//	make soak
//	go run ./internal/cmd/testservers -only dynoxide,versitygw -- go run ./internal/cmd/soak -quick
//
// It starts a database (dynoxide) and a blob server (versitygw) of its own. The folder
// of -dir must be on a file system with extended attributes.
package main

import "github.com/bulkops/bulkops/internal/test/soak"

func main() { soak.Main(new(cloud)) }
