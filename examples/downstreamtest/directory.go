package downstreamtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/httpapi"
)

// An Employee is a line of the staff list that a company's HR system sends.
type Employee struct {
	Number string
	Email  string
	Team   string
}

// A Session is a signed-in person, as the host knows it.
type Session struct {
	Person  string
	Company string
	Admin   bool
}

// Sessions finds the session of a request, or returns an error if it has none.
type Sessions interface {
	Session(*http.Request) (Session, error)
}

// A Directory keeps the users of the companies that use the service.
type Directory struct {
	importer *bulk.Importer
	api      http.Handler
}

// New returns a directory over the given backends. Jobs are left to workers of
// the same configuration.
func New(cfg bulk.Config, sessions Sessions) (*Directory, error) {
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		return nil, err
	}
	api, err := httpapi.New(httpapi.Config{
		Importer: importer,
		Authorize: func(r *http.Request) (bulk.Principal, error) {
			session, err := sessions.Session(r)
			if err != nil {
				return bulk.Principal{}, err // 401
			}
			p := bulk.Principal{ID: session.Person, Tenant: session.Company}
			if session.Admin {
				p.Role = bulk.RoleAdmin // without a role: 403
			}
			return p, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return &Directory{importer: importer, api: api}, nil
}

// Handler serves the directory's pages, of which this example has one: the API
// for administrators.
func (d *Directory) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/admin/v1/bulk/", d.api)
	return mux
}

// A Rejected is an employee who could not be taken over, with what HR has to
// mend.
type Rejected struct {
	Employee Employee
	Reason   string
}

// TakeOver takes over a company's staff list at once. It returns how many users
// are new or changed and whom HR has to mend. An error means that nothing was
// taken over, or, if ctx ended, that the list is to be sent again.
func (d *Directory) TakeOver(ctx context.Context, company string, staff []Employee) (changed int, rejected []Rejected, err error) {
	req, err := request(company, staff)
	if err != nil {
		return 0, nil, err
	}
	report, err := d.importer.Import(ctx, req)
	if err != nil {
		return 0, nil, fmt.Errorf("take over staff of %s: %w", company, err)
	}
	for i, result := range report.Results { // one for each employee, in order
		switch result.Status {
		case bulk.StatusCreated, bulk.StatusUpdated:
			changed++
		case bulk.StatusFailed:
			rejected = append(rejected, Rejected{staff[i], result.Errors[0].Message})
		}
	}
	return changed, rejected, nil
}

// TakeOverLater makes a job of a staff list and returns its id. Once it returns,
// the list is safe.
func (d *Directory) TakeOverLater(ctx context.Context, company string, staff []Employee) (jobID string, err error) {
	req, err := request(company, staff)
	if err != nil {
		return "", err
	}
	job, err := d.importer.Submit(ctx, req)
	if err != nil {
		return "", fmt.Errorf("take over staff of %s later: %w", company, err)
	}
	return job.ID, nil
}

var errNobody = errors.New("the staff list is empty")

// request makes a request of the service itself on behalf of a company.
func request(company string, staff []Employee) (bulk.Request, error) {
	if len(staff) == 0 {
		return bulk.Request{}, errNobody
	}
	users := make([]bulk.User, len(staff))
	for i, e := range staff {
		fields, err := bulk.NewFields(map[string]any{"team": e.Team})
		if err != nil {
			return bulk.Request{}, fmt.Errorf("employee %s: %w", e.Number, err)
		}
		users[i] = bulk.User{ID: e.Number, Email: e.Email, CustomFields: fields}
	}
	return bulk.Request{
		Principal: bulk.Principal{ID: "staff lists", Tenant: company, Role: bulk.RoleAdmin},
		Rows:      bulk.Users(users...),
		Options:   bulk.DefaultOptions(),
	}, nil
}
