package readers

import (
	"strings"

	"github.com/lockstepdb/lockstep/linearizability/history"
)

// models are the sets of operations that a history can be held to, and what each allows.
var models = map[string]func(*history.Operation) bool{
	"register": func(o *history.Operation) bool { return isRegister(o) && o.Condition.Kind == history.Always },
	"cas-register": func(o *history.Operation) bool {
		return isRegister(o) && (o.Condition.Kind == history.Always || o.Condition.Kind == history.ValueEquals)
	},
	"kv": func(*history.Operation) bool { return true },
}

// modelNames lists the models for messages.
var modelNames = []string{"register", "cas-register", "kv"}

func isRegister(o *history.Operation) bool { return o.Kind == history.Get || o.Kind == history.Put }

// hold checks that a history has only the operations of a model.
func hold(h *history.History, model string) error {
	allows, known := models[model]
	if !known {
		return failAt(0, "no model is called %s: name one of %s", short(model), strings.Join(modelNames, ", "))
	}
	for i := range h.Operations {
		if o := &h.Operations[i]; !allows(o) {
			return failAt(int(o.Line), "%s is no operation of the model %s", o.Call(), model)
		}
	}
	return nil
}
