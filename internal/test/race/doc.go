// Package race tells tests whether they run with the race detector, which makes them take up
// to ten times as long. Those that try out many cases, all in the same goroutines, then try a
// part of them. .ci/run has a step for those that are to be run whole, without it.
package race
