package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

const tenant = "red"

// A scene is what one test tells an auditor.
type scene struct {
	*audit.Auditor
	clock time.Duration
	final audit.Final
}

// now is another moment with each call.
func (s *scene) now() time.Duration {
	s.clock += time.Second
	return s.clock
}

func user(id string) audit.User { return audit.User{Tenant: tenant, ID: id} }

// setting returns a row that names a user and sets its witness.
func setting(id, witness string) audit.Row { return audit.Row{UserID: id, Witness: witness} }

func (s *scene) begin(name string, rows ...audit.Row) {
	s.Begin(audit.Import{Name: name, Tenant: tenant, Options: bulk.DefaultOptions(), Rows: rows}, s.now())
}

func result(index int, id string, status bulk.Status, codes ...bulk.RowCode) bulk.RowResult {
	r := bulk.RowResult{Index: index, UserID: id, Status: status}
	for _, code := range codes {
		r.Errors = append(r.Errors, bulk.RowError{Code: code})
	}
	return r
}

func (s *scene) answer(name string, results ...bulk.RowResult) {
	s.Answered(name, audit.Answer{Results: results}, s.now())
}

// endJob ends an import as a job.
func (s *scene) endJob(name string, status bulk.JobStatus, results ...bulk.RowResult) {
	now := s.now()
	s.Ended(name, now)
	s.Answered(name, audit.Answer{Status: status, Results: results}, now)
}

// read tells of a read of a user, with the witnesses on it; the last one is the
// register.
func (s *scene) read(id, email string, witnesses ...string) {
	s.Sample(s.sample(id, email, witnesses...))
}

func (s *scene) sample(id, email string, witnesses ...string) audit.Sample {
	register := ""
	if len(witnesses) > 0 {
		register = witnesses[len(witnesses)-1]
	}
	return audit.Sample{User: user(id), Exists: true, Email: email, Witnesses: witnesses, Register: register, Begun: s.now(), Done: s.now()}
}

// store adds a user, and the claim of its email, to what is there in the end.
func (s *scene) store(id, email string, witnesses ...string) {
	s.final.Users = append(s.final.Users, audit.FinalUser{Sample: s.sample(id, email, witnesses...), Fields: map[string]bool{}})
	if email != "" {
		s.final.Claims = append(s.final.Claims, audit.Claim{Tenant: tenant, EmailKey: bulk.EmailKey(email), UserID: id})
	}
}

// ana creates the user "ana" by import i1.
func (s *scene) ana() {
	s.begin("i1", setting("ana", "w1_0"))
	s.answer("i1", result(0, "ana", bulk.StatusCreated))
}

