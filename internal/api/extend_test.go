package api_test

import (
	"testing"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/api"
	"github.com/curfewhq/curfew/internal/enginetest"
)

func TestExtend(t *testing.T) {
	s := serve(t)
	g := active(s)
	path := "/v1/grants/" + g.ID + "/extend"
	for _, body := range []string{`{}`, `{"duration":""}`, `{"duration":"0s"}`, `{"duration":"-1h"}`, `{"duration":"1ms"}`, `{"duration":"4hours"}`, `{"duration":"87600h"}`} {
		refused(t, s.call(enginetest.Alice, "POST", path, body), 422)
	}
	refused(t, s.call(enginetest.Carol, "POST", path, `{"duration":"1m"}`), 403)
	refused(t, s.call(enginetest.Mallory, "POST", path, `{"duration":"1m"}`), 404)
	refused(t, s.call(enginetest.Alice, "POST", path, `{"duration":"5h"}`), 403)
	got := ok[api.Grant](s, enginetest.Alice, "POST", path, `{"duration":"1m"}`)
	promised := g.Deadline.Add(access.MinDuration * 60)
	if !got.ExtendTo.Equal(promised) && !got.Deadline.Equal(promised) {
		t.Errorf("the deadline is %s, promised %s; want %s", got.Deadline, got.ExtendTo, promised)
	}
}

func TestAttestIsForWhatIsStuck(t *testing.T) {
	s := serve(t)
	path := "/v1/grants/" + active(s).ID + "/attest"
	refused(t, s.call(enginetest.Carol, "POST", path, `{"reason":""}`), 422)
	refused(t, s.call(enginetest.Carol, "POST", path, `{"reason":"scrap"}`), 409)
	refused(t, s.call(enginetest.AliceAdmin, "POST", path, `{"reason":"scrap"}`), 403)
	refused(t, s.call(enginetest.Olga, "POST", path, `{"reason":"scrap"}`), 403)
	refused(t, s.call(enginetest.Mallory, "POST", path, `{"reason":"scrap"}`), 404)
}
