//go:build race

package rowio_test

// raceEnabled is set where the race detector makes everything many times slower.
const raceEnabled = true
