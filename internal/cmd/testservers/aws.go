package main

import "strings"

// What the SDKs of AWS call the services in AWS_ENDPOINT_URL_....
const (
	serviceDynamoDB = "DYNAMODB"
	serviceS3       = "S3"
	serviceSQS      = "SQS"
)

// awsServers are what -aws starts unless -only says otherwise: the smallest servers
// that the AWS backends run on.
var awsServers = []string{"dynoxide", "versitygw"}

// awsEnvironment returns the variables, as KEY=value, by which every program that
// uses an SDK of AWS finds the servers in place of AWS: region, credentials and
// endpoints. Those that could lead it elsewhere are emptied. env is the environment
// with the servers' own variables.
func awsEnvironment(servers []server, env []string) []string {
	all := []string{
		"AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=" + lookup(env, "BULKOPS_TEST_S3_ACCESS_KEY"), // those of DynamoDB take any
		"AWS_SECRET_ACCESS_KEY=" + lookup(env, "BULKOPS_TEST_S3_SECRET_KEY"),
		"AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_DEFAULT_PROFILE=",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=", "AWS_EC2_METADATA_DISABLED=true",
	}
	for _, s := range servers {
		if s.service != "" {
			all = append(all, "AWS_ENDPOINT_URL_"+s.service+"="+lookup(env, s.variable))
		}
	}
	return all
}

// lookup returns the last value of a variable, which is the one that counts.
func lookup(env []string, name string) (value string) {
	for _, entry := range env {
		if key, v, _ := strings.Cut(entry, "="); key == name {
			value = v
		}
	}
	return value
}
