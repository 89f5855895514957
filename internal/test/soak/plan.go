//go:build unix

package soak

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/internal/test/soak/audit"
)

// All imports of a while name users and addresses of one window, so that they
// meet. The window moves on with the imports, so that users do not grow for ever.
const (
	windowUsers  = 16
	windowEmails = 24
	windowStep   = 3 // imports for each step of the window
)

// tenants are apart: equal ids and addresses are different users.
var tenants = []string{"red", "blue"}

// staticUsers exist from the start, and rows that change nothing name them.
const staticUsers = 4

func staticID(i int) string { return fmt.Sprintf("static-%d", i) }

// A plan makes the imports of a run. What the n-th import is depends on the seed
// and n alone.
type plan struct {
	seed uint64
	made atomic.Int64
}

// A kind says how an import is sent.
type kind int

const (
	kindJob  kind = iota // some segments of rows
	kindSync             // a few rows
)

// next returns the next import.
func (p *plan) next(k kind) (audit.Import, *rand.Rand) {
	n := int(p.made.Add(1))
	random := rand.New(rand.NewPCG(p.seed, uint64(n)))
	im := audit.Import{
		Name:   fmt.Sprintf("i%d", n),
		Tenant: tenants[random.IntN(len(tenants))],
	}
	im.Options = optionsOf(random)
	rows := 1 + random.IntN(12)
	if k == kindJob {
		rows = syncThreshold + random.IntN(4*syncThreshold)
	}
	w := window{random: random, base: n / windowStep, name: im.Name}
	one := k == kindJob && random.IntN(10) == 0 // nearly all rows are of one user
	hot := w.user()
	for i := range rows {
		r := w.row(i)
		if one && random.IntN(10) > 0 {
			r = audit.Row{UserID: hot, Witness: witnessOf(im.Name, i)}
		}
		im.Rows = append(im.Rows, r)
	}
	return im, random
}

func optionsOf(random *rand.Rand) bulk.Options {
	options := bulk.DefaultOptions()
	switch random.IntN(16) {
	case 0:
		options.Upsert = false
	case 1:
		options.SkipDuplicates = true
	case 2:
		options.DryRun = true
	}
	return options
}

// A window draws rows of users and addresses that other imports name too.
type window struct {
	random *rand.Rand
	base   int
	name   string
}

func userID(i int) string  { return fmt.Sprintf("u%d", i) }
func emailOf(i int) string { return fmt.Sprintf("e%d@example.com", i) }

func (w *window) user() string  { return userID(w.base + w.random.IntN(windowUsers)) }
func (w *window) email() string { return emailOf(w.base + w.random.IntN(windowEmails)) }

// row returns a row of one of the forms that there are.
func (w *window) row(i int) audit.Row {
	r := audit.Row{Witness: witnessOf(w.name, i)}
	fresh := fmt.Sprintf("%s-%d", w.name, i)
	switch draw := w.random.IntN(100); {
	case draw < 40:
		r.UserID = w.user()
	case draw < 58:
		r.UserID, r.Email = w.user(), w.email()
	case draw < 75:
		r.Email = w.email()
	case draw < 80:
		r.UserID = "new-" + fresh
	case draw < 85:
		r.UserID, r.Email = "new-"+fresh, fresh+"@example.com"
	case draw < 89:
		r.Email = fresh + "@example.com"
	case draw < 92:
		r.UserID, r.Email, r.Invalid = w.user(), "no address", true
	default:
		r.UserID, r.Witness = staticID(w.random.IntN(staticUsers)), ""
	}
	return r
}

// seeds is the import that makes the users whom rows without a change name.
func seeds(tenant string) audit.Import {
	im := audit.Import{Name: "seed-" + tenant, Tenant: tenant, Options: bulk.DefaultOptions()}
	for i := range staticUsers {
		im.Rows = append(im.Rows, audit.Row{UserID: staticID(i)})
	}
	return im
}
