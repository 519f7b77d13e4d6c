package awsapi

import (
	"math"
	"time"
)

// pace looks for the rate that a quota allows, from nothing but which calls
// were throttled.
//
// AWS limits with token buckets whose size and refill are mostly unpublished
// (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
// describes one), and other servers with fixed windows. In both, the moments
// at which a quota is used up are the ones that tell: between two of them as
// many calls are let through as the quota allows, no matter how much a bucket
// held at first. So the pace measures from one such moment to the next.
//
// It has three ways to go on.
//
//   - No limit met: rate is 0, and only the number of calls in flight bounds
//     the calls.
//   - Probing, after the first throttle and after one that came right behind a
//     cut: one call at a time, after a pause that grows until a call is let
//     through. The bucket has just been emptied, or the window opened anew, so
//     the pause tells a first rate. A window also tells its quota here.
//   - Cruising: the rate follows a cubic curve towards goal, the rate that was
//     too much. It comes back quickly at first and hardly at all near the goal,
//     stays there for a while, and only then looks for more. One throttle for
//     each such cycle of growthCalls or more calls is the price of the search.
//
// Growth is counted in answers, so that a pace is as quick as its quota allows
// and never runs ahead of what it has been told.
type pace struct {
	random func() float64

	// rate is how many calls a second may be sent; 0 is any number.
	rate float64
	// goal is the last rate that was too much, or the quota as measured; 0 is
	// unknown.
	goal float64
	// epoch counts the cuts. What was sent before a cut says nothing about the
	// rate after it.
	epoch int
	// let counts what was let through since the quota was last used up, and undo
	// is what it was before the last cut.
	let, undo measure
	// fresh counts what was let through of this epoch.
	fresh int

	// length is the length of a cycle in calls, span that of this cycle, and
	// grown how many answers of it have come.
	length, span, grown float64
	// settled says that this cycle began with an ordinary cut, so that the next
	// throttle makes a measure to go by.
	settled bool

	// pause is the time before the next probe, or 0 when not probing; longest
	// bounds it, underway says that a probe is not yet answered, and refused
	// that one was.
	pause, longest    time.Duration
	underway, refused bool
	// resumed is the rate at which the last probing ended, or 0, and borne how
	// many calls were let through since.
	resumed float64
	borne   int
	// measured says that the rate was taken from a measure and that no answer
	// has confirmed it.
	measured bool
}

// measure is what was let through since a moment.
type measure struct {
	from  time.Time
	calls int
	// goal is the goal at that moment.
	goal float64
}

// perSecond returns the calls a second until a later moment.
func (m measure) perSecond(until time.Time) float64 {
	return float64(m.calls) / max(until.Sub(m.from).Seconds(), 1e-3)
}

// sent is a call on its way, as the pace saw it.
type sent struct {
	epoch int
	rate  float64
	probe bool
	// held says that the call had to wait for the rate: only then does its
	// success say that the rate can be borne.
	held bool
}

const (
	// backOff is what remains of a rate that was slightly too much, and
	// deepBackOff of one that was more than slightly so.
	backOff, deepBackOff = 0.9, 0.72
	// above is how far above the measured quota the goal is set: a bucket is
	// emptied, and so measured again, only above its refill.
	above = 1.03
	// firstLength and growthCalls are the lengths of the first cycle, which is
	// likely to begin with a wrong goal, and of later ones.
	firstLength, growthCalls = 40, 160
	// shortest and longest are the seconds that a cycle takes at least and at
	// most: long enough for a window to tell whether the rate exceeds it, and
	// short enough to notice that another process no longer uses up the quota.
	shortest, longest = 2, 20
	// fewCalls is how many calls must be let through for a measure.
	fewCalls = 8
	// fastest bounds the growth for each answer where the quota is unknown.
	fastest = 0.25
	// patience is how many spans of a cycle pass before the rate leaves its goal.
	patience = 1.5
	// perAnswer and eachSecond bound the growth after that. The latter is small,
	// since a window tells only at its end that it is used up.
	perAnswer, eachSecond = 0.05, 0.2
	// firstPause, longPause and lastPause bound the time before a probe: the
	// first one, and the longest for quotas of five calls a second and more, and
	// for all.
	firstPause, longPause, lastPause = 10 * time.Millisecond, 200 * time.Millisecond, 2 * time.Second
	// wholeWindow is how long a measure must have taken to be believed at once:
	// nearly the second that quotas are counted in.
	wholeWindow = 900 * time.Millisecond
	// slowest is the lowest rate.
	slowest = 0.05
)

// newPace returns a pace that begins at a published rate, or at any where rate
// is 0.
func newPace(rate float64, random func() float64) *pace {
	return &pace{random: random, rate: rate, goal: rate, length: firstLength, span: growthCalls, grown: growthCalls, settled: true}
}

// gap returns the time between two calls.
func (p *pace) gap() time.Duration {
	switch {
	case p.pause > 0:
		return p.pause
	case p.rate > 0:
		return time.Duration(float64(time.Second) / p.rate)
	}
	return 0
}

// send notes that a call is sent.
func (p *pace) send(now time.Time, held bool) sent {
	if p.let.from.IsZero() {
		p.let.from, p.undo.from = now, now
	}
	p.underway = p.pause > 0
	return sent{epoch: p.epoch, rate: p.rate, probe: p.underway, held: held}
}

