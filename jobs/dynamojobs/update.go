package dynamojobs

import (
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An update builds an UpdateItem. Names and values of attributes never stand in
// an expression themselves, so that no reserved word and no text matters.
type update struct {
	sets, removes, conditions []string
	names                     map[string]string
	values                    map[string]types.AttributeValue
}

func newUpdate() *update {
	return &update{names: make(map[string]string), values: make(map[string]types.AttributeValue)}
}

func (u *update) name(attr string) string {
	u.names["#"+attr] = attr
	return "#" + attr
}

func (u *update) value(v types.AttributeValue) string {
	placeholder := ":v" + strconv.Itoa(len(u.values))
	u.values[placeholder] = v
	return placeholder
}

func (u *update) set(attr string, v types.AttributeValue) {
	u.sets = append(u.sets, u.name(attr)+" = "+u.value(v))
}

// setOnce sets an attribute that is not there yet.
func (u *update) setOnce(attr string, v types.AttributeValue) {
	u.sets = append(u.sets, u.name(attr)+" = if_not_exists("+u.name(attr)+", "+u.value(v)+")")
}

// setFirst sets an attribute to the first of two that is there.
func (u *update) setFirst(attr, first, second string) {
	u.sets = append(u.sets, u.name(attr)+" = if_not_exists("+u.name(first)+", "+u.name(second)+")")
}

// increment adds one to an attribute, which is there.
func (u *update) increment(attr string) {
	u.sets = append(u.sets, u.name(attr)+" = "+u.name(attr)+" + "+u.value(number(1)))
}

func (u *update) remove(attrs ...string) {
	for _, attr := range attrs {
		u.removes = append(u.removes, u.name(attr))
	}
}

// when adds a condition: the attribute is there and compares so to v.
func (u *update) when(attr, operator string, v types.AttributeValue) {
	u.conditions = append(u.conditions, u.name(attr)+" "+operator+" "+u.value(v))
}

func (u *update) whenThere(attr string) {
	u.conditions = append(u.conditions, "attribute_exists("+u.name(attr)+")")
}

func (u *update) whenMissing(attr string) {
	u.conditions = append(u.conditions, "attribute_not_exists("+u.name(attr)+")")
}

func (u *update) condition(operator string) *string {
	return aws.String(strings.Join(u.conditions, " "+operator+" "))
}

// put returns the call that writes a whole item if one of the conditions holds. A
// failed one comes back with the item that failed it.
func (u *update) put(table string, it item) *dynamodb.PutItemInput {
	in := &dynamodb.PutItemInput{
		TableName:                           aws.String(table),
		Item:                                it,
		ConditionExpression:                 u.condition("OR"),
		ExpressionAttributeNames:            u.names,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if len(u.values) > 0 { // DynamoDB refuses an empty map
		in.ExpressionAttributeValues = u.values
	}
	return in
}

// input returns the call that makes the update if all conditions hold. It answers with the item after
// the update, or with the one that failed the condition.
func (u *update) input(table, id string) *dynamodb.UpdateItemInput {
	expression := "SET " + strings.Join(u.sets, ", ")
	if len(u.removes) > 0 {
		expression += " REMOVE " + strings.Join(u.removes, ", ")
	}
	return &dynamodb.UpdateItemInput{
		TableName:                           aws.String(table),
		Key:                                 key(id),
		UpdateExpression:                    aws.String(expression),
		ConditionExpression:                 u.condition("AND"),
		ExpressionAttributeNames:            u.names,
		ExpressionAttributeValues:           u.values,
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}
