package interleave

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkops/bulkops/bulk"
)

// A run is one execution of a scenario under a schedule.
//
// The default schedule lets one actor run alone: each of its calls takes effect
// and is answered. Everything else is a deviation: an option beyond the first at
// one of the steps. An answer that is held back while others go on is a deviation
// only where its actor has another call under way: otherwise nobody could tell it
// from a pause before the actor's next call.
type run struct {
	*world
	actors  []*actor
	running sync.WaitGroup
	current *actor
	waiting []*call // at the gate, or landed and not answered
	flying  []part  // effects that nobody waits for any more and that may still land
	step    int
	idle    int // quanta that went by with nothing to do
	trace   []string
	doubt   bool // a call's outcome was unknown to its caller
	faults  int
	mayFail bool // the job has a reason to fail
	givenUp bool // calls failed so often that rows were given up in doubt
}

// An option is what may happen next.
type option struct {
	label string
	do    func()
}

// A chooser picks an option, of which the first is the default.
type chooser func(step int, options []option) int

const (
	// maxActors is how many actors share a run. If all end early there are more.
	maxActors = 3
	// gathering is how long a worker lets results gather before it saves them. Each step
	// takes as long, so that there is a checkpoint wherever there is something to save.
	gathering = time.Second
	// quantum is how time passes, where everybody waits for it. It is longer than
	// any backoff, so that the jitter of backoffs changes nothing.
	quantum = 200 * gathering
	// maxSteps is how many steps a run may have, and maxRowSteps how many more for
	// each row.
	maxSteps    = 300
	maxRowSteps = 40
)

// A report is what a run came to.
type report struct {
	trace  []string
	points []point // the options beyond the default, by step
	fault  string  // the rule that was broken, and how
}

type point []string

// perform runs the scenario under a schedule.
func perform(t *testing.T, s *scenario, set setting, choose chooser) (rep report) {
	t.Helper()
	script(t, s, set, func(r *run) {
		rep.points, rep.fault = r.finish(choose)
		rep.trace = r.trace
	})
	return rep
}

// script makes a run, with its first actor started, for play to direct.
func script(t *testing.T, s *scenario, set setting, play func(r *run)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		r := &run{world: newWorld(s, set)}
		defer r.close()
		r.start()
		play(r)
	})
}

// advance follows the default schedule to the first call that stop selects, which
// is then at the gate. It reports false if the run ends without one.
func (r *run) advance(stop func(c *call) bool) (*call, bool) {
	for ; ; r.step++ {
		r.settle()
		options := r.options()
		if len(options) == 0 || r.endless() {
			return nil, false
		}
		if calls := r.of(r.current); len(calls) > 0 && !calls[0].landed && stop(calls[0]) {
			return calls[0], true
		}
		r.trace = append(r.trace, options[0].label)
		options[0].do()
	}
}

// kill ends an actor as the loss of its process does: what it has not sent is
// never sent, and no answer reaches it.
func (r *run) kill(a *actor) {
	r.trace = append(r.trace, a.name+" is killed")
	a.killed = true
	r.doubt = true
}

// note adds what the script itself did to the schedule.
func (r *run) note(format string, args ...any) {
	r.trace = append(r.trace, fmt.Sprintf(format, args...))
}

// finish plays the run to its end and judges it.
func (r *run) finish(choose chooser) (points []point, fault string) {
	points, fault = r.play(choose)
	if fault == "" {
		fault = cmp.Or(r.broken, r.judge())
	}
	if fault != "" {
		fault += "\n" + r.account()
	}
	return points, fault
}

// close ends all actors and waits for them.
func (r *run) close() {
	close(r.over)
	for _, a := range r.actors {
		a.stop()
	}
	r.running.Wait()
}

// start lets another actor begin.
func (r *run) start() *actor {
	n := len(r.actors) + 1
	ctx, stop := context.WithCancel(context.Background())
	a := &actor{w: r.world, name: fmt.Sprintf("w%d", n), number: n, stop: stop}
	r.actors = append(r.actors, a)
	r.current = a
	r.running.Go(func() {
		err := r.work(ctx, a)
		r.mu.Lock()
		defer r.mu.Unlock()
		a.ended, a.err = true, err
	})
	return a
}

// work is an actor's life.
func (r *run) work(ctx context.Context, a *actor) error {
	if r.setting.keyed {
		return r.request(ctx, a)
	}
	if r.setting.work != nil {
		return r.setting.work(ctx, r, a)
	}
	worker, err := bulk.NewWorker(r.config(a))
	must(err)
	return worker.RunJob(ctx, r.jobID)
}

// play takes options until nothing more can happen.
func (r *run) play(choose chooser) (points []point, fault string) {
	for ; ; r.step++ {
		r.settle()
		if r.broken != "" {
			return points, r.broken
		}
		options := r.options()
		if len(options) == 0 {
			return points, ""
		}
		if r.endless() {
			return points, "the job does not come to its end"
		}
		labels := make(point, 0, len(options)-1)
		for _, o := range options[1:] {
			labels = append(labels, o.label)
		}
		points = append(points, labels)
		chosen := options[choose(r.step, options)]
		r.trace = append(r.trace, chosen.label)
		chosen.do()
	}
}

