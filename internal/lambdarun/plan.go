package lambdarun

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/regsweep/regsweep/internal/app"
	"github.com/regsweep/regsweep/internal/notify"
	"github.com/regsweep/regsweep/internal/objects"
	"github.com/regsweep/regsweep/internal/plan"
	"github.com/regsweep/regsweep/internal/planfile"
	"github.com/regsweep/regsweep/internal/usage"
)

// name is what notifications call a run.
const name = "regsweep lambda"

// plan makes a plan and saves it.
func (r *run) plan(ctx, hard context.Context) error {
	if r.event.Usage != "" {
		if err := r.replay(ctx); err != nil {
			return err
		}
	}
	outcome, err := r.planned(ctx)
	if err == nil {
		err = r.savePlan(ctx, r.event.Out, outcome.Plan)
	}
	if err != nil {
		err = ended(ctx, err, "planning takes longer: give the function more time, or plan in more shards")
		r.tell(hard, notify.Run{Err: err})
		return err
	}
	r.tell(hard, notify.Run{Plan: outcome.Plan, Gaps: outcome.Gaps})
	return nil
}

// planned makes a plan and puts it into the result.
func (r *run) planned(ctx context.Context) (*app.Outcome, error) {
	outcome, err := r.App.Plan(ctx)
	if err != nil {
		return nil, err
	}
	r.result.planned(outcome.Plan)
	r.result.exit(false, outcome.Held())
	return outcome, nil
}

// tell sends a notification where the event asks for it.
func (r *run) tell(ctx context.Context, what notify.Run) {
	if what.Name = name; r.event.Notify && r.Tell != nil {
		r.Tell(ctx, what)
	}
}

// usage reads what is in use and saves it.
func (r *run) usage(ctx, _ context.Context) error {
	result, err := r.App.CollectUsage(ctx)
	if err != nil {
		return ended(ctx, err, "reading what is in use takes longer: give the function more time")
	}
	if err := r.save(ctx, r.event.Out, result.Snapshot.Encode); err != nil {
		return fmt.Errorf("save the snapshot: %w", err)
	}
	uses := len(result.Snapshot.Uses)
	r.result.Uses = &uses
	for _, g := range result.Gaps {
		r.result.Gaps.add("%s: %s", g.Source, g.Detail)
	}
	r.result.exit(false, len(result.Gaps) > 0)
	return nil
}

// replay puts what a snapshot says in the place of the usage sources.
func (r *run) replay(ctx context.Context) error {
	var snapshot *usage.Snapshot
	err := r.read(ctx, r.event.Usage, func(from io.Reader) (err error) {
		snapshot, err = usage.Decode(from)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the usage snapshot: %w", err)
	}
	r.App.Sources = replayed(r.App.Sources, snapshot, r.now())
	return nil
}

// open returns the object of a path, which Parse has checked.
func (r *run) open(path string) (*objects.Object, error) { return objects.Open(path, r.Objects) }

// save writes to a path; "" writes nothing.
func (r *run) save(ctx context.Context, path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	o, err := r.open(path)
	if err != nil {
		return err
	}
	return o.Write(ctx, write)
}

func (r *run) saveJSON(ctx context.Context, path string, v any) error {
	return r.save(ctx, path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	})
}

func (r *run) savePlan(ctx context.Context, path string, p *plan.Plan) error {
	if err := r.save(ctx, path, func(w io.Writer) error { return planfile.Write(w, p) }); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// read reads what is at a path.
func (r *run) read(ctx context.Context, path string, read func(io.Reader) error) error {
	o, err := r.open(path)
	if err != nil {
		return err
	}
	from, err := o.Read(ctx)
	if err != nil {
		return err
	}
	return errors.Join(read(bufio.NewReaderSize(from, 1<<16)), from.Close())
}

// readPlan reads a saved plan of this configuration and version.
func (r *run) readPlan(ctx context.Context, path string) (p *plan.Plan, err error) {
	err = r.read(ctx, path, func(from io.Reader) (err error) {
		p, err = planfile.Read(from, r.App.Store)
		return err
	})
	if err == nil {
		err = r.App.Check(p)
	}
	if err != nil {
		return nil, fmt.Errorf("read the plan %s: %w", path, err)
	}
	return p, nil
}
