package interleave

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkops/bulkops/bulk"
)

// drawSchedule draws deviations, each some steps behind the one before. They
// shrink to fewer and earlier ones.
func drawSchedule(t *rapid.T, most int) chooser {
	type gap struct{ Steps, Option int }
	gaps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) gap {
		return gap{rapid.IntRange(0, 15).Draw(t, "steps"), rapid.IntRange(0, 30).Draw(t, "option")}
	}), 0, most).Draw(t, "deviations")
	left := 0
	if len(gaps) > 0 {
		left = gaps[0].Steps
	}
	return func(_ int, options []option) int {
		if len(gaps) == 0 {
			return 0
		}
		if left > 0 {
			left--
			return 0
		}
		chosen := gaps[0].Option % len(options)
		if gaps = gaps[1:]; len(gaps) > 0 {
			left = gaps[0].Steps
		}
		return chosen
	}
}

// maxDeviations keeps random runs from exhausting anybody's patience: a call is
// made up to nine times.
const maxDeviations = 7

// TestRandomInterleavings draws schedules with more deviations than can be
// enumerated.
func TestRandomInterleavings(t *testing.T) {
	eachSetting(t, func(t *testing.T, s *scenario, set setting) {
		rapid.Check(t, func(rt *rapid.T) {
			if rep := perform(t, s, set, drawSchedule(rt, maxDeviations)); rep.fault != "" {
				rt.Fatal(rep.fault)
			}
		})
	})
}

// TestKeyedRandomInterleavings does it for requests under an idempotency key,
// whose patience is shorter.
func TestKeyedRandomInterleavings(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				if rep := perform(t, &s, keyedSetting, drawSchedule(rt, 4)); rep.fault != "" {
					rt.Fatal(rep.fault)
				}
			})
		})
	}
}

// TestRandomScenarios draws the scenarios too.
func TestRandomScenarios(t *testing.T) {
	for _, set := range append(settings, keyedSetting) {
		t.Run(set.String(), func(t *testing.T) { randomScenarios(t, set) })
	}
}

// TestReferenceInRandomScenarios shows that the check has no fault to find in a
// protocol that is right.
func TestReferenceInRandomScenarios(t *testing.T) { randomScenarios(t, as(keepAll)) }

func randomScenarios(t *testing.T, set setting) {
	rapid.Check(t, func(rt *rapid.T) {
		for range 5 { // schedules are cheap
			s := drawScenario(rt)
			if rep := perform(t, s, set, drawSchedule(rt, 4)); rep.fault != "" {
				rt.Fatal(rep.fault)
			}
		}
	})
}

func drawScenario(t *rapid.T) *scenario {
	s := &scenario{opts: rapid.SampledFrom([]bulk.Options{upsert, upsert, upsert, skip, createOnly}).Draw(t, "options")}
	emails := []string{"", x, y, z}
	free := map[string]bool{x: true, y: true, z: true, "": true}
	for _, id := range []string{"a", "b"} {
		if rapid.Bool().Draw(t, id+" exists") {
			email := rapid.SampledFrom(emails).Draw(t, "email of "+id)
			if !free[email] {
				email = ""
			}
			free[email] = email == ""
			s.users = append(s.users, seed{id, email, 50})
		}
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "rows") {
		r := row{
			id:    rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "id"),
			email: rapid.SampledFrom(emails).Draw(t, "email"),
			val:   rapid.SampledFrom([]int{0, 7, 8, 50}).Draw(t, "val"),
			plain: rapid.IntRange(0, 3).Draw(t, "plain") == 3,
		}
		if r.id == "" && r.email == "" {
			r.email = emails[1+i%3]
		}
		s.rows = append(s.rows, r)
	}
	for range rapid.IntRange(0, 3).Draw(t, "ops") {
		o := op{
			kind:  rapid.SampledFrom([]opKind{set, move, create, host}).Draw(t, "op"),
			id:    rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "of"),
			email: rapid.SampledFrom([]string{x, y, z, free1, free2}).Draw(t, "to"),
			val:   rapid.SampledFrom([]int{60, 70}).Draw(t, "val"),
		}
		if o.kind == set || o.kind == host {
			o.email = ""
		}
		s.ops = append(s.ops, o)
	}
	s.name = fmt.Sprintf("%d rows", len(s.rows))
	return s
}