// endless reports whether the run has no end.
func (r *run) endless() bool {
	return r.step > maxSteps+maxRowSteps*len(r.scenario.rows) || r.idle > 100
}

// settle waits until all actors wait, and notes the calls that came.
func (r *run) settle() {
	synctest.Wait()
	time.Sleep(gathering)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	came := r.arrived
	r.arrived = nil
	slices.SortStableFunc(came, func(c, d *call) int {
		return cmp.Or(cmp.Compare(c.actor.number, d.actor.number), strings.Compare(c.label, d.label))
	})
	r.waiting = slices.DeleteFunc(append(r.waiting, came...), func(c *call) bool {
		switch {
		case c.resolved, c.actor.killed:
			return true
		case c.left:
			r.doubt = r.doubt || c.writes
			r.launch(c)
			return true
		}
		return false
	})
	if len(came) > 0 {
		r.idle = 0
	}
}

// launch keeps the effects of a call that its caller has given up.
func (r *run) launch(c *call) {
	switch {
	case !c.writes || c.landed:
	case len(c.parts) > 0:
		for _, p := range c.parts {
			r.flying = append(r.flying, part{c.actor.name + " " + p.label, p.on, p.land})
		}
	default:
		r.flying = append(r.flying, part{c.actor.name + " " + c.label, c.on, func() error { _, err := c.effect(); return err }})
	}
}

// of returns the calls of an actor.
func (r *run) of(a *actor) []*call {
	var calls []*call
	for _, c := range r.waiting {
		if c.actor == a {
			calls = append(calls, c)
		}
	}
	return calls
}

func (r *run) alive(a *actor) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !a.ended && !a.killed
}

// options returns what may happen next, the default first. There are none when
// the run is over.
func (r *run) options() []option {
	if !r.alive(r.current) {
		r.next()
	}
	var options []option
	calls := r.of(r.current)
	switch {
	case len(calls) > 0:
		options = r.callOptions(calls)
	case r.alive(r.current):
		options = append(options, option{"time passes", func() { r.idle++; time.Sleep(quantum) }})
		if r.idle > 20 && r.next() { // it waits for another actor's lease, say
			return r.options()
		}
	case r.endedAs == "":
		options = append(options, option{fmt.Sprintf("w%d begins", len(r.actors)+1), func() {
			// What it had written down and did not send is in doubt too.
			r.doubt = r.doubt || errors.Is(r.current.err, bulk.ErrLeaseLost)
			r.await()
			r.start()
		}})
	case len(r.flying) > 0:
		options = append(options, r.landing(0))
	default:
		return nil
	}
	on := everything
	if len(calls) > 0 {
		on = calls[0].on
	}
	return append(options, r.eventOptions(options[0].label, on)...)
}

// next makes another actor that is alive the current one.
func (r *run) next() bool {
	for _, a := range r.actors {
		if a != r.current && r.alive(a) {
			r.current = a
			r.idle = 0
			return true
		}
	}
	return false
}

// await lets the time pass until the job can be claimed.
func (r *run) await() {
	if !r.setting.keyed {
		time.Sleep(time.Until(r.job().NotBefore))
	}
	r.idle++
}

// callOptions returns what may happen to the calls of the current actor.
func (r *run) callOptions(calls []*call) []option {
	c := calls[0]
	name := c.actor.name + " " + c.label
	if c.landed {
		return []option{{name + ": the answer arrives", c.reply}}
	}
	options := []option{{name, func() { c.land(); c.reply() }}}
	fail := func(how string, err error, do func()) {
		options = append(options, option{name + ": " + how, func() {
			r.faults++
			r.doubt = r.doubt || c.writes
			do()
			c.fail(err)
		}})
	}
	if c.writes {
		fail("the answer is lost", errLost, c.land)
		fail("no answer, still under way", errLate, func() { r.launch(c) })
		options = append(options, option{name + ": sent twice", func() { r.twice(c) }})
		if len(c.parts) > 1 {
			options = append(options, option{name + ": the first of it lands", func() { r.half(c) }})
		}
	} else {
		fail("not taken", errDown, func() {})
	}
	if len(calls) > 1 {
		options = append(options, option{name + ": the answer waits", func() {
			c.land()
			r.waiting = append(slices.DeleteFunc(r.waiting, func(d *call) bool { return d == c }), c)
		}})
		for _, d := range calls[1:] {
			options = append(options, option{d.actor.name + " " + d.label + ": comes first", func() {
				if !d.landed {
					d.land()
				}
				d.reply()
			}})
		}
	}
	return options
}

