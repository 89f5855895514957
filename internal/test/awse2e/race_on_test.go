//go:build race

package awse2e_test

// raced says that the race detector is on, with which all takes several times as
// long.
const raced = true
