// Package awscontract runs the test of the HTTP contract on the AWS backends. It is
// apart from the other tests of whole imports because it takes as long as all of
// them.
package awscontract
