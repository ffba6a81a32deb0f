package sim

import (
	"fmt"

	"github.com/lockstepdb/lockstep/sim/trace"
)

// raftLog passes raft's own lines to the trace. A broken invariant panics, as raft expects of its logger.
type raftLog struct{ p *process }

func (l raftLog) line(format string, v []any) {
	if l.p.w.watched() {
		l.p.w.emit(trace.Event{Kind: trace.Raft, Node: l.p.number, Text: fmt.Sprintf(format, v...)})
	}
}

func (l raftLog) Debug(v ...any)              {}
func (l raftLog) Debugf(f string, v ...any)   {}
func (l raftLog) Info(v ...any)               { l.line("%s", []any{fmt.Sprint(v...)}) }
func (l raftLog) Infof(f string, v ...any)    { l.line(f, v) }
func (l raftLog) Warning(v ...any)            { l.line("%s", []any{fmt.Sprint(v...)}) }
func (l raftLog) Warningf(f string, v ...any) { l.line(f, v) }
func (l raftLog) Error(v ...any)              { l.line("%s", []any{fmt.Sprint(v...)}) }
func (l raftLog) Errorf(f string, v ...any)   { l.line(f, v) }

func (l raftLog) Fatal(v ...any)            { panic("raft: " + fmt.Sprint(v...)) }
func (l raftLog) Fatalf(f string, v ...any) { panic("raft: " + fmt.Sprintf(f, v...)) }
func (l raftLog) Panic(v ...any)            { panic("raft: " + fmt.Sprint(v...)) }
func (l raftLog) Panicf(f string, v ...any) { panic("raft: " + fmt.Sprintf(f, v...)) }
