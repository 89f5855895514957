package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"
	"time"

	"github.com/bulkops/bulkops/blob/memblob"
	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/jobs/memjobs"
	"github.com/bulkops/bulkops/store/memstore"
)

// backends returns a configuration that keeps everything in memory.
func backends() bulk.Config {
	return bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New()}
}

var boss = bulk.Principal{ID: "boss", Tenant: "acme", Role: bulk.RoleAdmin}

func ExampleImporter_Import() {
	importer, err := bulk.NewImporter(backends())
	if err != nil {
		log.Fatal(err)
	}
	report, err := importer.Import(context.Background(), bulk.Request{
		Principal: boss,
		Options:   bulk.DefaultOptions(),
		Rows: bulk.Users(
			bulk.User{ID: "u-1", Email: "ana@example.com"},
			bulk.User{ID: "u-2", Email: "not-an-email"},
			bulk.User{ID: "u-1", Email: "ana@example.org"},
		),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Results {
		fmt.Println(r.Index, r.UserID, r.Status)
		for _, e := range r.Errors {
			fmt.Println(" ", e.Code, e.Field)
		}
	}
	fmt.Printf("%+v\n", report.Summary)
	// Output:
	// 0 u-1 created
	// 1 u-2 failed
	//   INVALID_EMAIL email
	// 2 u-1 updated
	// {Created:1 Updated:1 Unchanged:0 Skipped:0 Failed:1 NotProcessed:0}
}

// A small request is answered at once, a large one becomes a job.
func ExampleImporter_Accept() {
	importer, err := bulk.NewImporter(backends())
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range []int{99, 100} {
		users := make([]bulk.User, n)
		for i := range users {
			users[i].ID = fmt.Sprint("u-", i)
		}
		accepted, err := importer.Accept(context.Background(), bulk.Request{
			Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(users...),
		})
		switch {
		case err != nil:
			log.Fatal(err)
		case accepted.Job != nil:
			fmt.Println("a job of", accepted.Job.TotalRecords, "users is", accepted.Job.Status)
		default:
			fmt.Println(accepted.Report.Summary.Created, "users were created")
		}
	}
	// Output:
	// 99 users were created
	// a job of 100 users is pending
}

func ExampleWorker_RunJob() {
	ctx := context.Background()
	cfg := backends()
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		log.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		log.Fatal(err)
	}

	job, err := importer.Submit(ctx, bulk.Request{
		Principal: boss,
		Options:   bulk.DefaultOptions(),
		Rows:      bulk.Users(bulk.User{ID: "u-1"}, bulk.User{ID: "u-2"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Status, job.Percent(), "%")

	if err := worker.RunJob(ctx, job.ID); err != nil {
		log.Fatal(err)
	}
	job, err = importer.Job(ctx, boss, job.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Status, job.Percent(), "%")

	results, err := importer.Results(ctx, job)
	if err != nil {
		log.Fatal(err)
	}
	defer results.Close()
	text, err := io.ReadAll(results)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Count(string(text), `"status":"created"`), "users created")
	// Output:
	// pending 0 %
	// completed 100 %
	// 2 users created
}

// A worker runs jobs until its context is cancelled, and then stops gracefully:
// nothing of the job that it works on is lost. In a program the context often is
// that of signal.NotifyContext.
func ExampleWorker_Run() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	cfg := backends()
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		log.Fatal(err)
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		log.Fatal(err)
	}
	stopped := make(chan error)
	go func() { stopped <- worker.Run(ctx) }()

	job, err := importer.Submit(ctx, bulk.Request{
		Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(bulk.User{ID: "u-1"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	for range time.Tick(time.Millisecond) {
		job, err = importer.Job(ctx, boss, job.ID)
		if err != nil {
			log.Fatal(err)
		}
		if job.Status.Ended() {
			break
		}
	}
	fmt.Println(job.Status)

	stop()
	fmt.Println(<-stopped)
	// Output:
	// completed
	// <nil>
}

func ExampleImporter_Cancel() {
	ctx := context.Background()
	importer, err := bulk.NewImporter(backends())
	if err != nil {
		log.Fatal(err)
	}
	job, err := importer.Submit(ctx, bulk.Request{
		Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(bulk.User{ID: "u-1"}, bulk.User{ID: "u-2"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	job, err = importer.Cancel(ctx, boss, job.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.Status, job.Summary().NotProcessed)
	_, err = importer.Cancel(ctx, boss, job.ID)
	fmt.Println("ended already:", errors.Is(err, bulk.ErrJobEnded))
	// Output:
	// cancelled 2
	// ended already: true
}

// A dry run says what an import would do.
func ExampleOptions_dryRun() {
	users := memstore.New()
	if err := users.Put("acme", bulk.User{ID: "u-1"}); err != nil {
		log.Fatal(err)
	}
	cfg := backends()
	cfg.Store = users
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		log.Fatal(err)
	}
	options := bulk.DefaultOptions()
	options.DryRun = true
	report, err := importer.Import(context.Background(), bulk.Request{
		Principal: boss,
		Options:   options,
		Rows:      bulk.Users(bulk.User{ID: "u-1", Email: "ana@example.com"}, bulk.User{ID: "u-2"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Results[0].Status, report.Results[0].Changes, report.Results[1].Status)
	fmt.Println(users.Len("acme"), "user as before")
	// Output:
	// updated [email] created
	// 1 user as before
}

func ExampleFields() {
	stored, err := bulk.ParseFields([]byte(`{"team": "Lakers", "points": 9007199254740993}`))
	if err != nil {
		log.Fatal(err)
	}
	patch, err := bulk.NewFields(map[string]any{"team": nil, "active": true})
	if err != nil {
		log.Fatal(err)
	}
	merged := stored.Merge(patch)
	fmt.Println(merged)
	points, ok := merged.Get("points")
	fmt.Println(string(points), ok)
	for name, value := range merged.All() {
		fmt.Printf("%s is %s\n", name, value)
	}
	// Output:
	// {"active":true,"points":9007199254740993}
	// 9007199254740993 true
	// active is true
	// points is 9007199254740993
}

func ExampleParseFields() {
	_, err := bulk.ParseFields([]byte(`{"scores": [1, 1e999]}`))
	fmt.Println(err)
	// Output:
	// bulk: field "scores[1]": a number has more than 38 digits or is outside 1e-130 to 9.99e125
}

// A printer is a mailer that prints.
type printer struct{}

func (printer) SendWelcome(_ context.Context, messages []bulk.Welcome) []error {
	outcomes := make([]error, len(messages))
	for i, m := range messages {
		if strings.HasSuffix(m.User.Email, ".invalid") {
			outcomes[i] = errors.New("no such domain")
			continue
		}
		fmt.Println("Welcome,", m.User.Email)
	}
	return outcomes
}

func ExampleMailer() {
	cfg := backends()
	cfg.Mailer = printer{}
	cfg.Logger = slog.New(slog.DiscardHandler) // it would tell of the email that failed
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		log.Fatal(err)
	}
	options := bulk.DefaultOptions()
	options.SendWelcomeEmail = true
	report, err := importer.Import(context.Background(), bulk.Request{
		Principal: boss,
		Options:   options,
		Rows:      bulk.Users(bulk.User{Email: "ana@example.com"}, bulk.User{Email: "bo@example.invalid"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Results {
		fmt.Println(r.Email, r.Status, r.WelcomeEmail)
	}
	// Output:
	// Welcome, ana@example.com
	// ana@example.com created sent
	// bo@example.invalid created failed
}

// A tsv reads rows of an id and an email with a tab between them.
type tsv struct{ lines []string }

func (r *tsv) Next() (bulk.Row, error) {
	if len(r.lines) == 0 {
		return bulk.Row{}, io.EOF
	}
	id, email, ok := strings.Cut(r.lines[0], "\t")
	r.lines = r.lines[1:]
	if !ok { // this row fails, the others go on
		return bulk.Row{Errors: []bulk.RowError{{Code: bulk.CodeInvalidUser, Message: "the line has no tab"}}}, nil
	}
	return bulk.Row{JSON: fmt.Appendf(nil, `{"userId":%q,"email":%q}`, id, email)}, nil
}

func ExampleRowReader() {
	importer, err := bulk.NewImporter(backends())
	if err != nil {
		log.Fatal(err)
	}
	report, err := importer.Import(context.Background(), bulk.Request{
		Principal: boss,
		Options:   bulk.DefaultOptions(),
		Rows:      &tsv{lines: []string{"u-1\tana@example.com", "u-2", "u-3\tcy@example.com"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Results {
		fmt.Println(r.Status, r.UserID, r.Errors)
	}
	// Output:
	// created u-1 []
	// failed  [{INVALID_USER  the line has no tab false }]
	// created u-3 []
}

func ExampleUsers() {
	rows := bulk.Users(bulk.User{ID: "u-1", Email: "ana@example.com"}, bulk.User{ID: "u-2"})
	for {
		row, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", row.JSON)
	}
	// Output:
	// {"userId":"u-1","email":"ana@example.com"}
	// {"userId":"u-2"}
}

// A super admin may see the jobs of every tenant, an admin those of its own, and
// others nothing.
func ExamplePrincipal() {
	ctx := context.Background()
	importer, err := bulk.NewImporter(backends())
	if err != nil {
		log.Fatal(err)
	}
	job, err := importer.Submit(ctx, bulk.Request{
		Principal: boss, Options: bulk.DefaultOptions(), Rows: bulk.Users(bulk.User{ID: "u-1"}),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range []bulk.Principal{
		{ID: "boss", Tenant: "acme", Role: bulk.RoleAdmin},
		{ID: "root", Tenant: "ops", Role: bulk.RoleSuperAdmin},
		{ID: "eve", Tenant: "other", Role: bulk.RoleAdmin},
		{ID: "tom", Tenant: "acme", Role: "user"},
	} {
		_, err := importer.Job(ctx, p, job.ID)
		fmt.Printf("%s: %v\n", p.ID, err)
	}
	// Output:
	// boss: <nil>
	// root: <nil>
	// eve: bulk: get job: bulk: no such job
	// tom: bulk: role may not import users
}

// endPrinter is a notifier that prints.
type endPrinter struct{}

func (endPrinter) NotifyEnded(_ context.Context, job *bulk.Job) error {
	fmt.Println(job.Tenant, job.Status, job.Summary().Created)
	return nil
}

// A host learns of the end of jobs. Worker.Run tells it by itself.
func ExampleNotifier() {
	ctx := context.Background()
	cfg := bulk.Config{Store: memstore.New(), Blobs: memblob.New(), Jobs: memjobs.New(), Notifier: endPrinter{}, Logger: slog.New(slog.DiscardHandler)}
	importer, err := bulk.NewImporter(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	worker, err := bulk.NewWorker(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	job, err := importer.Submit(ctx, bulk.Request{
		Principal: bulk.Principal{ID: "ana", Tenant: "acme", Role: bulk.RoleAdmin},
		Rows:      bulk.Users(bulk.User{ID: "u-1"}, bulk.User{ID: "u-2"}), Options: bulk.DefaultOptions(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(worker.RunJob(ctx, job.ID))
	fmt.Println(worker.Notify(ctx, job.ID))
	// Output:
	// <nil>
	// acme completed 2
	// <nil>
}
