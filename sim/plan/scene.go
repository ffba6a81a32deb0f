package plan

// scene is a stretch of a life on which faults and operations concentrate. What takes several of them within the time of an election
// would next to never come together by itself.
type scene struct {
	at, length Duration
	node       int  // whom reads are asked of; 0: those who lead, or believe to
	old        bool // nearly all operations are reads, and asked of who may not lead any more
}

// scenes draws them in half of the lives, of two sorts in each.
func (d *draw) scenes() {
	if d.Below(2) == 0 {
		return
	}
	all := []func(at, election Duration){d.handover, d.deposition, d.absence, d.wavering, d.succession, d.slowReader}
	a, b := all[d.Below(len(all))], all[d.Below(len(all))]
	if d.p.Node.LeaseReads && d.Below(2) == 0 {
		a = d.lapse
	}
	election := d.p.Node.Tick * Duration(d.p.Node.ElectionTicks)
	for range 2 + d.Below(5) {
		one(d, a, b)(d.time(3*second, d.p.Safety-10*second), election)
	}
	d.p.Clients.Count, d.p.Clients.Pipeline = one(d, 8, 16), one(d, 2, 4, 8)
}

// trouble adds a fault that is part of a scene.
func (d *draw) trouble(f Fault) {
	f.At = max(0, min(f.At, d.p.Safety-second))
	d.p.Faults = append(d.p.Faults, f)
}

// play adds a scene of operations.
func (d *draw) play(at, length Duration, node int) {
	d.stage = append(d.stage, scene{at: at, length: length, node: node})
}

// handover transfers the leadership while the leader hears nobody, or nobody hears it: it does not learn of its successor.
func (d *draw) handover(at, election Duration) {
	d.transfers = append(d.transfers, at)
	d.trouble(Fault{At: at + d.time(-30*milli, 30*milli), For: d.time(election/2, 3*election), Do: one(d, Deaf, Deaf, Isolate, OneWay), Node: Leader})
	d.play(at-election/2, 2*election, 0)
}

// deposition cuts a leader off until another one leads. That its clock is slow has it believe in itself for longer.
func (d *draw) deposition(at, election Duration) {
	if d.Below(2) == 0 {
		d.trouble(Fault{At: at - election, For: 4 * election, Do: Drift, Node: Leader, PPM: -120_000})
	}
	if d.Below(3) == 0 {
		d.trouble(Fault{At: at - election, For: d.time(election, 3*election), Do: Slow, Node: Leader, Latency: d.time(milli, election/2)})
	}
	d.trouble(Fault{At: at, For: d.time(election, 6*election), Do: one(d, Isolate, Isolate, Deaf, Deaf, OneWay, Clog), Node: Leader})
	d.play(at-one(d, election/4, 20*milli), one[Duration](d, 2, 2, 4)*election, 0)
}

// lapse cuts a leader off that has just got a lease: by its slow clock that is long valid when by the others' fast ones it is time to elect another.
func (d *draw) lapse(at, election Duration) {
	for n := 1; n <= d.p.Nodes; n++ {
		d.trouble(Fault{At: at - election, For: 3 * election, Do: Drift, Node: Number(n), PPM: 60_000})
	}
	d.trouble(Fault{At: at - election, For: 3 * election, Do: Drift, Node: Leader, PPM: -120_000})
	d.trouble(Fault{At: at, For: 2 * election, Do: one(d, Isolate, Isolate, Deaf), Node: Leader})
	d.stage = append(d.stage, scene{at: at - d.time(0, 60*milli), length: election + election/4, old: true})
}

// absence has a leader stand still, so that it answers what it was asked meanwhile without having heard anything.
func (d *draw) absence(at, election Duration) {
	length := d.time(election/2, 3*election)
	d.trouble(Fault{At: at, For: length, Do: Pause, Node: Leader})
	d.trouble(Fault{At: at, For: length + d.time(0, election), Do: one(d, Isolate, Deaf), Node: Leader})
	d.play(at-election/4, length+election/2, 0)
}

// wavering has a node hear nothing of the leader, though its peers do, while these restart: it campaigns, and whoever forgets what it
// told the leader votes for it.
func (d *draw) wavering(at, election Duration) {
	d.trouble(Fault{At: at, For: 6 * election, Do: OneWay, Node: Leader, Peer: Number(1 + d.Below(d.p.Nodes))})
	for range 2 + d.Below(4) {
		d.trouble(Fault{At: at + election + d.time(0, 4*election), For: d.time(0, election/4), Do: Crash, Node: Follower})
	}
	d.play(at+election, 5*election, 0)
}

// succession strikes leader after leader, each before it has done its work.
func (d *draw) succession(at, election Duration) {
	when := at
	for range 3 + d.Below(6) {
		f := Fault{At: when, For: d.time(0, 3*election), Do: one(d, Crash, Crash, Isolate, OneWay, CrashAt), Node: one(d, Leader, Leader, Rising)}
		if f.Do == CrashAt {
			f.Op, f.Nth = OpPersisted, 1+d.Below(3)
		}
		d.trouble(f)
		when += d.time(election/4, 2*election)
	}
	d.play(at-election/4, when-at, 0)
}

// slowReader has a node's questions take longer than what others write.
func (d *draw) slowReader(at, election Duration) {
	n, length := 1+d.Below(d.p.Nodes), d.time(election, 6*election)
	f := Fault{At: at, For: length, Do: one(d, Slow, Clog, Lose, DiskSlow), Node: Number(n)}
	switch f.Do {
	case Slow, DiskSlow:
		f.Latency = d.time(milli, election/2)
	case Lose:
		f.Message, f.PPM, f.Node = one(d, "MsgReadIndex", "MsgReadIndexResp"), 500_000, ""
	}
	d.trouble(f)
	d.play(at, length, n)
}

// enact has an operation come in a scene.
func (d *draw) enact(o *Operation) {
	s := &d.stage[d.Below(len(d.stage))]
	o.At = min(s.at+d.time(0, s.length), d.p.Safety)
	switch {
	case s.old && d.Below(8) > 0:
		o.Do, o.Node, o.Target = GetFollower, 0, Deposed
	case !o.Do.reads():
		o.Target = one(d, "", Leader)
	case s.node > 0 && d.Below(4) > 0:
		o.Do, o.Node = GetFollower, s.node
	case s.node == 0 && d.Below(3) > 0:
		o.Do, o.Node, o.Target = GetFollower, 0, one(d, Deposed, Deposed, Leader)
	}
}

// clocks has all of them run at rates of their own, or all too fast: what slows one of them down takes it far from the others.
func (d *draw) clocks() {
	if d.Below(6) > 0 && (!d.p.Node.LeaseReads || d.Below(2) == 0) {
		return
	}
	least := one(d, -60_000, 60_000)
	for n := 1; n <= d.p.Nodes; n++ {
		d.trouble(Fault{At: 0, For: d.p.Safety, Do: Drift, Node: Number(n), PPM: one(d, least, 60_000, max(least, -20_000), max(least, 20_000))})
	}
}
