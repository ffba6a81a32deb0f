package sim

import "fmt"

// task is something that happens at a moment. Which fields count depends on what it does.
type task struct {
	moment
	does func(*World, *task)
	// a and b are numbers for it, and it is something for it: a closure would cost an allocation for each task.
	a, b uint64
	it   any
	next uint64 // place of the next one in a list of distant tasks, plus 1; 0 ends it
}

// moment is when a task happens.
type moment struct {
	at int64
	// order is the task's number, which breaks ties in the order of scheduling, and below it the place of the task.
	order uint64
}

// agenda is what will happen. The tasks lie in places where they stay. Those of the near future are in a heap of their moments:
// what moves within it is small and holds no pointer, which would have to be told to the garbage collector at every move. The
// distant ones, most of them deadlines that are over by then, wait in lists, one for each slice of time, so that the heap stays
// small.
//
// Invariant: what happens up to the end of slice past is in the heap. The heap may hold more than that.
type agenda struct {
	heap    []moment // four children a node: flatter and so kinder to the cache than two
	distant []uint64 // by slice: place of the first task in its list, plus 1; 0 for none
	past    int64
	tasks   []task
	free    []uint64 // places without a task
	count   uint64   // tasks so far
}

const (
	// placeBits bounds how many tasks wait at once; 40 bits are left for their numbers.
	placeBits = 24
	// sliceBits makes a slice 8.4 ms long.
	sliceBits = 23
	// slicesMax bounds the lists. What happens after 2.4 hours is in the heap.
	slicesMax = 1 << 20
)

func (m moment) before(o moment) bool { return m.at < o.at || m.at == o.at && m.order < o.order }

func (m moment) place() uint64 { return m.order & (1<<placeBits - 1) }

func (m moment) slice() int64 { return m.at >> sliceBits }

// add schedules a task.
func (a *agenda) add(t task) {
	place := a.room()
	a.count++
	t.order = a.count<<placeBits | place
	if s := t.slice(); s > a.past && s < slicesMax {
		for int64(len(a.distant)) <= s {
			a.distant = append(a.distant, 0)
		}
		t.next, a.distant[s] = a.distant[s], place+1
	} else {
		a.push(t.moment)
	}
	a.tasks[place] = t
}

// room finds a place for a task.
func (a *agenda) room() uint64 {
	if last := len(a.free) - 1; last >= 0 {
		place := a.free[last]
		a.free = a.free[:last]
		return place
	}
	if len(a.tasks) == 1<<placeBits {
		panic(fmt.Sprintf("sim: %d tasks wait at once", len(a.tasks)))
	}
	a.tasks = append(a.tasks, task{})
	return uint64(len(a.tasks) - 1)
}

// take removes the next task and puts it into t; false when there is none.
func (a *agenda) take(t *task) bool {
	a.approach()
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

// approach moves distant tasks into the heap until the first one there is the next of all.
func (a *agenda) approach() {
	for a.past+1 < int64(len(a.distant)) && (len(a.heap) == 0 || a.heap[0].slice() > a.past) {
		a.past++
		for next := a.distant[a.past]; next != 0; {
			t := &a.tasks[next-1]
			a.push(t.moment)
			next = t.next
		}
	}
}

// push puts a moment into the heap.
func (a *agenda) push(m moment) {
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
