package fieldrules_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bulkops/bulkops/bulk"
	"github.com/bulkops/bulkops/bulk/fieldrules"
)

func parse(t testing.TB, text string) bulk.Fields {
	t.Helper()
	f, err := bulk.ParseFields([]byte(text))
	require.NoError(t, err, text)
	return f
}

// problems returns what a rule says of a JSON value of its field.
func problems(t testing.TB, rule, value string) []string {
	t.Helper()
	c, err := fieldrules.New(fieldrules.Rules{CustomFields: map[string]string{"f": rule}})
	require.NoError(t, err, rule)
	var words []string
	for _, e := range c.CheckFields(parse(t, `{"other":{"f":0},"f":`+value+`}`), parse(t, `{"f":[]}`)) {
		assert.Equal(t, bulk.CodeFieldRule, e.Code)
		assert.Equal(t, "customFields.f", e.Field)
		text, ok := strings.CutPrefix(e.Message, "customFields.f: ")
		assert.True(t, ok, e.Message)
		words = append(words, text)
	}
	return words
}

func TestKinds(t *testing.T) {
	values := map[string]string{
		"string": `"1"`, "number": `1.5`, "integer": `1.0`, "boolean": `false`, "array": `[]`, "object": `{}`,
	}
	for kind, words := range map[string]string{
		"string": "must be a string", "number": "must be a number", "integer": "must be a whole number",
		"boolean": "must be true or false", "array": "must be an array", "object": "must be an object",
	} {
		for of, value := range values {
			want := []string{words}
			if of == kind || of == "integer" && kind == "number" {
				want = nil
			}
			assert.Equal(t, want, problems(t, kind, value), "%s: %s", kind, value)
			assert.Empty(t, problems(t, "any", value))
			assert.Empty(t, problems(t, "required", value))
		}
	}
	assert.Equal(t, []string{"must be a string"}, problems(t, "email", "5"), "the kind where none is named")
	assert.Equal(t, []string{"must be a number"}, problems(t, "number,min=1,max=0", `"x"`), "a value of another kind has no further errors")
}

func TestNumbers(t *testing.T) {
	const nines = "99999999999999999999999999999999999999" // 38
	for _, test := range []struct {
		rule, value string
		want        []string
	}{
		{"number,min=0,max=150", "0", nil},
		{"number,min=0,max=150", "150", nil},
		{"number,min=0,max=150", "-0.0000001", []string{"must be at least 0"}},
		{"number,min=0,max=150", "150.0000001", []string{"must be at most 150"}},
		{"integer,min=5,max=3", "4", []string{"must be at least 5", "must be at most 3"}},
		{"number,gte=1.5,lte=1.5", "15e-1", nil},
		{"number,gte=1.5", "1.4", []string{"must be at least 1.5"}},
		{"number,lte=1.5", "1.6", []string{"must be at most 1.5"}},
		{"number,gt=1", "1.1", nil},
		{"number,lt=1", "0.9", nil},
		{"number,ne=1", "1.1", nil},
		{"number,gt=1", "1", []string{"must be more than 1"}},
		{"number,lt=1", "1.00", []string{"must be less than 1"}},
		{"number,eq=0.1", "0.10", nil},
		{"number,eq=-2", "2", []string{"must be -2"}},
		{"number,ne=2", "2", []string{"must be other than 2"}},
		// No floating point number tells these apart.
		{"integer,max=9007199254740992", "9007199254740992", nil},
		{"integer,max=9007199254740992", "9007199254740993", []string{"must be at most 9007199254740992"}},
		{"number,lt=" + nines, nines, []string{"must be less than " + nines}},
		{"number,max=0.3", "0.30000000000000000000000000000000000001", []string{"must be at most 0.3"}},
		{"number,min=1e-130,max=9.99e125", "9.99e125", nil},
		{"integer", "1e125", nil},
		{"integer", "1e-130", []string{"must be a whole number"}},
		{"number,oneof=1 2.5 9007199254740993", "2.50", nil},
		{"number,oneof=1 2.5 9007199254740993", "9007199254740992", []string{"must be one of 1, 2.5, 9007199254740993"}},
	} {
		assert.Equal(t, test.want, problems(t, test.rule, test.value), "%s: %s", test.rule, test.value)
	}
}

