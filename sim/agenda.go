package sim

// task is something that happens at a moment. Which fields count depends on what it does.
type task struct {
	at   int64
	seq  uint64 // breaks ties in the order of scheduling
	does func(*World, *task)
	// a and b are numbers for it, and it is something for it: a closure would cost an allocation for each task.
	a, b uint64
	it   any
}

// agenda is what will happen, the next first: a heap of four children a node, which is flatter and so kinder to the cache
// than one of two.
type agenda struct {
	tasks []task
	seq   uint64
}

func (t *task) before(o *task) bool { return t.at < o.at || t.at == o.at && t.seq < o.seq }

// add schedules a task.
func (a *agenda) add(t task) {
	a.seq++
	t.seq = a.seq
	a.tasks = append(a.tasks, t)
	i := len(a.tasks) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !t.before(&a.tasks[parent]) {
			break
		}
		a.tasks[i] = a.tasks[parent]
		i = parent
	}
	a.tasks[i] = t
}

// take removes the next task; false when there is none.
func (a *agenda) take() (task, bool) {
	if len(a.tasks) == 0 {
		return task{}, false
	}
	first := a.tasks[0]
	last := len(a.tasks) - 1
	t := a.tasks[last]
	a.tasks[last] = task{}
	a.tasks = a.tasks[:last]
	if last > 0 {
		a.sink(t)
	}
	return first, true
}

// sink puts t, which replaces the first, into its place.
func (a *agenda) sink(t task) {
	i := 0
	for {
		least := -1
		for c := 4*i + 1; c < min(4*i+5, len(a.tasks)); c++ {
			if least < 0 || a.tasks[c].before(&a.tasks[least]) {
				least = c
			}
		}
		if least < 0 || !a.tasks[least].before(&t) {
			break
		}
		a.tasks[i] = a.tasks[least]
		i = least
	}
	a.tasks[i] = t
}
