package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// countsFile has what does not depend on the machine, as it was last accepted: by goal
// and figure.
const countsFile = "internal/cmd/bench/counts.json"

// compare says which counts are not those of the file, or writes them there.
func (b *bench) compare(goals []goal, accept bool) error {
	file := filepath.Join(b.root, countsFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var accepted map[string]float64
	if err := json.Unmarshal(text, &accepted); err != nil {
		return fmt.Errorf("%s: %w", countsFile, err)
	}
	var differ error
	for _, g := range goals {
		for _, f := range g.figures {
			values := f.of(b.values)
			if !f.counted {
				continue
			}
			name := g.id
			if f.name != "" {
				name += ", " + f.name
			}
			if len(values) == 0 {
				differ = errors.Join(differ, fmt.Errorf("%s was not counted: %s", name, f.command()))
				continue
			}
			was, known := accepted[name]
			switch now := median(values); {
			case accept:
				accepted[name] = now
			case !known:
				differ = errors.Join(differ, fmt.Errorf("%s is %s and has no accepted count", name, number(now)))
			case math.Abs(now-was) > f.tolerance*was:
				differ = errors.Join(differ, fmt.Errorf("%s is %s, and %s was accepted (%s)", name, number(now), number(was), f.command()))
			}
		}
	}
	if differ != nil {
		return fmt.Errorf("%w\nIf that is meant: make counts ACCEPT=1", differ)
	}
	if !accept {
		return nil
	}
	if text, err = json.MarshalIndent(accepted, "", "\t"); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
