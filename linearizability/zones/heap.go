package zones

// heap is a binary heap of blocks: the one of smallest rank comes first, of equal ranks the smaller.
type heap []int32

func less(x, y int32, ranks []uint64) bool {
	return ranks[x] < ranks[y] || ranks[x] == ranks[y] && x < y
}

func (h *heap) push(b int32, ranks []uint64) {
	*h = append(*h, b)
	at := *h
	for i := len(at) - 1; i > 0; {
		parent := (i - 1) / 2
		if !less(at[i], at[parent], ranks) {
			return
		}
		at[i], at[parent] = at[parent], at[i]
		i = parent
	}
}

func (h *heap) pop(ranks []uint64) int32 {
	at := *h
	top, end := at[0], len(at)-1
	at[0] = at[end]
	at = at[:end]
	*h = at
	for i := 0; ; {
		child := 2*i + 1
		if child >= end {
			return top
		}
		if child+1 < end && less(at[child+1], at[child], ranks) {
			child++
		}
		if !less(at[child], at[i], ranks) {
			return top
		}
		at[i], at[child] = at[child], at[i]
		i = child
	}
}
