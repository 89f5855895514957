package awstest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkops/bulkops/internal/test/awstest"
)

// The tests in this file are about the choice of the calls that meet a fault.
// What the faults look like is tested on the real servers.

// roundTripper makes a function an [http.RoundTripper].
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answers is a server that answers every call with an empty object.
var answers = roundTripper(func(r *http.Request) (*http.Response, error) {
	r.Body.Close()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
})

// operate makes one call of DynamoDB and tells whether it met a refusal.
func operate(t *testing.T, f *awstest.Faults, operation string) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	response, err := f.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode != http.StatusOK
}

// pattern makes n calls of an operation and returns x for each that was refused.
func pattern(t *testing.T, f *awstest.Faults, operation string, n int) string {
	t.Helper()
	var b strings.Builder
	for range n {
		if operate(t, f, operation) {
			b.WriteByte('x')
		} else {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func TestTheSameSeedMakesTheSameFaults(t *testing.T) {
	rule := awstest.Rule{Kind: awstest.ServerError, Probability: 0.5}
	alone := pattern(t, awstest.NewFaults(t, answers, 1, rule), "GetItem", 64)
	if !strings.Contains(alone, "x") || !strings.Contains(alone, ".") {
		t.Fatalf("with probability 0.5, the faults of 64 calls are %s", alone)
	}
	if other := pattern(t, awstest.NewFaults(t, answers, 2, rule), "GetItem", 64); other == alone {
		t.Error("two seeds make the same faults")
	}

	f := awstest.NewFaults(t, answers, 1, rule)
	var between strings.Builder
	for range 64 {
		pattern(t, f, "PutItem", 3)
		between.WriteString(pattern(t, f, "GetItem", 1))
	}
	if between.String() != alone {
		t.Errorf("other operations change the faults of an operation: %s, alone %s", &between, alone)
	}
}

func TestTheNumberOfFaultsDoesNotDependOnParallelism(t *testing.T) {
	rule := awstest.Rule{Kind: awstest.ServerError, Probability: 0.3}
	want := strings.Count(pattern(t, awstest.NewFaults(t, answers, 1, rule), "GetItem", 200), "x")
	f := awstest.NewFaults(t, answers, 1, rule)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() { operate(t, f, "GetItem") })
	}
	wg.Wait()
	if got := f.Injected(awstest.ServerError); got != want || f.Calls() != 200 {
		t.Errorf("%d faults in %d parallel calls, %d in 200 one after another", got, f.Calls(), want)
	}
}

func TestRules(t *testing.T) {
	const kind = awstest.ServerError
	for name, test := range map[string]struct {
		rules []awstest.Rule
		want  string // of six calls of GetItem
	}{
		"none":             {nil, "......"},
		"all":              {[]awstest.Rule{{Kind: kind}}, "xxxxxx"},
		"other operations": {[]awstest.Rule{{Kind: kind, Operations: []string{"PutItem", "Query"}}}, "......"},
		"this operation":   {[]awstest.Rule{{Kind: kind, Operations: []string{"PutItem", "GetItem"}}}, "xxxxxx"},
		"other kind":       {[]awstest.Rule{{Kind: awstest.UnprocessedKeys}}, "......"},
		"times":            {[]awstest.Rule{{Kind: kind, Times: 2}}, "xx...."},
		"consecutive":      {[]awstest.Rule{{Kind: kind, MaxConsecutive: 2}}, "xx.xx."},
		"both":             {[]awstest.Rule{{Kind: kind, MaxConsecutive: 1, Times: 2}}, "x.x..."},
		"next rule":        {[]awstest.Rule{{Kind: kind, Times: 1}, {Kind: awstest.Throttle, Times: 2}}, "xxx..."},
	} {
		t.Run(name, func(t *testing.T) {
			f := awstest.NewFaults(t, answers, 1, test.rules...)
			if got := pattern(t, f, "GetItem", 6); got != test.want {
				t.Errorf("the faults are %s, want %s", got, test.want)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	f := awstest.NewFaults(t, answers, 7,
		awstest.Rule{Kind: awstest.Throttle, Operations: []string{"PutItem"}, Times: 2},
		awstest.Rule{Kind: awstest.ServerError, Times: 1})
	pattern(t, f, "PutItem", 5)
	pattern(t, f, "GetItem", 4)
	got := []int{
		f.Calls(), f.Calls("PutItem"), f.Calls("GetItem", "Query"),
		f.Injected(awstest.Throttle), f.Injected(awstest.Throttle, "GetItem"), f.Injected(awstest.ServerError, "PutItem", "GetItem"),
	}
	if want := []int{9, 5, 4, 2, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("counts %v, want %v", got, want)
	}
	if got, want := f.String(), "faults with seed 7: GetItem 4 calls, PutItem 5 calls (1 ServerError, 2 Throttle)"; got != want {
		t.Errorf("String returned %q, want %q", got, want)
	}
}

func TestRulesThatCannotHitFailTheTest(t *testing.T) {
	for name, rule := range map[string]awstest.Rule{
		"unknown kind":        {Kind: "Thunder"},
		"probability above 1": {Kind: awstest.Throttle, Probability: 2},
		"wrong operation":     {Kind: awstest.UnprocessedItems, Operations: []string{"PutItem"}},
		"no delay":            {Kind: awstest.SlowAnswer},
		"delay of another":    {Kind: awstest.LostAnswer, Delay: time.Second},
	} {
		tb := &recorder{TB: t}
		tb.run(func() { awstest.NewFaults(tb, answers, 1, rule) })
		if tb.ended != "fatal" {
			t.Errorf("%s: the rule %+v was accepted", name, rule)
		}
	}
}

func TestSlowAnswerTakesItsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := awstest.NewFaults(t, answers, 1, awstest.Rule{Kind: awstest.SlowAnswer, Delay: time.Minute})
		before := time.Now()
		operate(t, f, "GetItem")
		if took := time.Since(before); took != time.Minute {
			t.Errorf("the answer took %v, want a minute", took)
		}
	})
}

func TestSlowAnswerEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := awstest.NewFaults(t, answers, 1, awstest.Rule{Kind: awstest.SlowAnswer, Delay: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		if _, err := f.RoundTrip(request); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("RoundTrip returned %v", err)
		}
		if took := time.Since(before); took != time.Second {
			t.Errorf("RoundTrip took %v, want a second", took)
		}
	})
}
