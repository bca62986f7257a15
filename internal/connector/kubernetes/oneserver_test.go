package kubernetes

import (
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// TestOnOneServer plays what needs little of a server at one and the same, one after the other. Each finds it as it was set up,
// whatever those before have done.
func TestOnOneServer(t *testing.T) {
	t.Parallel()
	c := start(t)
	for _, test := range []struct {
		name string
		play func(*testing.T, *cluster)
	}{
		{"where a role holds", whereARoleHolds},
		{"kubeconfig", kubeconfigOpens},
		{"tokens expire", tokensExpire},
		{"another cluster", anotherCluster},
		{"owners object is left alone", ownersObjectIsLeftAlone},
		{"late order gives nothing", lateOrderGivesNothing},
		{"reissue removes the account before", reissueRemovesTheAccountBefore},
		{"label alone is no mark", labelAloneIsNoMark},
		{"some namespaces only", someNamespacesOnly},
		{"users through the engine", usersThroughTheEngine},
		{"token is read again", tokenIsReadAgain},
		{"strangers certificate", strangersCertificate},
		{"escalating roles are refused", escalatingRolesAreRefused},
		{"check names what is missing", checkNamesWhatIsMissing},
		{"a watch goes on", watchGoesOn},
		{"streams into pods go on", streamsIntoPodsGoOn},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.restoreAfter(t)
			test.play(t, c)
		})
	}
}

// restoreAfter makes every object at the end of the test what it is now.
func (c *cluster) restoreAfter(t *testing.T) {
	t.Helper()
	before := c.objects(t, notServersOwn)
	t.Cleanup(func() {
		now := c.objects(t, notServersOwn)
		for _, was := range before {
			meta, _ := was["metadata"].(map[string]any)
			maps.DeleteFunc(meta, func(key string, _ any) bool { return key == "uid" || key == "creationTimestamp" })
		}
		for at, o := range now {
			switch was, known := before[at]; {
			case !known:
				c.must(t, http.MethodDelete, at+"?gracePeriodSeconds=0", nil)
			case !reflect.DeepEqual(o["rules"], was["rules"]) || !reflect.DeepEqual(o["subjects"], was["subjects"]):
				c.must(t, http.MethodPut, at, was)
			}
		}
		for at, was := range before {
			if _, there := now[at]; !there {
				c.must(t, http.MethodPost, at[:strings.LastIndexByte(at, '/')], was)
			}
		}
		c.awaitUser(t, curfewUser, rbacGroup+"/rolebindings", true)
	})
}
