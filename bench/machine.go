package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/PID/stat: USER_HZ, which is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// process is what /proc/PID/stat says.
type process struct {
	pid, parent int
	name        string
	// cpu is its own time, children the time of those that it has waited for.
	cpu, children time.Duration
}

func readProcess(pid int) (process, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	return parseProcess(pid, b)
}

// parseProcess reads proc(5)'s stat. The name stands in brackets and may hold anything.
func parseProcess(pid int, stat []byte) (process, error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("process %d: cannot read %q", pid, stat)
	}
	fields := strings.Fields(string(stat[end+1:])) // from field 3, the state
	if len(fields) < 15 {
		return process{}, fmt.Errorf("process %d: %d fields", pid, len(fields))
	}
	p := process{pid: pid, name: string(stat[open+1 : end])}
	var ticks [4]int64
	for i := range ticks {
		var err error
		if ticks[i], err = strconv.ParseInt(fields[11+i], 10, 64); err != nil {
			return process{}, err
		}
	}
	p.cpu, p.children = time.Duration(ticks[0]+ticks[1])*tick, time.Duration(ticks[2]+ticks[3])*tick
	var err error
	p.parent, err = strconv.Atoi(fields[1])
	return p, err
}

// processes are all that run now.
func processes() []process {
	paths, _ := filepath.Glob("/proc/[0-9]*")
	var all []process
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			continue
		}
		// Whoever has ended meanwhile is counted with their parent.
		if p, err := readProcess(pid); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// treeCPU is the time that processes and everything below them have used, those that have ended included.
func treeCPU(roots ...int) time.Duration {
	wanted := map[int]bool{}
	for _, pid := range roots {
		wanted[pid] = true
	}
	all := processes()
	for grew := true; grew; {
		grew = false
		for _, p := range all {
			if wanted[p.parent] && !wanted[p.pid] {
				wanted[p.pid], grew = true, true
			}
		}
	}
	var total time.Duration
	for _, p := range all {
		if wanted[p.pid] {
			total += p.cpu + p.children
		}
	}
	return total
}

// residentBytes is the memory that a process holds, and the most that it ever held.
func residentBytes(pid int) (now, peak int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kilobytes << 10
		case "VmHWM":
			peak = kilobytes << 10
		}
	}
	return now, peak, nil
}

// busy compares what the machine did with what we did. /proc/pressure cannot tell our own work from that of others,
// and ours fills the machine.
type busy struct {
	began      time.Time
	total, own time.Duration
}

func startBusy() busy {
	return busy{began: time.Now(), total: machineCPU(), own: treeCPU(os.Getpid())}
}

// foreign is the share of all processors that others used since the start.
func (b busy) foreign() float64 {
	others := (machineCPU() - b.total) - (treeCPU(os.Getpid()) - b.own)
	return max(0, others.Seconds()/(time.Since(b.began).Seconds()*float64(processors())))
}

// machineCPU is the time that all processors were at work.
func machineCPU() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseMachine(string(b))
}

// parseMachine reads the first line of proc(5)'s stat: user, nice, system, idle, iowait, irq, softirq, and what was
// stolen by other guests of the host, who are others too.
func parseMachine(stat string) time.Duration {
	first, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(first)
	var total time.Duration
	for i, field := range fields {
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		n, _ := strconv.ParseInt(field, 10, 64)
		total += time.Duration(n) * tick
	}
	return total
}

// processors counts those that are online.
func processors() int {
	b, _ := os.ReadFile("/proc/stat")
	n := 0
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "cpu") && !strings.HasPrefix(line, "cpu ") {
			n++
		}
	}
	return max(n, 1)
}