// twice lets a call land, and leaves another of the same under way. A write whose
// address was taken is not under way any more: a store that sends a call again
// must not give the second answer for both.
func (r *run) twice(c *call) {
	before := len(r.flying)
	r.launch(c)
	c.land()
	if outcomes, ok := c.value.([]error); ok && len(r.flying)-before == len(outcomes) {
		again := r.flying[before:]
		r.flying = r.flying[:before]
		for i, p := range again {
			if !errors.Is(outcomes[i], bulk.ErrEmailTaken) {
				r.flying = append(r.flying, p)
			}
		}
	}
	c.reply()
}

// half lets the first write of a commit land. The others stay under way.
func (r *run) half(c *call) {
	r.faults++
	r.doubt = true
	outcomes := []error{c.parts[0].land()}
	c.parts = c.parts[1:]
	for range c.parts {
		outcomes = append(outcomes, errLate)
	}
	r.launch(c)
	c.value = outcomes
	c.reply()
}

// eventOptions returns what may happen beside the current actor, before its call
// on that backend. What the call cannot tell from the same event after it is left
// out: it comes at the next step.
func (r *run) eventOptions(first string, on backend) []option {
	var options []option
	if r.alive(r.current) {
		for _, a := range r.actors {
			if a != r.current && r.alive(a) && len(r.of(a)) > 0 {
				options = append(options, option{a.name + " goes on", func() { r.current = a }})
			}
		}
		if len(r.actors) < maxActors && r.endedAs == "" {
			name := fmt.Sprintf("w%d takes over", len(r.actors)+1)
			options = append(options, option{name, func() { r.doubt = true; r.start() }})
		}
		if a := r.current; !a.told && r.endedAs == "" && !r.setting.keyed {
			options = append(options, option{a.name + " is told to stop", func() { a.told = true; a.stop() }})
		}
	}
	for i := range r.flying {
		if o := r.landing(i); o.label != first && concerns(r.flying[i].on, on) {
			options = append(options, o)
		}
	}
	if r.endedAs == "" && !r.cancelled && !r.setting.keyed && concerns(onJobs, on) {
		options = append(options, option{"the job is cancelled", r.cancel})
	}
	if concerns(onStore, on) {
		options = append(options, r.otherOptions()...)
	}
	return options
}

func concerns(event, call backend) bool { return call == everything || event == call }

// landing lets an effect land that nobody waits for any more.
func (r *run) landing(i int) option {
	p := r.flying[i]
	return option{p.label + ": lands late", func() {
		r.flying = slices.Delete(r.flying, i, i+1)
		_ = p.land() // nobody waits for the outcome
	}}
}

// otherOptions returns what other programs may do: each op, or all that are left.
func (r *run) otherOptions() []option {
	var options []option
	left := 0
	for i := range r.scenario.ops {
		if o := &r.scenario.ops[i]; r.done[i] < max(1, o.times) {
			left += max(1, o.times) - r.done[i]
			options = append(options, option{o.label(r.done[i]), func() { r.act(i) }})
		}
	}
	if left > 1 {
		options = append(options, option{"others: everything that is left", func() {
			for i, o := range r.scenario.ops {
				for r.done[i] < max(1, o.times) {
					r.act(i)
				}
			}
		}})
	}
	return options
}

func (o *op) label(n int) string {
	switch o.kind {
	case move:
		return fmt.Sprintf("others: %s moves to %s", o.id, o.email)
	case create:
		return fmt.Sprintf("others: %s is written with %s val %d", o.id, o.email, o.val+n)
	case host:
		return fmt.Sprintf("the host sets val of %s to %d", o.id, o.val+n)
	default:
		return fmt.Sprintf("others: val of %s becomes %d", o.id, o.val+n)
	}
}

// account is the run as a failure shows it.
func (r *run) account() string {
	var b strings.Builder
	b.WriteString(r.scenario.text())
	b.WriteString("schedule:\n")
	b.WriteString(lines(r.trace))
	b.WriteString("writes that were done:\n")
	for i := range r.writes {
		if i < maxLines {
			fmt.Fprintf(&b, "      %v\n", &r.writes[i])
		}
	}
	if r.endedAs != "" {
		results, fault := r.answers()
		fmt.Fprintf(&b, "ended as %s %s\n", r.endedAs, fault)
		for _, res := range results[:min(len(results), maxLines)] {
			fmt.Fprintf(&b, "      row %d %s %s %s\n", res.Index, res.Status, codeOf(&res), res.UserID)
		}
	}
	for _, a := range r.actors {
		if a.err != nil {
			fmt.Fprintf(&b, "%s: %v\n", a.name, a.err)
		}
	}
	return b.String()
}

// maxLines is how many lines a part of an account has.
const maxLines = 100

func lines(trace []string) string {
	var b strings.Builder
	for i, label := range trace {
		switch {
		case i < maxLines/2, i >= len(trace)-maxLines/2:
			fmt.Fprintf(&b, "%5d %s\n", i, label)
		case i == maxLines/2:
			b.WriteString("      …\n")
		}
	}
	return b.String()
}
