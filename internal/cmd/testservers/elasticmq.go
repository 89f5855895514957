package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// elasticMQVersion is the version of the Maven artifact
// org.elasticmq:elasticmq-server_2.13, which brings the versions of all that it
// depends on. Its licence is Apache 2.0; the project is
// github.com/softwaremill/elasticmq.
const (
	elasticMQVersion  = "1.7.1"
	elasticMQArtifact = "org.elasticmq:elasticmq-server_2.13:" + elasticMQVersion
)

var elasticMQ = server{
	id:       "elasticmq",
	name:     "ElasticMQ",
	version:  elasticMQVersion,
	variable: "BULKOPS_TEST_SQS",
	service:  serviceSQS,
	fetch: func(ctx context.Context, c *cache) (string, error) {
		if _, err := exec.LookPath("java"); err != nil {
			return "", errors.New("java not found")
		}
		return c.get(ctx, "elasticmq@"+elasticMQVersion, func(ctx context.Context, dir string) error {
			return mavenJars(ctx, elasticMQArtifact, dir)
		})
	},
	command: func(dir, data string, port int) (*exec.Cmd, []string, error) {
		// The queues' URLs have the address that the server is bound to, and the
		// messages are in memory.
		cmd := exec.Command("java", "-Xmx256m",
			"-Drest-sqs.bind-hostname=127.0.0.1", fmt.Sprintf("-Drest-sqs.bind-port=%d", port), "-Dgenerate-node-address=true",
			"-cp", filepath.Join(dir, "*"), "org.elasticmq.server.Main")
		cmd.Dir = data
		return cmd, nil, nil
	},
}
