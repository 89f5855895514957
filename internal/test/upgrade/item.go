package upgrade

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An Item is an item of DynamoDB as files of testdata have it: its attributes in the
// JSON of DynamoDB's API, such as {"S": "text"}.
type Item map[string]map[string]any

// ItemOf returns an item with attributes of the types that the jobs table has.
func ItemOf(attributes map[string]types.AttributeValue) (Item, error) {
	it := make(Item)
	for name, value := range attributes {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			it[name] = map[string]any{"S": v.Value}
		case *types.AttributeValueMemberN:
			it[name] = map[string]any{"N": v.Value}
		case *types.AttributeValueMemberBOOL:
			it[name] = map[string]any{"BOOL": v.Value}
		default:
			return nil, fmt.Errorf("attribute %s is a %T", name, value)
		}
	}
	return it, nil
}

// Attributes returns the item as the SDK has it.
func (it Item) Attributes() (map[string]types.AttributeValue, error) {
	attributes := make(map[string]types.AttributeValue)
	for name, value := range it {
		if s, ok := value["S"].(string); ok {
			attributes[name] = &types.AttributeValueMemberS{Value: s}
		} else if n, ok := value["N"].(string); ok {
			attributes[name] = &types.AttributeValueMemberN{Value: n}
		} else if b, ok := value["BOOL"].(bool); ok {
			attributes[name] = &types.AttributeValueMemberBOOL{Value: b}
		} else {
			return nil, fmt.Errorf("attribute %s is %v", name, value)
		}
	}
	return attributes, nil
}

// ReadItems reads a file of items.
func ReadItems(file string) ([]Item, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var items []Item
	return items, json.Unmarshal(text, &items)
}