// TestPlanted plants records of broken promises; each has to be found, for what it
// is. What comes before the plant is a history without a finding.
func TestPlanted(t *testing.T) {
	tests := []struct {
		name  string
		kind  audit.Kind
		text  string // in the finding
		scene func(s *scene)
	}{
		{"a created user is not there", audit.Lost, "does not exist", func(s *scene) {
			s.ana()
		}},
		{"an updated row is nowhere", audit.Lost, "was seen nowhere", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i2", result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "", "w1_0")
		}},
		{"a user disappears", audit.Lost, "not there any more", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"))
			s.read("ana", "", "w1_0")
			s.Unanswered("i1")
		}},
		{"a host's addition is lost", audit.Lost, "host's counter is 1", func(s *scene) {
			s.ana()
			s.store("ana", "", "w1_0")
			s.final.Users[0].Counter = 1
			s.HostCounted(user("ana"), audit.Done)
			s.HostCounted(user("ana"), audit.Done)
		}},
		{"a host's addition comes twice", audit.Lost, "host's counter is 3", func(s *scene) {
			s.ana()
			s.store("ana", "", "w1_0")
			s.final.Users[0].Counter = 3
			s.HostCounted(user("ana"), audit.Done)
			s.HostCounted(user("ana"), audit.Unknown)
		}},
		{"a host's field is lost", audit.Lost, "host's field h1", func(s *scene) {
			s.ana()
			s.store("ana", "", "w1_0")
			s.HostSet(user("ana"), "h1", audit.Done)
		}},
		{"a host's address is lost", audit.Doubled, "another one afterwards", func(s *scene) {
			s.begin("i1", audit.Row{UserID: "ana", Email: "a@example.com", Witness: "w1_0"})
			s.answer("i1", result(0, "ana", bulk.StatusCreated))
			s.read("ana", "a@example.com", "w1_0")
			s.HostMoved(user("ana"), "host@example.com", s.now(), s.now(), audit.Done)
			s.store("ana", "a@example.com", "w1_0")
		}},
		{"an address has no claim", audit.Lost, "is claimed for", func(s *scene) {
			s.begin("i1", audit.Row{UserID: "ana", Email: "a@example.com", Witness: "w1_0"})
			s.answer("i1", result(0, "ana", bulk.StatusCreated))
			s.store("ana", "a@example.com", "w1_0")
			s.final.Claims = nil
		}},
		{"a row is applied to two users", audit.Doubled, "applied to 2 users", func(s *scene) {
			s.begin("i1", audit.Row{Email: "a@example.com", Witness: "w1_0"})
			s.Unanswered("i1")
			s.store("ana", "a@example.com", "w1_0")
			s.store("bob", "", "w1_0")
		}},
		{"a row comes back after its erasure was answered", audit.Doubled, "is there again", func(s *scene) {
			s.ana()
			s.read("ana", "", "w1_0")
			s.begin("x1", audit.Row{UserID: "ana", Witness: "wx1_0", Erases: []string{"w1_0"}})
			s.answer("x1", result(0, "ana", bulk.StatusUpdated))
			s.read("ana", "", "wx1_0")
			s.store("ana", "", "wx1_0", "w1_0")
		}},
		{"a row comes back after its erasure was seen", audit.Doubled, "is there again", func(s *scene) {
			s.ana()
			s.read("ana", "", "w1_0")
			s.begin("x1", audit.Row{UserID: "ana", Witness: "wx1_0", Erases: []string{"w1_0"}})
			s.read("ana", "", "wx1_0")
			s.Unanswered("x1")
			s.store("ana", "", "w1_0")
		}},
		{"an older value stands over a newer one", audit.Doubled, "its value stands over that of row 0 of i2", func(s *scene) {
			s.ana()
			s.read("ana", "", "w1_0")
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i2", result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "", "w2_0", "w1_0")
		}},
		{"rows of one import are applied in the wrong order", audit.Doubled, "row 1 of the same import", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"), setting("ana", "w1_1"))
			s.answer("i1", result(0, "ana", bulk.StatusCreated), result(1, "ana", bulk.StatusUpdated))
			s.store("ana", "", "w1_1", "w1_0")
		}},
		{"rows of one address are applied in the wrong order", audit.Doubled, "row 1 of the same import", func(s *scene) {
			s.begin("i1", audit.Row{UserID: "ana", Email: "a@example.com", Witness: "w1_0"}, audit.Row{Email: "A@example.com", Witness: "w1_1"})
			s.answer("i1", result(0, "ana", bulk.StatusCreated), result(1, "ana", bulk.StatusUpdated))
			s.store("ana", "a@example.com", "w1_1", "w1_0")
		}},
		{"two rows are said to have created a user", audit.Doubled, "as 2 rows are", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i2", result(0, "ana", bulk.StatusCreated))
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"two users have an address", audit.Doubled, "is also that of", func(s *scene) {
			s.begin("i1", audit.Row{UserID: "ana", Email: "a@example.com", Witness: "w1_0"}, audit.Row{UserID: "bob", Email: "A@example.com", Witness: "w1_1"})
			s.answer("i1", result(0, "ana", bulk.StatusCreated), result(1, "bob", bulk.StatusCreated))
			s.store("ana", "a@example.com", "w1_0")
			s.store("bob", "A@example.com", "w1_1")
			s.final.Claims = s.final.Claims[:1]
		}},
		{"an older address stands over a newer one", audit.Doubled, "another one afterwards", func(s *scene) {
			s.begin("i1", audit.Row{UserID: "ana", Email: "a@example.com", Witness: "w1_0"})
			s.answer("i1", result(0, "ana", bulk.StatusCreated))
			s.read("ana", "a@example.com", "w1_0")
			s.begin("i2", audit.Row{UserID: "ana", Email: "b@example.com", Witness: "w2_0"})
			s.answer("i2", result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "a@example.com", "w1_0", "w2_0")
		}},
		{"a claim names a user without the address", audit.Misreported, "is claimed for it", func(s *scene) {
			s.ana()
			s.store("ana", "", "w1_0")
			s.final.Claims = append(s.final.Claims, audit.Claim{Tenant: tenant, EmailKey: "a@example.com", UserID: "ana"})
		}},
		{"nobody gave a user its address", audit.Misreported, "has given it", func(s *scene) {
			s.ana()
			s.store("ana", "a@example.com", "w1_0")
		}},
		{"a user lost its address", audit.Lost, "it has no address", func(s *scene) {
			s.begin("i1", audit.Row{Email: "a@example.com", Witness: "w1_0"})
			s.answer("i1", result(0, "ana", bulk.StatusCreated))
			s.store("ana", "", "w1_0")
		}},
		{"a failed row was applied", audit.Misreported, "reported as failed (STORE_ERROR)", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i2", result(0, "ana", bulk.StatusFailed, bulk.CodeStoreError))
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"a skipped row was applied", audit.Misreported, "reported as skipped", func(s *scene) {
			s.ana()
			s.Begin(audit.Import{Name: "i2", Tenant: tenant, Options: bulk.Options{SkipDuplicates: true}, Rows: []audit.Row{setting("ana", "w2_0")}}, s.now())
			s.answer("i2", result(0, "ana", bulk.StatusSkipped))
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"a row that was not processed was applied", audit.Misreported, "reported as notProcessed", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.endJob("i2", bulk.JobCancelled, result(0, "ana", bulk.StatusNotProcessed))
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"a row of a completed job was not processed", audit.Misreported, "neither cancelled nor failed", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.endJob("i2", bulk.JobCompleted, result(0, "ana", bulk.StatusNotProcessed))
			s.store("ana", "", "w1_0")
		}},
		{"a row is applied after its job had ended", audit.Misreported, "after its import had ended", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.endJob("i2", bulk.JobCompleted, result(0, "ana", bulk.StatusUpdated))
			s.read("ana", "", "w1_0")
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"a row of a dry run was applied", audit.Misreported, "belongs to a dry run", func(s *scene) {
			s.ana()
			s.Begin(audit.Import{Name: "i2", Tenant: tenant, Options: bulk.Options{Upsert: true, DryRun: true}, Rows: []audit.Row{setting("ana", "w2_0")}}, s.now())
			s.answer("i2", result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"a row of a refused request was applied", audit.Misreported, "the request was refused", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.Refused("i2", s.now())
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"a refused request left a job that was run", audit.Misreported, "the request was refused", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.Refused("i2", s.now())
			s.endJob("i2", bulk.JobCompleted, result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"an unchanged row set a field", audit.Misreported, "reported as unchanged", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i2", result(0, "ana", bulk.StatusUnchanged))
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"a row that changes nothing is updated", audit.Misreported, "changes nothing", func(s *scene) {
			s.ana()
			s.begin("i2", audit.Row{UserID: "ana"})
			s.answer("i2", result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "", "w1_0")
		}},
		{"a result names another user", audit.Misreported, "was applied to [red/bob]", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"), setting("bob", "w1_1"), audit.Row{Email: "b@example.com", Witness: "w1_2"})
			s.answer("i1", result(0, "ana", bulk.StatusCreated), result(1, "bob", bulk.StatusCreated), result(2, "ana", bulk.StatusUpdated))
			s.store("ana", "", "w1_0")
			s.store("bob", "b@example.com", "w1_1", "w1_2")
		}},
		{"a result names another user than the row", audit.Misreported, "it names the user ana", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"))
			s.answer("i1", result(0, "bob", bulk.StatusCreated))
			s.store("ana", "", "w1_0")
		}},
		{"an update is reported as a creation", audit.Misreported, "who was there before", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"))
			s.read("ana", "", "w1_0")
			s.Unanswered("i1")
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i2", result(0, "ana", bulk.StatusCreated))
			s.store("ana", "", "w1_0", "w2_0")
		}},
		{"a creation is reported as an update", audit.Misreported, "no row is reported to have created it", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"))
			s.answer("i1", result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "", "w1_0")
		}},
		{"an address is said to be taken and never was", audit.Misreported, "nothing explains that", func(s *scene) {
			s.ana()
			s.begin("i2", audit.Row{UserID: "ana", Email: "a@example.com", Witness: "w2_0"})
			s.answer("i2", result(0, "ana", bulk.StatusFailed, bulk.CodeEmailTaken))
			s.store("ana", "", "w1_0")
		}},
		{"a user is said to exist where it may", audit.Misreported, "nothing explains that", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i2", result(0, "ana", bulk.StatusFailed, bulk.CodeUserExists))
			s.store("ana", "", "w1_0")
		}},
		{"a field that nobody set", audit.Misreported, "which no row sets", func(s *scene) {
			s.ana()
			s.store("ana", "", "w9_9", "w1_0")
		}},
		{"a result is missing", audit.Misreported, "1 results for 2 rows", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"), setting("bob", "w1_1"))
			s.answer("i1", result(0, "ana", bulk.StatusCreated))
		}},
		{"results are out of order", audit.Misreported, "has the index 1", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"), setting("bob", "w1_1"))
			s.answer("i1", result(1, "bob", bulk.StatusCreated), result(0, "ana", bulk.StatusCreated))
		}},
		{"a summary does not add up", audit.Misreported, "its summary is", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"))
			s.Answered("i1", audit.Answer{
				Results: []bulk.RowResult{result(0, "ana", bulk.StatusCreated)}, Summaries: []bulk.Summary{{Created: 1}, {Updated: 1}},
			}, s.now())
			s.store("ana", "", "w1_0")
		}},
		{"a repetition is answered otherwise", audit.Misreported, "another answer than it had before", func(s *scene) {
			s.ana()
			s.answer("i1", result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "", "w1_0")
		}},
		{"a row has a status that there is not", audit.Misreported, `its status is "done"`, func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"))
			s.answer("i1", result(0, "ana", "done"))
		}},
		{"an invalid row is updated", audit.Misreported, "it is invalid and reported as updated", func(s *scene) {
			s.ana()
			s.begin("i2", audit.Row{UserID: "ana", Email: "no address", Witness: "w2_0", Invalid: true})
			s.answer("i2", result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "no address", "w1_0", "w2_0")
		}},
		{"a row that would set a field is unchanged", audit.Misreported, "sets a field that no user had", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i2", result(0, "ana", bulk.StatusUnchanged))
			s.store("ana", "", "w1_0")
		}},
		{"a row is skipped without the option", audit.Misreported, "without skipDuplicates", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i2", result(0, "ana", bulk.StatusSkipped))
			s.store("ana", "", "w1_0")
		}},
		{"a result names no user", audit.Misreported, "without the user", func(s *scene) {
			s.begin("i1", audit.Row{Email: "a@example.com", Witness: "w1_0"})
			s.answer("i1", result(0, "", bulk.StatusCreated))
		}},
		{"a row fails without a reason", audit.Misreported, "without a reason", func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"))
			s.answer("i1", result(0, "ana", bulk.StatusFailed))
		}},
		{"a user disappears and comes back", audit.Lost, "not there any more", func(s *scene) {
			s.ana()
			s.read("ana", "", "w1_0")
			s.Sample(audit.Sample{User: user("ana"), Begun: s.now(), Done: s.now()})
			s.store("ana", "", "w1_0")
		}},
		{"a row is there beside the row that erased it", audit.Doubled, "is there again", func(s *scene) {
			s.ana()
			s.read("ana", "", "w1_0")
			s.begin("x1", audit.Row{UserID: "ana", Witness: "wx1_0", Erases: []string{"w1_0"}})
			s.Unanswered("x1")
			s.read("ana", "", "w1_0", "wx1_0")
			s.begin("x2", audit.Row{UserID: "ana", Witness: "wx2_0", Erases: []string{"w1_0"}})
			s.answer("x2", result(0, "ana", bulk.StatusUpdated))
			s.store("ana", "", "wx1_0", "wx2_0")
		}},
		{"the register is lost", audit.Lost, "which no row that was applied to it has set", func(s *scene) {
			s.ana()
			s.store("ana", "", "w1_0")
			s.final.Users[0].Register = ""
		}},
		{"a fault that shows at once", audit.Lost, "its job does not exist", func(s *scene) {
			s.ana()
			s.Fault(audit.Lost, "i1", "its job does not exist")
			s.store("ana", "", "w1_0")
		}},
		{"a request never ends", audit.Stuck, "has not ended", func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.store("ana", "", "w1_0")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &scene{Auditor: audit.New()}
			test.scene(s)
			findings := s.Finish(s.final)
			found := slices.ContainsFunc(findings, func(f audit.Finding) bool {
				return f.Kind == test.kind && strings.Contains(f.Text, test.text)
			})
			if !found {
				t.Errorf("no finding that is %q and says %q among %v", test.kind, test.text, findings)
			}
		})
	}
}