func TestCounts(t *testing.T) {
	for _, test := range []struct {
		rule, value string
		want        []string
	}{
		{"min=1,max=3", `"éé😀"`, nil},
		{"string,min=1", `""`, []string{"must have at least 1 character"}},
		{"max=3", `"abcd"`, []string{"must have at most 3 characters"}},
		{"len=2", `"a"`, []string{"must have exactly 2 characters"}},
		{"min=1", `"\""`, nil},
		{"array,min=2", `[[1,2,3]]`, []string{"must have at least 2 elements"}},
		{"array,max=0", `[null]`, []string{"must have at most 0 elements"}},
		{"array,len=3", `["a,b",{"x":[1]},[]]`, nil},
		{"object,min=1", `{}`, []string{"must have at least 1 field"}},
		{"object,len=2", `{"a":{"b":1,"c":2},"d":null}`, nil},
	} {
		assert.Equal(t, test.want, problems(t, test.rule, test.value), "%s: %s", test.rule, test.value)
	}
}

// texts has for each tag of strings a value that passes, one that fails, and what is
// said of it.
var texts = map[string]struct{ good, bad, words string }{
	"eq=a b":                      {"a b", "a", `must be "a b"`},
	"ne=a":                        {"b", "a", `must be other than "a"`},
	"oneof=free pro 'very large'": {"very large", "large", `must be one of "free", "pro", "very large"`},
	"oneofci=free pro":            {"PRO", "large", `must be one of "free", "pro", in any case`},
	"contains=0x2C":               {"a,b", "ab", `must contain ","`},
	"containsany=xy":              {"ay", "ab", `must contain one of the characters "xy"`},
	"excludes=0x7C":               {"ab", "a|b", `must not contain "|"`},
	"excludesall=xy":              {"ab", "ay", `must contain none of the characters "xy"`},
	"startswith=a":                {"ab", "ba", `must start with "a"`},
	"endswith=a":                  {"ba", "ab", `must end with "a"`},
	"startsnotwith=a":             {"ba", "ab", `must not start with "a"`},
	"endsnotwith=a":               {"ab", "ba", `must not end with "a"`},
	"alpha":                       {"ab", "a1", "must have letters from a to z only"},
	"alphanum":                    {"a1", "é1", "must have letters from a to z and digits only"},
	"alphaunicode":                {"é", "é1", "must have letters only"},
	"alphanumunicode":             {"é1", "é-", "must have letters and digits only"},
	"ascii":                       {"a\n", "é", "must have ASCII characters only"},
	"printascii":                  {"a b", "a\n", "must have printable ASCII characters only"},
	"lowercase":                   {"a1", "A1", "must be in lower case"},
	"uppercase":                   {"A1", "a1", "must be in upper case"},
	"numeric":                     {"-1.5", "one", "must be the text of a number"},
	"hexadecimal":                 {"0aF", "0g", "must be hexadecimal"},
	"hexcolor":                    {"#a1b2c3", "a1b2c3", "must be a colour like #a1b2c3"},
	"base64":                      {"YQ==", "YQ", "must be base64"},
	"base64url":                   {"_-==", "+/==", "must be base64 for URLs"},
	"json":                        {`{"a":1}`, `{a}`, "must be the text of a JSON value"},
	"jwt":                         {"eyJhIjoxfQ.eyJhIjoxfQ.c2ln", "a.b", "must be a JSON web token"},
	"semver":                      {"1.2.3-rc.1", "1.2", "must be a semantic version"},
	"datetime=2006-01-02":         {"2026-02-28", "2026-02-29", "must be a time like 2006-01-02"},
	"email":                       {"ana@example.com", "ana", "must be an email address"},
	"url":                         {"ftp://example.com/a", "example.com", "must be a URL"},
	"http_url":                    {"https://example.com", "ftp://example.com", "must be a URL of http or https"},
	"uri":                         {"urn:a:b", "a b", "must be a URI"},
	"hostname":                    {"web-1", "-web", "must be a host name"},
	"fqdn":                        {"web.example.com", "web", "must be a fully qualified domain name"},
	"ip":                          {"2001:db8::1", "192.0.2.256", "must be an IP address"},
	"ipv4":                        {"192.0.2.1", "2001:db8::1", "must be an IPv4 address"},
	"ipv6":                        {"2001:db8::1", "192.0.2.1", "must be an IPv6 address"},
	"cidr":                        {"192.0.2.0/24", "192.0.2.0", "must be an IP range like 192.0.2.0/24"},
	"mac":                         {"00:00:5e:00:53:01", "00:00", "must be a MAC address"},
	"uuid":                        {"019b5a00-3c5e-7c6d-9d1e-6b0f2f6a4e11", "019b5a00", "must be a UUID"},
	"ulid":                        {"01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ", "must be a ULID"},
	"e164":                        {"+15550100", "0155", "must be a telephone number like +15550100"},
	"iso3166_1_alpha2":            {"PT", "pt", "must be a country code of two letters (ISO 3166-1)"},
	"iso3166_1_alpha3":            {"PRT", "PT", "must be a country code of three letters (ISO 3166-1)"},
	"iso4217":                     {"EUR", "EURO", "must be a currency code (ISO 4217)"},
	"bcp47_language_tag":          {"pt-BR", "portuguese!", "must be a language tag like en-GB (BCP 47)"},
	"credit_card":                 {"4111111111111111", "4111111111111112", "must be the number of a credit card"},
	"bic":                         {"DEUTDEFF", "DEUT", "must be a BIC"},
	"latitude":                    {"-90", "91", "must be a latitude"},
	"longitude":                   {"180", "181", "must be a longitude"},
	"isbn":                        {"9780306406157", "9780306406158", "must be an ISBN"},
}

