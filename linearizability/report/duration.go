package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// clock writes times relative to the start of a history, all in one unit and with as many decimals as it takes to compare them:
// the last digit is a tenth of the smallest difference, or finer.
type clock struct {
	start    int64
	unit     string
	per      int64 // nanoseconds in a unit
	decimals int
	untimed  bool // the times are places in a record
}

var units = []struct {
	name string
	per  int64
}{{"ns", 1}, {"µs", 1_000}, {"ms", 1_000_000}}

// largestInUnit is the number from which on the next larger unit reads better.
const largestInUnit = 10_000

// clockFor returns the clock for the times of operations.
func clockFor(start int64, untimed bool, ops []*history.Operation) clock {
	if untimed {
		return clock{start: start, per: 1, untimed: true}
	}
	var times []int64
	largest := int64(0)
	for _, o := range ops {
		times = append(times, since(o.Invoke, start))
		if o.Return != history.Forever {
			times = append(times, since(o.Return, start))
		}
	}
	for _, t := range times {
		largest = max(largest, t, -t)
	}
	c := clock{start: start, unit: units[0].name, per: 1}
	for _, u := range units[1:] {
		if largest >= c.per*largestInUnit {
			c.unit, c.per = u.name, u.per
		}
	}
	for least := difference(times); c.decimals < c.decimalsMax() && c.last() > least/10; {
		c.decimals++
	}
	return c
}

// decimalsMax is how many decimals show the last nanosecond.
func (c clock) decimalsMax() int { return len(strconv.FormatInt(c.per, 10)) - 1 }

// last returns what the last digit is worth, in nanoseconds.
func (c clock) last() int64 {
	last := c.per
	for range c.decimals {
		last /= 10
	}
	return last
}

// difference returns the smallest difference of two of the times that is not 0.
func difference(times []int64) int64 {
	sorted := slices.Clone(times)
	slices.Sort(sorted)
	least := int64(math.MaxInt64)
	for i := 1; i < len(sorted); i++ {
		if d := since(sorted[i], sorted[i-1]); d > 0 {
			least = min(least, d)
		}
	}
	return least
}

// number returns a relative time without its unit. It cuts rather than rounds, so that the order of times is kept.
func (c clock) number(t int64) string {
	sign := ""
	whole, rest := t/c.per, t%c.per
	if t < 0 {
		sign, whole, rest = "-", -whole, -rest
	}
	text := sign + thousands(whole)
	if c.decimals > 0 {
		text += "." + fmt.Sprintf("%0*d", c.decimalsMax(), rest)[:c.decimals]
	}
	return text
}

// text returns a time with its unit, or a place as "#4"; "never" for one that did not come.
func (c clock) text(t int64) string {
	switch {
	case t == history.Forever:
		return "never"
	case c.untimed:
		return "#" + c.number(since(t, c.start))
	}
	return c.number(since(t, c.start)) + " " + c.unit
}

// since returns t - start, held within the range of an int64.
func since(t, start int64) int64 {
	d := t - start
	switch {
	case start < 0 && t > math.MaxInt64+start:
		return math.MaxInt64
	case start > 0 && t < math.MinInt64+start:
		return math.MinInt64
	}
	return d
}

// took returns how long something took, to three digits: "812 ns", "12.3 ms", "4 min 10 s"; 0 was not measured.
func took(nanoseconds int64) string {
	if nanoseconds <= 0 {
		return "not measured"
	}
	if nanoseconds >= 60e9 {
		s := nanoseconds / 1e9
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	value, unit := float64(nanoseconds), "ns"
	for _, next := range []string{"µs", "ms", "s"} {
		if value < 999.5 {
			break
		}
		value, unit = value/1000, next
	}
	text := strconv.FormatFloat(value, 'g', 3, 64)
	if strings.Contains(text, "e") {
		text = strconv.FormatFloat(value, 'f', 0, 64)
	}
	return text + " " + unit
}
