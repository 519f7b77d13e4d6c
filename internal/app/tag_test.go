package app

import (
	"reflect"
	"strings"
	"testing"

	"github.com/regsweep/regsweep/internal/registry"
)

// Tagging has nothing to delete with: nothing that it holds is a Writer, or gives
// one.
func TestTaggingHoldsNoWriter(t *testing.T) {
	writer := reflect.TypeFor[registry.Writer]()
	seen := map[reflect.Type]bool{}
	var walk func(at string, held reflect.Type)
	walk = func(at string, held reflect.Type) {
		if seen[held] {
			return
		}
		seen[held] = true
		if held.Implements(writer) {
			t.Errorf("%s is a %s, which can delete", at, held)
		}
		switch held.Kind() {
		case reflect.Struct:
			if !strings.HasPrefix(held.PkgPath(), "github.com/regsweep/") {
				return
			}
			for i := range held.NumField() {
				walk(at+"."+held.Field(i).Name, held.Field(i).Type)
			}
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map, reflect.Chan:
			walk(at, held.Elem())
		case reflect.Func:
			for i := range held.NumOut() {
				walk(at+"()", held.Out(i))
			}
		case reflect.Interface:
			if _, ok := held.MethodByName("Delete"); ok {
				t.Errorf("%s is a %s, which can delete", at, held)
			}
		}
	}
	walk("Watching", reflect.TypeFor[Watching]())
	walk("tagRun", reflect.TypeFor[tagRun]())
	walk("tagWatch", reflect.TypeFor[tagWatch]())
	if len(seen) < 30 || !seen[reflect.TypeFor[registry.Tagger]()] {
		t.Errorf("only %d types were looked at", len(seen))
	}
}
