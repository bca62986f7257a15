package simulation

import "time"

// crash kills a node with everything that it was doing.
func (w *World) crash(n *node) {
	w.trace.add(n.name, "! dies")
	w.reached["trouble: node dies"]++
	n.engine = nil
	w.sched.kill(func(t *task) bool { return t.node == n })
}

// clearUp ends the bad weather, and brings back who is dead or missing, some time.
func (w *World) clearUp() {
	for _, n := range w.nodes {
		if n.engine == nil && w.choose.chance(10) {
			w.boot(n)
		}
	}
	if len(w.people.missing) > 0 && w.choose.chance(10) {
		clear(w.people.missing)
		w.trace.add("directory", "everybody is back")
	}
	if (w.targetDown || w.storeDown || w.blind || w.locked) && w.choose.chance(10) {
		w.fairWeather()
	}
}

func (w *World) fairWeather() {
	w.trace.add("weather", "is fair")
	w.targetDown, w.storeDown, w.blind, w.locked = false, false, false, false
	w.target.SetBlind(false)
	w.target.LockObjects(false)
}

// changeWeather takes something down.
func (w *World) changeWeather() {
	var what string
	switch w.choose.pick(4) {
	case 0:
		what = "the target is down"
		w.targetDown = true
	case 1:
		what = "the observer is blind"
		w.blind = true
	case 2:
		what = "what users made is locked"
		w.locked = true
	default:
		what = "the store is down"
		w.storeDown = true
	}
	w.target.SetBlind(w.blind)
	w.target.LockObjects(w.locked)
	w.trace.add("weather", "%s", what)
	w.reached["weather: "+what]++
}

// jump sets a clock. The target's stays within what the engine bears, or goes ahead, by which access ends earlier; the
// store's is set back, and stands still until it has caught up; a node's idea of the store's is a second old.
func (w *World) jump(n *node) {
	signed := func(limit time.Duration) time.Duration {
		return time.Duration(w.choose.pick(int(2*limit/time.Millisecond)))*time.Millisecond - limit
	}
	switch w.choose.among(6, 1, 2, 3) {
	case 0:
		w.targetClock.off = signed(maxSkew)
		w.trace.add("clocks", "the target is off by %s", w.targetClock.off)
	case 1:
		w.targetClock.off = 2 * time.Hour
		w.trace.add("clocks", "the target is off by %s", w.targetClock.off)
	case 2:
		back := time.Duration(w.choose.pick(600)) * time.Second
		w.storeClock.off -= back
		w.reached["clock set back"]++
		w.trace.add("clocks", "the store's is set back by %s", back)
	default:
		n.off = signed(time.Second)
		w.trace.add("clocks", "that of %s is off by %s", n.name, n.off)
	}
}

// leave takes somebody out of the directory.
func (w *World) leave() {
	who := one(w.choose, leavers())
	w.people.missing[id(who)] = true
	w.trace.add("directory", "%s is missing", who)
}