func TestTexts(t *testing.T) {
	tested := map[string]bool{}
	for tag, test := range texts {
		name, _, _ := strings.Cut(tag, "=")
		tested[name] = true
		for _, rule := range []string{tag, "string," + tag, "required,string," + tag} {
			assert.Empty(t, problems(t, rule, fmt.Sprintf("%q", test.good)), "%s: %q", rule, test.good)
			assert.Equal(t, []string{test.words}, problems(t, rule, fmt.Sprintf("%q", test.bad)), "%s: %q", rule, test.bad)
		}
	}
	assert.ElementsMatch(t, fieldrules.Formats(), slices.Collect(maps.Keys(tested)), "rule: every tag is tested")
}

func TestBadRulesAreNamed(t *testing.T) {
	for rule, want := range map[string]string{
		"":                           `tag "" of ""`,
		"nonsense":                   `tag "nonsense" of "nonsense": there is no such tag`,
		"number,email":               `tag "email" of "number,email": there is no such tag for values of this kind`,
		"boolean,eq=true":            `no such tag`,
		"any,min=1":                  `no such tag`,
		"array,dive":                 `no such tag`,
		"number,string":              `tag "string" of "number,string": required comes first, and one kind behind it`,
		"number,required":            `required comes first`,
		"required,required":          `required comes first`,
		"min=1, max=3":               `tag " max=3"`,
		"min":                        `"" is no count`,
		"min=-1":                     `"-1" is no count`,
		"max=1.5":                    `"1.5" is no count`,
		"array,len=x":                `"x" is no count`,
		"number,min=x":               `"x" is no number`,
		"number,min=":                `"" is no number`,
		"number,min=1e126":           `"1e126" is no number that a field could have`,
		"number,min=1e999999999":     `is no number that a field could have`,
		`number,min=1}`:              `is no number`,
		"number,max=null":            `is no number`,
		`number,eq="1"`:              `is no number`,
		"number,oneof=":              `it lacks values`,
		"number,oneof=1 x":           `"x" is no number`,
		"oneof=":                     `it lacks a value`,
		"contains":                   `it lacks a value`,
		"email=x":                    `it has no value`,
		"email=":                     `it lacks a value behind the equals sign`,
		"hexcolor|email":             `alternatives, which are not supported`,
		"file":                       `no such tag`,
		"tcp_addr":                   `no such tag`,
		"eqfield=other":              `no such tag`,
		"omitempty":                  `no such tag`,
		"required_if=a b":            `no such tag`,
		"-":                          `no such tag`,
		"structonly":                 `no such tag`,
		"required,number,min=1,max=": `tag "max=" of "required,number,min=1,max="`,
	} {
		for _, rules := range []fieldrules.Rules{
			{CustomFields: map[string]string{"good": "number", "f": rule}},
			{CustomFields: map[string]string{"good": "email"}, Metadata: map[string]string{"f": rule}},
		} {
			c, err := fieldrules.New(rules)
			assert.Nil(t, c, rule)
			if assert.Error(t, err, rule) {
				assert.Contains(t, err.Error(), want)
				assert.Contains(t, err.Error(), `.f": `, "rule: the field is named")
			}
		}
	}
	for _, name := range []string{"", strings.Repeat("é", bulk.MaxFieldName+1), "\xff"} {
		_, err := fieldrules.New(fieldrules.Rules{Metadata: map[string]string{name: "any"}})
		assert.ErrorContains(t, err, "no field has this name")
	}
	_, err := fieldrules.New(fieldrules.Rules{Metadata: map[string]string{strings.Repeat("é", bulk.MaxFieldName): "any"}})
	assert.NoError(t, err)
}

