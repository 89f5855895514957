package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// wants are the modules of third parties that each program links. A new name here is
// a decision: it reaches everybody who uses that part of the library.
var wants = map[string][]string{
	"memory": {"github.com/go-json-experiment/json", "golang.org/x/sync"},
	"client": {"github.com/go-json-experiment/json", "golang.org/x/sync"},
	"aws": {
		"github.com/aws/aws-sdk-go-v2",
		"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream",
		"github.com/aws/aws-sdk-go-v2/config",
		"github.com/aws/aws-sdk-go-v2/credentials",
		"github.com/aws/aws-sdk-go-v2/feature/ec2/imds",
		"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager",
		"github.com/aws/aws-sdk-go-v2/internal/configsources",
		"github.com/aws/aws-sdk-go-v2/internal/endpoints/v2",
		"github.com/aws/aws-sdk-go-v2/internal/v4a",
		"github.com/aws/aws-sdk-go-v2/service/dynamodb",
		"github.com/aws/aws-sdk-go-v2/service/internal/accept-encoding",
		"github.com/aws/aws-sdk-go-v2/service/internal/checksum",
		"github.com/aws/aws-sdk-go-v2/service/internal/endpoint-discovery",
		"github.com/aws/aws-sdk-go-v2/service/internal/presigned-url",
		"github.com/aws/aws-sdk-go-v2/service/internal/s3shared",
		"github.com/aws/aws-sdk-go-v2/service/s3",
		"github.com/aws/aws-sdk-go-v2/service/sesv2",
		"github.com/aws/aws-sdk-go-v2/service/signin",
		"github.com/aws/aws-sdk-go-v2/service/sso",
		"github.com/aws/aws-sdk-go-v2/service/ssooidc",
		"github.com/aws/aws-sdk-go-v2/service/sts",
		"github.com/aws/smithy-go",
		"github.com/go-json-experiment/json",
		"golang.org/x/sync",
	},
}

func TestProgramsLinkNothingElse(t *testing.T) {
	for _, p := range programs {
		modules, err := linked(here + p.folder)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(modules, wants[p.folder]) {
			t.Errorf("%s links\n\t%s\nwant\n\t%s", p.folder, strings.Join(modules, "\n\t"), strings.Join(wants[p.folder], "\n\t"))
		}
	}
}

// README.md has the same programs and modules. Sizes depend on the version of Go.
func TestReadmeHasTheTable(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		if row := "| " + p.name + " | " + shorten(wants[p.folder]) + " | "; !strings.Contains(string(text), row) {
			t.Errorf("README.md lacks the row %q; go run ./internal/cmd/footprint prints the table", row)
		}
	}
}
