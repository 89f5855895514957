package awstest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// split divides lists, in the order of their names, into what is forwarded and
// what is left undone: at least one of each, so there must be two elements.
// Names without an element are absent.
func (c *call) split(lists map[string][]json.RawMessage) (forwarded, left map[string][]json.RawMessage) {
	total := 0
	for _, list := range lists {
		total += len(list)
	}
	undone := c.some(total, total-1)
	forwarded, left = make(map[string][]json.RawMessage), make(map[string][]json.RawMessage)
	i := 0
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		for _, element := range lists[name] {
			if undone[i] {
				left[name] = append(left[name], element)
			} else {
				forwarded[name] = append(forwarded[name], element)
			}
			i++
		}
	}
	return forwarded, left
}

func isSingle(lists map[string][]json.RawMessage) bool {
	total := 0
	for _, list := range lists {
		total += len(list)
	}
	return total < 2
}

// leaveItems forwards some of the writes of a BatchWriteItem.
func (c *call) leaveItems(o object) (*http.Response, error) {
	var writes map[string][]json.RawMessage // by table
	if err := o.decode("RequestItems", &writes); err != nil {
		return nil, err
	}
	if isSingle(writes) {
		return c.throttle(), nil
	}
	forwarded, left := c.split(writes)
	if err := o.set("RequestItems", forwarded); err != nil {
		return nil, err
	}
	return c.exchange(o, func(answer object) error {
		unprocessed := make(map[string][]json.RawMessage)
		if err := answer.decode("UnprocessedItems", &unprocessed); err != nil {
			return err
		}
		for table, writes := range left {
			unprocessed[table] = append(unprocessed[table], writes...)
		}
		return answer.set("UnprocessedItems", unprocessed)
	})
}

// leaveKeys forwards some of the keys of a BatchGetItem. What else is asked of a
// table goes with its keys both ways.
func (c *call) leaveKeys(o object) (*http.Response, error) {
	var tables map[string]object
	if err := o.decode("RequestItems", &tables); err != nil {
		return nil, err
	}
	keys := make(map[string][]json.RawMessage)
	for table, request := range tables {
		var list []json.RawMessage
		if err := request.decode("Keys", &list); err != nil {
			return nil, err
		}
		keys[table] = list
	}
	if isSingle(keys) {
		return c.throttle(), nil
	}
	forwarded, left := c.split(keys)
	requests, err := withKeys(tables, forwarded)
	if err != nil {
		return nil, err
	}
	if err := o.set("RequestItems", requests); err != nil {
		return nil, err
	}
	return c.exchange(o, func(answer object) error {
		var unprocessed map[string]object
		if err := answer.decode("UnprocessedKeys", &unprocessed); err != nil {
			return err
		}
		for table, request := range unprocessed { // of the server itself
			var list []json.RawMessage
			if err := request.decode("Keys", &list); err != nil {
				return err
			}
			left[table] = append(left[table], list...)
		}
		requests, err := withKeys(tables, left)
		if err != nil {
			return err
		}
		return answer.set("UnprocessedKeys", requests)
	})
}

// withKeys returns the tables that have keys, with these keys.
func withKeys(tables map[string]object, keys map[string][]json.RawMessage) (map[string]object, error) {
	result := make(map[string]object)
	for table, list := range keys {
		result[table] = maps.Clone(tables[table])
		if err := result[table].set("Keys", list); err != nil {
			return nil, err
		}
	}
	return result, nil
}
