package main

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/bulkops/bulkops/examples/usecases/internal/pagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPage(t *testing.T) { pagetest.Check(t, "addresses.md", "addresses", run) }
