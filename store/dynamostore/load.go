package dynamostore

// A load is what is asked of the tables: parts of a call (items, statements,
// actions), and the capacity units that they take of each table.
type load struct {
	parts         int
	users, claims float64
}

func (l *load) add(other load) {
	l.parts += other.parts
	l.users += other.users
	l.claims += other.claims
}

// Sizes of what a unit reads and writes. Source: DynamoDB developer guide, "Read
// and write capacity".
const (
	writeUnit = 1 << 10
	// ownSize is what an item of a user has beside the user and the mark, about:
	// key, tenant, version, and the names of all attributes.
	ownSize = 200
)

// userLoad is the load of a write of the user, by what is known of the item.
func (c *change) userLoad() load {
	size := c.user.Size() + len(c.mark)
	if c.base != nil {
		size = max(size, c.base.Size()+len(c.base.Mark))
	}
	return load{parts: 1, users: float64((size + ownSize + writeUnit - 1) / writeUnit)}
}

// claimLoad is the load of a write of a claim, which is a small item.
func (*change) claimLoad() load { return load{parts: 1, claims: 1} }

// transactionLoad is the load of changes in a transaction, where all costs twice.
func transactionLoad(changes []*change) load {
	var sum load
	for _, c := range changes {
		sum.add(c.userLoad())
		for _, key := range c.items()[1:] {
			sum.add(itemLoad(key))
		}
	}
	return load{sum.parts, 2 * sum.users, 2 * sum.claims}
}

// itemLoad is the load of one small item, with a key as [change.items] returns it.
func itemLoad(key any) load {
	if _, isUser := key.(Key); isUser {
		return load{parts: 1, users: 1}
	}
	return load{parts: 1, claims: 1}
}
