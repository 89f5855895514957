package bulktest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/bulkops/bulkops/bulk"
)

// How many calls race, and how often. Real databases lose one race in a few, so
// that some rounds tell.
const (
	racers     = 16
	raceRounds = 10
)

var storeRaceCases = []storeCase{{
	name: "Race/OneCreateOfAnID",
	rule: "of many creates of one id at once exactly one is done",
	run: func(t *storeTest) {
		for round := range raceRounds {
			writes := make([]bulk.Write, racers)
			for i := range writes {
				writes[i] = create(bulk.User{
					ID: fmt.Sprint("u", round), Email: fmt.Sprintf("u%d-%d@example.com", round, i), CustomFields: fields(fmt.Sprintf(`{"by":%d}`, i)),
				})
			}
			winner := t.oneWins(writes, bulk.ErrConflict)
			t.holds(writes[winner].User)
			for i, w := range writes {
				if i != winner {
					t.free(w.User.Email)
				}
			}
		}
	},
}, {
	name: "Race/OneCreateWithAnEmail",
	rule: "however many commits run at once, at most one user gets an email, and one does",
	run: func(t *storeTest) {
		for round := range raceRounds {
			writes := make([]bulk.Write, racers)
			for i := range writes {
				email := fmt.Sprintf("Email-%d@example.com", round)
				if i%2 == 0 {
					email = fmt.Sprintf("eMAIL-%d@EXAMPLE.com", round)
				}
				writes[i] = create(bulk.User{ID: fmt.Sprintf("u%d-%d", round, i), Email: email})
			}
			winner := t.oneWins(writes, bulk.ErrEmailTaken)
			t.holds(writes[winner].User)
			for i, w := range writes {
				if i != winner {
					t.absent(w.User.ID)
				}
			}
		}
	},
}, {
	name: "Race/OneChangeToAnEmail",
	rule: "however many commits run at once, at most one user gets an email, and one does",
	run: func(t *storeTest) {
		for round := range raceRounds {
			held := make([]*bulk.Stored, racers)
			writes := make([]bulk.Write, racers)
			for i := range writes {
				email := fmt.Sprintf("new-%d@example.com", round)
				if i%2 == 0 {
					writes[i] = create(bulk.User{ID: fmt.Sprintf("u%d-%d", round, i), Email: email})
					continue
				}
				held[i] = t.add(bulk.User{ID: fmt.Sprintf("u%d-%d", round, i), Email: fmt.Sprintf("old-%d-%d@example.com", round, i)})
				writes[i] = update(held[i], bulk.Patch{Email: email, Metadata: fields(`{"moved":true}`)})
			}
			winner := t.oneWins(writes, bulk.ErrEmailTaken)
			t.holds(writes[winner].User)
			for i, w := range writes {
				switch {
				case i == winner && held[i] != nil:
					t.free(held[i].Email)
				case i != winner && held[i] != nil:
					t.unchanged(held[i])
				case i != winner:
					t.absent(w.User.ID)
				}
			}
		}
	},
}, {
	name: "Race/OneUpdateFromAVersion",
	rule: "of many updates from one version at once exactly one is done",
	run: func(t *storeTest) {
		for round := range raceRounds {
			base := t.add(bulk.User{ID: fmt.Sprint("u", round), Email: fmt.Sprintf("u%d@example.com", round)})
			writes := make([]bulk.Write, racers)
			for i := range writes {
				patch := bulk.Patch{CustomFields: fields(fmt.Sprintf(`{"by %d":true}`, i))}
				if i%2 == 0 {
					patch.Email = fmt.Sprintf("u%d-%d@example.com", round, i)
				}
				writes[i] = update(base, patch)
			}
			winner := t.oneWins(writes, bulk.ErrConflict)
			t.holds(writes[winner].User)
			for i, w := range writes {
				if i != winner && w.Patch.Email != "" {
					t.free(w.Patch.Email)
				}
			}
			if writes[winner].Patch.Email != "" {
				t.free(base.Email)
			}
		}
	},
}, {
	name: "Race/NoUpdateIsLost",
	rule: "updates that are done are all kept: none is made from a state that was passed",
	run: func(t *storeTest) {
		const workers, each, most = 4, 10, 10_000
		t.done(create(bulk.User{ID: "u", Email: "u@example.com"}))
		done := make([]int, workers)    // updates that were done
		unknown := make([]int, workers) // and those that may have been
		race(workers, func(i int) {
			for try := 0; done[i] < each && try < most; try++ {
				found, err := t.tryLookup(bulk.Ref{ID: "u"})
				if err != nil || found[0].ByID == nil {
					t.Errorf("Lookup of the user: %v, %v", found, err)
					return
				}
				base := found[0].ByID
				w := update(base, bulk.Patch{CustomFields: fields(fmt.Sprintf(`{"worker %d":%d}`, i, counter(base, i)+1))})
				switch err := t.commit(w)[0]; {
				case err == nil:
					done[i]++
				case errors.Is(err, bulk.ErrConflict): // the way to go on is to look up again
				case bulk.Retryable(err):
					unknown[i]++
				default:
					t.Errorf("outcome is %v, want it done or %q", err, bulk.ErrConflict)
					return
				}
			}
		})
		user := t.user("u")
		for i := range workers {
			if got := counter(user, i); got < done[i] || got > done[i]+unknown[i] {
				t.Errorf("worker %d: %d updates were done, but the user has %d of them", i, done[i], got)
			}
			if done[i] < each {
				t.Errorf("worker %d: only %d updates were done in %d attempts", i, done[i], most)
			}
		}
	},
}, {
	name: "Race/EmailFindsItsOwner",
	rule: "ByEmail is the user that owns the email of the Ref, also while emails change",
	run: func(t *storeTest) {
		base := t.add(bulk.User{ID: "u", Email: "0@example.com"})
		const lookups = 200
		var looked atomic.Int32 // the emails change until all lookups are done
		race(2, func(i int) {
			if i == 0 {
				for n := 1; looked.Load() < lookups; n++ {
					w := update(base, bulk.Patch{Email: fmt.Sprintf("%d@example.com", n%2)})
					if err := t.commit(w)[0]; err != nil {
						t.Errorf("change of email: %v", err)
						return
					}
					found, err := t.tryLookup(bulk.Ref{ID: "u"})
					if err != nil || found[0].ByID == nil {
						t.Errorf("Lookup of the user: %v, %v", found, err)
						return
					}
					base = found[0].ByID
				}
				return
			}
			defer looked.Store(lookups)
			for n := range lookups {
				looked.Store(int32(n))
				email := fmt.Sprintf("%d@example.com", n%2)
				found, err := t.tryLookup(bulk.Ref{Email: email})
				if err != nil {
					t.Error(err)
					return
				}
				if got := found[0].ByEmail; got != nil && got.Email != email {
					t.Errorf("email %q found a user with the email %q", email, got.Email)
					return
				}
			}
		})
	},
}, {
	name: "Race/NoTwoUsersShareAnEmail",
	rule: "two users never share an email and no email stays claimed for nobody, whatever runs at once",
	run: func(t *storeTest) {
		const workers, steps = 8, 40
		ids := []string{"a", "b", "c", "d", "e", "f"}
		emails := []string{"", "1@example.com", "2@example.com", "3@example.com", "4@example.com"}
		race(workers, func(worker int) {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			for step := range steps {
				id, email := ids[rng.IntN(len(ids))], emails[rng.IntN(len(emails))]
				found, err := t.tryLookup(bulk.Ref{ID: id})
				if err != nil {
					t.Error(err)
					return
				}
				w := create(bulk.User{ID: id, Email: email})
				if base := found[0].ByID; base != nil {
					w = update(base, bulk.Patch{Email: email, CustomFields: fields(fmt.Sprintf(`{"n":%d}`, step))})
				}
				if err := t.commit(w)[0]; err != nil && !errors.Is(err, bulk.ErrConflict) && !errors.Is(err, bulk.ErrEmailTaken) && !bulk.Retryable(err) {
					t.Errorf("%s: outcome is %v", describe(w), err)
					return
				}
			}
		})
		owners := make(map[string]string)
		for _, id := range ids {
			user := t.byID(id)
			if user == nil || user.Email == "" {
				continue
			}
			if other, shared := owners[user.Email]; shared {
				t.Errorf("users %q and %q share the email %q", other, id, user.Email)
			}
			owners[user.Email] = id
		}
		for _, email := range emails[1:] {
			switch owner := t.owner(email); {
			case owner == nil && owners[email] != "":
				t.Errorf("user %q has the email %q, but the email finds nobody", owners[email], email)
			case owner != nil && owners[email] != owner.ID:
				t.Errorf("email %q finds user %q, but belongs to %q", email, owner.ID, owners[email])
			case owner == nil:
				t.add(bulk.User{ID: "new owner of " + email, Email: email})
			}
		}
	},
}}

// oneWins commits all writes at once, each in a call of its own, and returns
// which one was done. It fails unless exactly one was, and the others report
// that they lost or that they may be tried again.
func (t *storeTest) oneWins(writes []bulk.Write, lost error) (winner int) {
	t.Helper()
	outcomes := make([]error, len(writes))
	race(len(writes), func(i int) { outcomes[i] = t.commit(writes[i])[0] })
	won := 0
	for i, err := range outcomes {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, lost) && !bulk.Retryable(err):
			t.Errorf("write %d lost the race with %v, want %q", i, err, lost)
		}
	}
	if won != 1 {
		t.Fatalf("%d of %d writes that exclude each other were done, want exactly 1; outcomes: %v", won, len(writes), outcomes)
	}
	return slices.Index(outcomes, nil)
}

// counter returns how many updates of a worker the user has.
func counter(user *bulk.Stored, worker int) int {
	n := 0
	if value, ok := user.CustomFields.Get(fmt.Sprint("worker ", worker)); ok {
		_, _ = fmt.Sscan(string(value), &n) // the suite wrote it
	}
	return n
}
