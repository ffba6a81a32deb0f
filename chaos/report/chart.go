package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/lockstepdb/lockstep/chaos/faults"
	"github.com/lockstepdb/lockstep/chaos/run"
	"github.com/lockstepdb/lockstep/chaos/workload"
)

// The chart, in units of its own; the page scales it.
const (
	chartWidth  = 1260
	chartLeft   = 56
	chartRight  = 10
	plotHeight  = 150
	plotGap     = 34
	laneHeight  = 15
	lanesMax    = 8
	pointsMax   = 900
	ticks       = 12
	latencyLow  = 0.1 // ms
	latencyHigh = 10_000
)

// drawing is an SVG in the making. y is where the next part begins.
type drawing struct {
	strings.Builder
	r      *run.Result
	length time.Duration
	y      float64
}

// chart draws everything over one axis of time.
func chart(r *run.Result) template.HTML {
	d := &drawing{r: r, length: max(r.Length, workload.Step), y: 18}
	top := d.y
	d.throughput()
	d.latency()
	d.shades(top, d.y-plotGap)
	d.faults()
	d.leaders()
	d.gaps()
	d.axis(top)
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %d %.0f" role="img" aria-label="throughput, latency, faults, leaders and windows without a write over time">%s</svg>`,
		chartWidth, d.y+20, d.String()))
}

// x is where a time is drawn.
func (d *drawing) x(at time.Duration) float64 {
	share := max(0, min(1, at.Seconds()/d.length.Seconds()))
	return chartLeft + share*(chartWidth-chartLeft-chartRight)
}

func (d *drawing) text(class string, x, y float64, anchor, text string) {
	fmt.Fprintf(d, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, class, x, y, anchor, html.EscapeString(text))
}

func (d *drawing) line(y float64, label string) {
	fmt.Fprintf(d, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, chartLeft, chartWidth-chartRight, y, y)
	d.text("", chartLeft-6, y+4, "end", label)
}

// merged are the buckets, several in one where there are many; each then stands for step.
func merged(all []workload.Bucket) (few []workload.Bucket, step time.Duration) {
	per := max(1, (len(all)+pointsMax-1)/pointsMax)
	for i := 0; i < len(all); i += per {
		var b workload.Bucket
		for _, one := range all[i:min(i+per, len(all))] {
			b.Merge(&one)
		}
		few = append(few, b)
	}
	return few, time.Duration(per) * workload.Step
}

// curve draws one value for each bucket; below 0 there is none.
func (d *drawing) curve(class string, buckets []workload.Bucket, step time.Duration, y func(*workload.Bucket) float64) {
	var path strings.Builder
	pen := "M"
	for i := range buckets {
		v := y(&buckets[i])
		if v < 0 {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", pen, d.x(time.Duration(i)*step+step/2), v)
		pen = "L"
	}
	fmt.Fprintf(d, `<path class="%s" d="%s"/>`, class, path.String())
}

func (d *drawing) throughput() {
	buckets, step := merged(d.r.Load.Buckets)
	highest := 1.0
	for _, b := range buckets {
		highest = max(highest, float64(b.Acknowledged())/step.Seconds())
	}
	highest = round(highest)
	d.text("title", chartLeft, d.y-6, "start", "operations a second")
	place := func(n int) float64 { return d.y + plotHeight*(1-float64(n)/step.Seconds()/highest) }
	for i := range 5 {
		d.line(d.y+plotHeight*(1-float64(i)/4), grouped(int(highest*float64(i)/4)))
	}
	d.curve("open", buckets, step, func(b *workload.Bucket) float64 { return max(d.y, place(b.Refused+b.Unknown)) })
	d.curve("done", buckets, step, func(b *workload.Bucket) float64 { return place(b.Acknowledged()) })
	d.y += plotHeight + plotGap
}

// round goes up to the next 1, 2 or 5 and zeros.
func round(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if v <= m*power {
			return m * power
		}
	}
	return v
}

