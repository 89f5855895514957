package fieldrules

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/bulkops/bulkops/bulk"
)

// numberOf returns a JSON number as it is: no floating point number has 38 digits.
// Fields bound the exponent and so the size.
func numberOf(value json.RawMessage) *big.Rat {
	n, ok := new(big.Rat).SetString(string(value))
	if !ok {
		panic(fmt.Sprintf("fieldrules: fields have the number %s", value)) // they are valid JSON
	}
	return n
}

func isInteger(value json.RawMessage) bool {
	return startsWith("-0123456789")(value) && numberOf(value).IsInt()
}

// parseNumber reads a number of a rule, which is one that a field could have.
func parseNumber(text string) (*big.Rat, error) {
	f, err := bulk.ParseFields([]byte(`{"n":` + text + `}`))
	if err == nil && f.Len() == 1 {
		if value, ok := f.Get("n"); ok && startsWith("-0123456789")(value) {
			return numberOf(value), nil
		}
	}
	return nil, fmt.Errorf("%q is no number that a field could have", text)
}

// A comparison is a tag that compares with one number.
type comparison struct {
	words string
	pass  func(cmp int) bool
}

var (
	atLeast     = comparison{"at least", func(cmp int) bool { return cmp >= 0 }}
	atMost      = comparison{"at most", func(cmp int) bool { return cmp <= 0 }}
	comparisons = map[string]comparison{
		"min": atLeast, "gte": atLeast, "max": atMost, "lte": atMost,
		"gt": {"more than", func(cmp int) bool { return cmp > 0 }},
		"lt": {"less than", func(cmp int) bool { return cmp < 0 }},
		"eq": {"", func(cmp int) bool { return cmp == 0 }},
		"ne": {"other than", func(cmp int) bool { return cmp != 0 }},
	}
)

// numberTag makes the test of a tag for numbers.
func numberTag(name, param string) (test, error) {
	if name == "oneof" {
		return oneOfNumbers(param)
	}
	c, ok := comparisons[name]
	if !ok {
		return test{}, errUnknown
	}
	limit, err := parseNumber(param)
	if err != nil {
		return test{}, err
	}
	words := strings.Join(strings.Fields("must be "+c.words+" "+param), " ")
	return test{words, func(value json.RawMessage) bool { return c.pass(numberOf(value).Cmp(limit)) }}, nil
}

func oneOfNumbers(param string) (test, error) {
	var numbers []*big.Rat
	texts := strings.Fields(param)
	for _, text := range texts {
		n, err := parseNumber(text)
		if err != nil {
			return test{}, err
		}
		numbers = append(numbers, n)
	}
	if len(numbers) == 0 {
		return test{}, errors.New("it lacks values")
	}
	return test{"must be one of " + strings.Join(texts, ", "), func(value json.RawMessage) bool {
		n := numberOf(value)
		for _, allowed := range numbers {
			if n.Cmp(allowed) == 0 {
				return true
			}
		}
		return false
	}}, nil
}

// counts are the tags that bound how many parts a value has.
var counts = map[string]comparison{
	"min": atLeast, "max": atMost, "len": {"exactly", func(cmp int) bool { return cmp == 0 }},
}

// countTag makes tests of how many parts a value has.
func countTag(part string, count func(json.RawMessage) int) func(name, param string) (test, error) {
	return func(name, param string) (test, error) {
		c, ok := counts[name]
		if !ok {
			return test{}, errUnknown
		}
		limit, err := strconv.Atoi(param)
		if err != nil || limit < 0 {
			return test{}, fmt.Errorf("%q is no count", param)
		}
		parts := part
		if limit != 1 {
			parts += "s"
		}
		return test{fmt.Sprintf("must have %s %d %s", c.words, limit, parts), func(value json.RawMessage) bool {
			return c.pass(count(value) - limit)
		}}, nil
	}
}
