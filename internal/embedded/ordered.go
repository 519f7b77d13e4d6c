package embedded

import (
	"iter"
	"maps"
	"slices"
)

// ordered holds values by key and walks them in the order of their keys, from
// any key on. It sorts when it is walked, not when it is filled, so that a
// repository of 100,000 images is filled quickly; removed keys stay in the
// list until there are many of them. The caller locks.
type ordered[T any] struct {
	values map[string]T
	keys   []string
	sorted bool
	dead   int
}

// get returns the value of the key, if there is one.
func (o *ordered[T]) get(key string) (T, bool) {
	v, ok := o.values[key]
	return v, ok
}

// put sets the value of the key.
func (o *ordered[T]) put(key string, v T) {
	if o.values == nil {
		o.values = map[string]T{}
	}
	if _, exists := o.values[key]; !exists {
		o.keys = append(o.keys, key)
		o.sorted = false
	}
	o.values[key] = v
}

// remove takes the key away.
func (o *ordered[T]) remove(key string) {
	if _, exists := o.values[key]; !exists {
		return
	}
	delete(o.values, key)
	if o.dead++; o.dead > len(o.values)+100 {
		o.keys = slices.Collect(maps.Keys(o.values))
		o.sorted, o.dead = false, 0
	}
}

// len returns how many values there are.
func (o *ordered[T]) len() int { return len(o.values) }

// from walks the values whose keys are not smaller than key, in order.
func (o *ordered[T]) from(key string) iter.Seq2[string, T] {
	if !o.sorted {
		slices.Sort(o.keys)
		o.keys = slices.Compact(o.keys) // a key may have been removed and put again
		o.sorted = true
	}
	start, _ := slices.BinarySearch(o.keys, key)
	return func(yield func(string, T) bool) {
		for _, k := range o.keys[start:] {
			if v, ok := o.values[k]; ok && !yield(k, v) {
				return
			}
		}
	}
}
