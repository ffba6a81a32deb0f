package sim

import "fmt"

// task is something that happens at a moment. Which fields count depends on what it does.
type task struct {
	at   int64
	does func(*World, *task)
	// a and b are numbers for it, and it is something for it: a closure would cost an allocation for each task.
	a, b uint64
	it   any
}

// agenda is what will happen. The tasks lie in places where they stay, and a heap of their moments has the next first: what moves
// within it is small and holds no pointer, which would have to be told to the garbage collector at every move. The heap has four
// children a node, which is flatter and so kinder to the cache than two.
type agenda struct {
	heap  []moment
	tasks []task
	free  []uint64 // places without a task
	count uint64   // tasks so far
}

// moment is when a task happens.
type moment struct {
	at int64
	// order is the task's number, which breaks ties in the order of scheduling, and below it the place of the task.
	order uint64
}

// placeBits bounds how many tasks wait at once; 40 bits are left for their numbers.
const placeBits = 24

func (m moment) before(o moment) bool { return m.at < o.at || m.at == o.at && m.order < o.order }

func (m moment) place() uint64 { return m.order & (1<<placeBits - 1) }

// add schedules a task.
func (a *agenda) add(t task) {
	a.count++
	m := moment{at: t.at, order: a.count<<placeBits | a.settle(t)}
	a.heap = append(a.heap, m)
	i := len(a.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !m.before(a.heap[parent]) {
			break
		}
		a.heap[i] = a.heap[parent]
		i = parent
	}
	a.heap[i] = m
}

// settle finds a place for a task.
func (a *agenda) settle(t task) uint64 {
	if last := len(a.free) - 1; last >= 0 {
		place := a.free[last]
		a.free = a.free[:last]
		a.tasks[place] = t
		return place
	}
	if len(a.tasks) == 1<<placeBits {
		panic(fmt.Sprintf("sim: %d tasks wait at once", len(a.tasks)))
	}
	a.tasks = append(a.tasks, t)
	return uint64(len(a.tasks) - 1)
}

// take removes the next task and puts it into t; false when there is none.
func (a *agenda) take(t *task) bool {
	last := len(a.heap) - 1
	if last < 0 {
		return false
	}
	place := a.heap[0].place()
	*t = a.tasks[place]
	a.tasks[place].it = nil // what it is about need not live on
	a.free = append(a.free, place)
	m := a.heap[last]
	a.heap = a.heap[:last]
	if last > 0 {
		a.sink(m)
	}
	return true
}

// sink puts m, which replaces the first, into its place.
func (a *agenda) sink(m moment) {
	heap := a.heap
	i := 0
	for {
		c := 4*i + 1
		if c >= len(heap) {
			break
		}
		least, next := c, heap[c]
		for c++; c < min(4*i+5, len(heap)); c++ {
			if heap[c].before(next) {
				least, next = c, heap[c]
			}
		}
		if !next.before(m) {
			break
		}
		heap[i] = next
		i = least
	}
	heap[i] = m
}
