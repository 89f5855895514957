package interleave

import (
	"context"
	"fmt"
	"reflect"

	"github.com/bulkops/bulkops/bulk"
)

// request is the life of an actor that sends the request under its key.
func (r *run) request(ctx context.Context, a *actor) error {
	im, err := bulk.NewImporter(r.config(a))
	must(err)
	report, err := accept(ctx, im, r.scenario)
	a.report = report
	return err
}

// accept sends the request under its idempotency key.
func accept(ctx context.Context, im *bulk.Importer, s *scenario) (*bulk.Report, error) {
	accepted, err := im.Accept(ctx, bulk.Request{Principal: admin, Rows: s.reader(), Options: s.opts, IdempotencyKey: "key"})
	if err != nil {
		return nil, err
	}
	return accepted.Report, nil
}

// reports returns the results that all those got who had an answer, and that a
// repetition gets.
func (r *run) reports() (results []bulk.RowResult, fault string) {
	last, err := accept(context.Background(), r.other, r.scenario)
	if err != nil {
		return nil, fmt.Sprintf("a repetition of the request fails: %v", err)
	}
	for _, a := range r.actors {
		if a.report != nil && !reflect.DeepEqual(a.report, last) {
			return last.Results, fmt.Sprintf("a repetition gets the first answer: %s was answered %v, a repetition %v",
				a.name, brief(a.report.Results), brief(last.Results))
		}
	}
	return last.Results, countFault(last.Results, last.Summary, len(r.scenario.rows))
}