// lost notes that a probe has no answer that tells anything.
func (p *pace) lost(s sent) {
	if s.probe {
		p.underway = false
	}
}

// throttled notes that a call was refused while others are in flight.
func (p *pace) throttled(now time.Time, s sent, inFlight int) {
	if s.probe {
		p.underway, p.refused = false, true
		p.pause = min(4*p.pause, p.longest)
		return
	}
	if s.epoch != p.epoch {
		return
	}
	p.epoch++
	if p.fresh == 0 || s.rate == 0 {
		p.probe()
		p.cycle(inFlight)
		return
	}
	p.undo = p.let
	p.undo.goal = p.goal
	p.aim(now, s)
	p.rate = backOff * p.goal
	if p.fresh < fewCalls {
		p.rate = deepBackOff * s.rate
	}
	p.rate = max(p.rate, slowest)
	p.let, p.fresh, p.settled = measure{from: now}, 0, true
	p.cycle(inFlight)
}

// aim sets the goal after a cut, and the length of the next cycle.
func (p *pace) aim(now time.Time, s sent) {
	before := p.goal
	settled := p.settled && s.rate < 1.25*before
	switch quota := p.let.perSecond(now); {
	case p.let.calls < fewCalls:
		p.goal = backOff * s.rate
	case settled:
		p.goal = min(above*quota, s.rate)
	default:
		// The measure may hold a time when less was sent than was allowed.
		p.goal = min(max(2*quota, s.rate/2), s.rate)
	}
	p.length = firstLength
	if settled && p.goal > 0.8*before {
		p.length = growthCalls
	}
}

// probe begins to hold back all calls but one.
func (p *pace) probe() {
	if p.resumed > 0 && p.borne < fewCalls {
		// Hardly a call was let through since the last probing: not the quota was
		// used up, since the probe got through, but the rate that it led to is too
		// much. A bucket that holds a single call lets every probe through and
		// refuses what comes right behind it, for ever if the rate stays.
		p.rate = max(p.resumed/2, slowest)
		p.undo.goal = p.resumed
	}
	if p.fresh == 0 {
		// Not the rate after the last cut was wrong, but the quota was, and is,
		// used up: the cut measured nothing.
		p.goal = p.undo.goal
		p.let.from = p.undo.from
		p.let.calls += p.undo.calls
	}
	gap := firstPause
	if p.rate > 0 {
		gap = time.Duration(float64(time.Second) / p.rate)
	}
	p.longest = min(max(longPause, 8*gap), lastPause)
	p.pause = min(gap+time.Duration(0.25*p.random()*float64(gap)), p.longest)
	p.settled, p.refused = false, false
}

// cycle begins the way back to the goal. Its length varies, so that several
// processes under one quota do not search in step. It is longer
// with more calls in flight, whose answers come late.
func (p *pace) cycle(inFlight int) {
	p.grown = 0
	calls := max(p.length+8*float64(inFlight), shortest*p.goal)
	p.span = max(min(calls, longest*p.goal), fewCalls) * (0.8 + 0.4*p.random())
}

// succeeded notes that a call was let through while others are in flight.
func (p *pace) succeeded(now time.Time, s sent, inFlight int) {
	p.let.calls++
	p.borne++
	if s.epoch != p.epoch {
		p.lost(s)
		return
	}
	p.fresh++
	if s.probe {
		p.resume(now, inFlight)
		return
	}
	p.measured = false
	if s.held && p.rate > 0 {
		p.grow(1 / float64(inFlight+1))
	}
}

// resume ends the probing.
func (p *pace) resume(now time.Time, inFlight int) {
	// Somewhere in the pause the quota was there again.
	now = now.Add(-p.pause / 2)
	first := max(1/p.pause.Seconds(), slowest)
	// Before the first limit was met, less may have been sent than was allowed;
	// but if it then took several probes, a window was used up.
	known := p.let.calls >= fewCalls && (p.rate > 0 || p.refused)
	if known {
		p.goal = above * p.let.perSecond(now)
	}
	switch {
	case known && now.Sub(p.let.from) > wholeWindow && !p.measured:
		p.rate, p.measured = 0.8*p.goal, true
	case p.goal > 4*first:
		p.rate = first
	default:
		p.rate = max(first, p.goal/2)
	}
	p.pause, p.underway, p.fresh = 0, false, 0
	p.resumed, p.borne = p.rate, 0
	p.let = measure{from: now}
	p.undo = measure{from: now, goal: p.goal}
	p.cycle(inFlight)
}

// grow raises the rate after an answer, which is the given share of a round
// trip. No round trip raises the rate by more than half, or the news of a
// throttle would come too late.
func (p *pace) grow(share float64) {
	if p.goal == 0 || p.rate < backOff*p.goal {
		p.rate *= 1 + min(fastest, 0.5*share)
		return
	}
	p.grown++
	if x := p.grown / p.span; x < patience {
		p.rate = p.goal * (1 + (1-backOff)*math.Pow(x-1, 3))
		return
	}
	p.rate *= 1 + min(perAnswer, 0.25*share, eachSecond/p.rate)
}
