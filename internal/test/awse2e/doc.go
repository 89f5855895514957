// Package awse2e tests whole jobs on the AWS backends together, against real
// servers with the protocols of DynamoDB and S3, with and without faults between
// them and the library. It has tests and a benchmark and nothing else.
package awse2e