func (d *drawing) latency() {
	buckets, step := merged(d.r.Load.Buckets)
	d.text("title", chartLeft, d.y-6, "start", "latency of acknowledged operations")
	place := func(t time.Duration) float64 {
		if t == 0 {
			return -1
		}
		ms := max(latencyLow, min(latencyHigh, t.Seconds()*1000))
		return d.y + plotHeight*(1-math.Log10(ms/latencyLow)/math.Log10(latencyHigh/latencyLow))
	}
	for _, t := range []time.Duration{100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second} {
		d.line(place(t), t.String())
	}
	for class, q := range map[string]float64{"p50": .5, "p99": .99} {
		d.curve(class, buckets, step, func(b *workload.Bucket) float64 { return place(b.Latencies.Quantile(q)) })
	}
	d.y += plotHeight + plotGap
}

// during is when a fault was there.
func (d *drawing) during(i *faults.Injected) (x, width float64) {
	from := d.x(d.r.FaultsAt + i.From)
	return from, max(2, d.x(d.r.FaultsAt+i.To)-from)
}

// shades lay each fault behind the curves.
func (d *drawing) shades(top, bottom float64) {
	for _, i := range d.drawn() {
		x, width := d.during(i)
		fmt.Fprintf(d, `<rect class="shade" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, x, top, width, bottom-top)
	}
}

// drawn are the faults that were carried out, as many as the page shows.
func (d *drawing) drawn() []*faults.Injected {
	var all []*faults.Injected
	for _, i := range d.r.Faults {
		if i.NotRun == "" && len(all) < faultsMax {
			all = append(all, i)
		}
	}
	return all
}

// faults draws each fault as a band with its name, in the first lane that has room for it.
func (d *drawing) faults() {
	d.text("title", chartLeft, d.y-6, "start", "faults")
	var ends [lanesMax]float64
	used := 1
	for _, i := range d.drawn() {
		x, width := d.during(i)
		label := i.Text()
		lane := 0
		for lane < lanesMax-1 && ends[lane] > x {
			lane++
		}
		ends[lane] = x + max(width, float64(len(label))*5.2+6)
		used = max(used, lane+1)
		class := "fault"
		if i.Err != nil {
			class = "fault bad"
		}
		y := d.y + float64(lane*laneHeight)
		fmt.Fprintf(d, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%d"><title>%s, %s to %s</title></rect>`, class, x, y, width, laneHeight-3,
			html.EscapeString(label), seconds(d.r.FaultsAt+i.From), seconds(d.r.FaultsAt+i.To))
		d.text("lane", x+3, y+laneHeight-6, "start", label)
	}
	d.y += float64(used*laneHeight) + plotGap
}

func (d *drawing) leaders() {
	d.text("title", chartLeft, d.y-6, "start", "leader")
	for _, s := range d.r.Leaders {
		x := d.x(s.From)
		width := max(1, d.x(s.To)-x)
		fmt.Fprintf(d, `<rect class="n%d" x="%.1f" y="%.1f" width="%.1f" height="%d"><title>n%d leads, %s to %s</title></rect>`, (s.Node-1)%7, x, d.y, width, laneHeight-3,
			s.Node, seconds(s.From), seconds(s.To))
		d.text("lane", x+2, d.y+laneHeight+8, "start", fmt.Sprintf("n%d", s.Node))
	}
	d.y += 2*laneHeight + plotGap
}

func (d *drawing) gaps() {
	d.text("title", chartLeft, d.y-6, "start", "no acknowledged write")
	for _, g := range d.r.Load.Gaps {
		x := d.x(g.From)
		fmt.Fprintf(d, `<rect class="none" x="%.1f" y="%.1f" width="%.1f" height="%d"><title>%s without an acknowledged write, from %s</title></rect>`, x, d.y,
			max(1, d.x(g.To)-x), laneHeight-3, span(g.Length()), seconds(g.From))
	}
	d.y += laneHeight + 8
}

// axis writes the seconds below everything.
func (d *drawing) axis(top float64) {
	step := round(d.length.Seconds() / ticks)
	for s := 0.0; s <= d.length.Seconds(); s += step {
		x := d.x(time.Duration(s * float64(time.Second)))
		fmt.Fprintf(d, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x, x, top, d.y)
		d.text("", x, d.y+14, "middle", fmt.Sprintf("%g s", s))
	}
}
