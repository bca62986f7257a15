package api_test

import (
	"testing"

	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/enginetest"
)

func TestErasures(t *testing.T) {
	s := serve(t)
	for body, status := range map[string]int{
		`{"reason":"x"}`:                                                 422,
		`{"person":"","reason":"x"}`:                                     422,
		`{"person":"bob"}`:                                               422,
		`{"person":"bob","reason":"for Bob"}`:                            422,
		`{"person":"nobody","reason":"x"}`:                               404,
		`{"person":"carol","reason":"x"}`:                                403,
		`{"person":"a\u202eb","reason":"x"}`:                             422,
		`{"person":"bob","plan":true,"name":"` + canary + `"}`:           422,
		`{"person":"bob","principals":["` + canary + `/"],"reason":"x"}`: 422,
		`{"person":"bob","principals":["alice"],"reason":"x"}`:           422,
	} {
		refused(t, s.call(enginetest.Carol, "POST", "/v1/erasures", body), status)
	}
	order := `{"person":"bob","reason":"asked for it"}`
	refused(t, s.call(enginetest.Alice, "POST", "/v1/erasures", order), 403)
	refused(t, s.call(enginetest.Olga, "POST", "/v1/erasures", order), 403)
	plan := ok[api.Erasure](s, enginetest.Carol, "POST", "/v1/erasures", `{"person":"bob","plan":true}`)
	if plan.ID != "" || plan.Pseudonym != "" || len(plan.Directory) != 1 || plan.Directory[0] != "bob" {
		t.Errorf("the plan is %+v", plan)
	}
	begun := ok[api.Erasure](s, enginetest.Carol, "POST", "/v1/erasures", order)
	refused(t, s.call(enginetest.Alice, "GET", "/v1/erasures/"+begun.ID, ""), 403)
	refused(t, s.call(enginetest.Olga, "GET", "/v1/erasures/er_..%2f", ""), 404)
	if e := ok[api.Erasure](s, enginetest.Olga, "GET", "/v1/erasures/"+begun.ID, ""); e.Pseudonym == "" || e.Pseudonym != begun.Pseudonym {
		t.Errorf("begun was %+v, and it is %+v", begun, e)
	}
}
