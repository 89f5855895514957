//go:build unix

// Command pgsoak soaks imports on Postgres, with users, jobs and blobs in one
// database: see package soak, which has its flags.
//
//	make soak
//	go run ./internal/cmd/testservers -only postgres -- go run -C internal/cmd/pgsoak . -quick -dir /tmp
//
// It starts a Postgres server of its own. For root that server runs as nobody, who has
// to come through to the folder of -dir.
//
// It is a module of its own, so that the library does not depend on a driver of
// Postgres.
package main

import "github.com/bulkops/bulkops/internal/test/soak"

func main() { soak.Main(new(postgres)) }