func TestRowsAreChanges(t *testing.T) {
	c, err := fieldrules.New(fieldrules.Rules{
		CustomFields: map[string]string{"plan": "required,oneof=free pro", "age": "number,min=0", "a.b": "any"},
		Metadata:     map[string]string{"source": "required"},
	})
	require.NoError(t, err)
	fields := func(errors []bulk.RowError) (list []string) {
		for _, e := range errors {
			list = append(list, e.Message)
		}
		return list
	}
	none := bulk.Fields{}
	const removed = " is required and cannot be removed"
	for _, test := range []struct {
		customFields, metadata string
		change, create         []string
	}{
		{`{"plan":"pro","age":1,"other":[]}`, `{"source":""}`, nil, nil},
		{`{}`, `{}`, nil, []string{"customFields.plan: is required of a new user", "metadata.source: is required of a new user"}},
		{`{"age":1}`, `{"source":1}`, nil, []string{"customFields.plan: is required of a new user"}},
		{`{"age":null}`, `{"source":1}`, nil, []string{"customFields.plan: is required of a new user"}},
		{`{"plan":null,"age":null}`, `{"source":null}`, []string{"customFields.plan:" + removed, "metadata.source:" + removed},
			[]string{"customFields.plan: is required of a new user", "metadata.source: is required of a new user"}},
		{`{"age":-1,"plan":"x"}`, `{"source":1}`, []string{"customFields.age: must be at least 0", `customFields.plan: must be one of "free", "pro"`}, nil},
	} {
		customFields, metadata := parse(t, test.customFields), parse(t, test.metadata)
		assert.Equal(t, test.change, fields(c.CheckFields(customFields, metadata)), test.customFields)
		assert.Equal(t, test.create, fields(c.CheckCreate(none.Merge(customFields), none.Merge(metadata))), test.customFields)
	}
	assert.Equal(t, map[string]string{
		"customFields.plan": `is required; must be a string; must be one of "free", "pro"`,
		"customFields.age":  "must be a number; must be at least 0",
		"customFields.a.b":  "may be of any kind",
		"metadata.source":   "is required; may be of any kind",
	}, c.Describe())

	empty, err := fieldrules.New(fieldrules.Rules{})
	require.NoError(t, err)
	assert.Empty(t, empty.CheckFields(parse(t, `{"a":1}`), none))
	assert.Empty(t, empty.CheckCreate(none, none))
	assert.Empty(t, empty.Describe())
}

// Whatever stands in a rule or in a field, nothing panics, and what a rule refuses
// it says in words.
func FuzzRules(f *testing.F) {
	for tag, test := range texts {
		f.Add(tag, fmt.Sprintf("%q", test.bad))
	}
	f.Add("required,number,min=0,oneof=1 2", "1e-130")
	f.Add("array,len=2", `[1,{"a":[]}]`)
	f.Add("datetime=\x00", `"\u0001"`)
	f.Fuzz(func(t *testing.T, rule, value string) {
		c, err := fieldrules.New(fieldrules.Rules{CustomFields: map[string]string{"f": rule}})
		if err != nil {
			return
		}
		fields, err := bulk.ParseFields([]byte(`{"f":` + value + `}`))
		if err != nil {
			return
		}
		for _, e := range append(c.CheckFields(fields, fields), c.CheckCreate(fields, fields)...) {
			if e.Code != bulk.CodeFieldRule || e.Field != "customFields.f" || len(e.Message) <= len("customFields.f: ") {
				t.Fatalf("%+v", e)
			}
		}
		if c.Describe()["customFields.f"] == "" {
			t.Fatal("a rule without words")
		}
	})
}
