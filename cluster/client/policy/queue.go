package policy

// queue is a list of parked operations, first come first. It is linked through the operations, so that one whose
// caller gives up leaves at once, and parking allocates nothing.
type queue struct {
	first, last *Operation
	length      int
}

// park puts the operation last.
func park(q *queue, op *Operation) Decision {
	op.state = stateParked
	op.list, op.previous, op.next = q, q.last, nil
	if q.last == nil {
		q.first = op
	} else {
		q.last.next = op
	}
	q.last = op
	q.length++
	return Decision{Action: Park}
}

func (q *queue) remove(op *Operation) {
	if op.previous == nil {
		q.first = op.next
	} else {
		op.previous.next = op.next
	}
	if op.next == nil {
		q.last = op.previous
	} else {
		op.next.previous = op.previous
	}
	op.list, op.previous, op.next = nil, nil, nil
	q.length--
}
