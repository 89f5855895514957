package dynamostore

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bulkops/bulkops/bulk"
)

func FuzzValue(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"a":1}`, `{"a":null,"b":[null,{"c":null}]}`, `{"a":{},"b":[],"c":"","d":[[],{}]}`,
		`{"n":[9007199254740993,-0,1e40,1e-130,9.99e125,0.1,123456789012345678901234567890.12345678]}`,
		`{"a\"b'; DELETE":"\"\\\u0000\u2028😀","a.b":true,"a[0]":false,"é":"\ud83d\ude00"}`,
		`{"deep":` + strings.Repeat(`[`, 28) + strings.Repeat(`]`, 28) + `}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fields, err := bulk.ParseFields(text)
		if err != nil {
			return
		}
		got, err := fieldsOf(&types.AttributeValueMemberM{Value: mapOf(fields)})
		if err != nil {
			t.Fatalf("%s cannot be read back: %v", fields, err)
		}
		// A field that is null does not exist.
		if want := (bulk.Fields{}).Merge(fields); got != want {
			t.Fatalf("read back as %s, want %s", got, want)
		}
	})
}

func TestFieldsOfForeignValues(t *testing.T) {
	deep := types.AttributeValue(&types.AttributeValueMemberL{})
	for range bulk.MaxFieldDepth {
		deep = &types.AttributeValueMemberL{Value: []types.AttributeValue{deep}}
	}
	for name, c := range map[string]struct {
		value types.AttributeValue
		want  string
	}{
		"string set":    {&types.AttributeValueMemberSS{Value: []string{"b", `a"`}}, `{"f":["a\"","b"]}`},
		"number set":    {&types.AttributeValueMemberNS{Value: []string{"2", "1e40", "10"}}, `{"f":[10,1e40,2]}`},
		"binary set":    {&types.AttributeValueMemberBS{Value: [][]byte{{2}, {1}}}, `{"f":["AQ==","Ag=="]}`},
		"binary":        {&types.AttributeValueMemberB{Value: []byte("\xff\x00")}, `{"f":"/wA="}`},
		"null":          {&types.AttributeValueMemberNULL{Value: true}, `{}`},
		"padded number": {&types.AttributeValueMemberN{Value: "1.50"}, `{"f":1.5}`},
		"bad names": {&types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
			"": text("a"), strings.Repeat("é", 256): text("b"), strings.Repeat("é", 255): text("c"),
		}}, `{"f":{"` + strings.Repeat("é", 255) + `":"c"}}`},
		"too deep": {deep, `{"f":` + strings.Repeat("[", bulk.MaxFieldDepth-1) + "null" + strings.Repeat("]", bulk.MaxFieldDepth-1) + `}`},
		"unknown":  {&types.UnknownUnionMember{Tag: "X"}, `{"f":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			fields, err := fieldsOf(&types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"f": c.value}})
			if err != nil {
				t.Fatal(err)
			}
			if got := fields.String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	for name, value := range map[string]types.AttributeValue{"none": nil, "a string": text("x"), "a list": deep} {
		if fields, err := fieldsOf(value); err != nil || !fields.IsZero() {
			t.Errorf("%s: got %s, %v, want no fields", name, fields, err)
		}
	}
}