// TestExplained tells histories in which all promises hold, however odd they look:
// nothing may be found.
func TestExplained(t *testing.T) {
	tests := map[string]func(s *scene){
		"a request whose process was killed, applied": func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"), setting("bob", "w1_1"))
			s.Unanswered("i1")
			s.store("ana", "", "w1_0")
		},
		"an outcome that nobody knows, applied and not": func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"), setting("bob", "w1_1"))
			s.answer("i1", result(0, "ana", bulk.StatusFailed, "OUTCOME_UNKNOWN"), result(1, "bob", bulk.StatusFailed, "OUTCOME_UNKNOWN"))
			s.store("ana", "", "w1_0")
		},
		"an outcome that nobody knows, applied after the end": func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.endJob("i2", bulk.JobCancelled, result(0, "ana", bulk.StatusFailed, "OUTCOME_UNKNOWN"))
			s.read("ana", "", "w1_0")
			s.store("ana", "", "w1_0", "w2_0")
		},
		"two imports at once, in either order": func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"))
			s.begin("i2", setting("ana", "w2_0"))
			s.answer("i1", result(0, "ana", bulk.StatusUpdated))
			s.answer("i2", result(0, "ana", bulk.StatusCreated))
			s.store("ana", "", "w2_0", "w1_0")
		},
		"a witness seen in a read that began before its erasure": func(s *scene) {
			s.ana()
			s.read("ana", "", "w1_0")
			s.begin("x1", audit.Row{UserID: "ana", Witness: "wx1_0", Erases: []string{"w1_0"}})
			early := s.sample("ana", "", "w1_0")
			s.answer("x1", result(0, "ana", bulk.StatusUpdated))
			s.Sample(early)
			s.store("ana", "", "wx1_0")
		},
		"a host's write whose answer was lost": func(s *scene) {
			s.ana()
			s.HostCounted(user("ana"), audit.Unknown)
			s.HostSet(user("ana"), "h1", audit.Unknown)
			s.HostMoved(user("ana"), "host@example.com", s.now(), s.now(), audit.Unknown)
			s.store("ana", "host@example.com", "w1_0")
			s.final.Users[0].Counter = 1
		},
		"rows that meet because somebody moved an address": func(s *scene) {
			s.begin("i1", setting("ana", "w1_0"), audit.Row{Email: "host@example.com", Witness: "w1_1"})
			s.HostMoved(user("ana"), "host@example.com", s.now(), s.now(), audit.Done)
			s.answer("i1", result(0, "ana", bulk.StatusCreated), result(1, "ana", bulk.StatusUpdated))
			s.store("ana", "host@example.com", "w1_1", "w1_0")
		},
		"an address that was taken and is free again": func(s *scene) {
			s.begin("i1", audit.Row{UserID: "ana", Email: "a@example.com", Witness: "w1_0"})
			s.answer("i1", result(0, "ana", bulk.StatusCreated))
			s.begin("i2", audit.Row{UserID: "bob", Email: "a@example.com", Witness: "w2_0"})
			s.HostMoved(user("ana"), "host@example.com", s.now(), s.now(), audit.Done)
			s.answer("i2", result(0, "bob", bulk.StatusFailed, bulk.CodeEmailTaken))
			s.store("ana", "host@example.com", "w1_0")
		},
		"an invalid row": func(s *scene) {
			s.begin("i1", audit.Row{UserID: "ana", Email: "no address", Witness: "w1_0", Invalid: true})
			s.answer("i1", result(0, "ana", bulk.StatusFailed, bulk.CodeInvalidEmail))
		},
		"a refused request left a job that failed": func(s *scene) {
			s.ana()
			s.begin("i2", setting("ana", "w2_0"))
			s.Refused("i2", s.now())
			s.endJob("i2", bulk.JobFailed, result(0, "ana", bulk.StatusNotProcessed))
			s.store("ana", "", "w1_0")
		},
		"the same answer again": func(s *scene) {
			s.ana()
			s.answer("i1", result(0, "ana", bulk.StatusCreated))
			s.store("ana", "", "w1_0")
		},
	}
	for name, tell := range tests {
		t.Run(name, func(t *testing.T) {
			s := &scene{Auditor: audit.New()}
			tell(s)
			for _, f := range s.Finish(s.final) {
				t.Error(f)
			}
		})
	}
}

// TestFindingNamesItsPlace: a finding says what is at fault, and where.
func TestFindingNamesItsPlace(t *testing.T) {
	s := &scene{Auditor: audit.New()}
	s.ana()
	s.begin("i2", setting("ana", "w2_0"))
	s.answer("i2", result(0, "ana", bulk.StatusUpdated))
	s.store("ana", "", "w1_0")
	want := "[lost: import i2 row 0 user red/ana: it is reported as updated and was seen nowhere]"
	if got := fmt.Sprint(s.Finish(s.final)); got != want {
		t.Errorf("findings are\n%s, want\n%s", got, want)
	}
}
