package api_test

import (
	"testing"

	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/enginetest"
)

func TestFreeze(t *testing.T) {
	s := serve(t)
	for body, status := range map[string]int{
		`{"reason":"x"}`:                  422,
		`{"everything":true}`:             422,
		`{"everything":true,"reason":""}`: 422,
		`{"everything":true,"connector":"orders-db","reason":"x"}`:        422,
		`{"principal":"` + canary + `/","reason":"x"}`:                    422,
		`{"connector":"orders-bd","reason":"x"}`:                          404,
		`{"principal":"nobody","reason":"x"}`:                             404,
		`{"everything":true,"reason":"x","scope":"` + canary + `"}`:       422,
		`{"everything":true,"reason":"` + string(make([]byte, 10)) + `"}`: 400,
	} {
		refused(t, s.call(enginetest.Carol, "POST", "/v1/revocations", body), status)
	}
	everything := `{"everything":true,"reason":"laptop stolen"}`
	refused(t, s.call(enginetest.Alice, "POST", "/v1/revocations", everything), 403)
	refused(t, s.call(enginetest.Alice, "GET", "/v1/freezes", ""), 403)

	f := ok[api.Freeze](s, enginetest.Carol, "POST", "/v1/revocations", everything)
	if f.Scope != "everything" || f.Value != "" || f.By != "carol" || f.Reason != "laptop stolen" || f.Since.IsZero() {
		t.Errorf("%+v", f)
	}
	refused(t, s.call(enginetest.Alice, "POST", "/v1/requests", asking(enginetest.Read, "2m")), 403)
	if list := ok[api.FreezeList](s, enginetest.Olga, "GET", "/v1/freezes", ""); len(list.Items) != 1 || list.Items[0].ID != f.ID {
		t.Errorf("%+v", list)
	}
	lift := "/v1/freezes/" + f.ID + "/lift"
	refused(t, s.call(enginetest.Alice, "POST", lift, `{"reason":"x"}`), 403)
	refused(t, s.call(enginetest.Olga, "POST", lift, `{"reason":"x"}`), 403)
	refused(t, s.call(enginetest.Carol, "POST", lift, `{"reason":""}`), 422)
	refused(t, s.call(enginetest.Carol, "POST", "/v1/freezes/fz_..%2f/lift", `{"reason":"x"}`), 404)
	if a := s.call(enginetest.Carol, "POST", lift, `{"reason":"found"}`); a.status != 204 || a.body != "" {
		t.Errorf("lifting: %d %s", a.status, a.body)
	}
	refused(t, s.call(enginetest.Carol, "POST", lift, `{"reason":"found"}`), 404)
	active(s)
}
