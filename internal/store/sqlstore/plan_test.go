package sqlstore

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/internal/access"
	"github.com/curfewhq/curfew/internal/store"
)

// plannedQuery is a query that the repositories put together, with the search that it is run by.
type plannedQuery struct {
	name string
	run  func(store.Tx) error
	// sqlite is in the plan there; postgres is the index, empty for the primary key or whichever fits.
	sqlite, postgres string
}

func plannedQueries() []plannedQuery {
	queue := func(q store.Queue) store.Lane { return store.Lane{Tenant: "acme", Connector: "c1", Queue: q} }
	rights := queue("")
	who := access.PrincipalID{Issuer: "i", Subject: "s1"}
	now := time.UnixMicro(10)
	return []plannedQuery{
		{"due", func(tx store.Tx) error {
			_, err := tx.Grants().Due(queue(store.QueueLive), now, 10)
			return err
		}, "grants_due_live (tenant=? AND connector=? AND due_at>? AND due_at<?)", "grants_due_live"},
		{"due of what is new", func(tx store.Tx) error {
			_, err := tx.Grants().Due(queue(store.QueueNew), now, 10)
			return err
		}, "grants_due_new (tenant=? AND connector=? AND due_at>? AND due_at<?)", "grants_due_new"},
		{"next due", func(tx store.Tx) error { _, err := tx.Grants().NextDue(queue(store.QueueLive)); return err },
			"grants_due_live (tenant=? AND connector=? AND due_at>?)", "grants_due_live"},
		{"next due of what is new", func(tx store.Tx) error { _, err := tx.Grants().NextDue(queue(store.QueueNew)); return err },
			"grants_due_new (tenant=? AND connector=? AND due_at>?)", "grants_due_new"},
		{"open requests", func(tx store.Tx) error { _, err := tx.Requests().Open("acme", who, 10); return err },
			"requests_open (tenant=? AND principal_issuer=? AND principal_subject=?)", "requests_open"},
		{"upcoming", func(tx store.Tx) error {
			_, err := tx.Grants().Upcoming(queue(store.QueueLive), store.Due{At: now, ID: "g"}, now.Add(time.Hour), 10)
			return err
		}, "grants_due_live (tenant=? AND connector=? AND (due_at,id)>(?,?) AND due_at<?)", "grants_due_live"},
		{"lanes", func(tx store.Tx) error { _, err := tx.Grants().Lanes(); return err },
			"(tenant=? AND connector>?)", "Index Only Scan using grants_"},
		{"counts", func(tx store.Tx) error { _, err := tx.Grants().Count(queue(""), now, 10); return err },
			"(tenant=? AND connector=? AND ", "Index Only Scan using grants_"},
		{"lapsing", func(tx store.Tx) error { _, err := tx.Requests().Lapsing("acme", now, 10); return err },
			"requests_lapsing (tenant=? AND lapses_at>? AND lapses_at<?)", "requests_lapsing"},
		{"next lapse", func(tx store.Tx) error { _, err := tx.Requests().NextLapse("acme"); return err },
			"requests_lapsing (tenant=? AND lapses_at>?)", "requests_lapsing"},
		{"decisions", func(tx store.Tx) error { _, err := tx.Decisions().List("acme", "r"); return err },
			"(tenant=? AND request_id=?)", ""},
		{"newest decisions", func(tx store.Tx) error { _, err := tx.Decisions().Newest("acme", "r"); return err },
			"(tenant=? AND request_id=?)", ""},
		{"reviews", func(tx store.Tx) error { _, err := tx.Reviews().List("acme", "r"); return err },
			"(tenant=? AND request_id=?)", ""},
		{"grants of requests", func(tx store.Tx) error { _, err := tx.Grants().OfRequests("acme", "r"); return err },
			"grants_by_request (tenant=? AND request_id=?)", "grants_by_request"},
		{"events", eventQuery(store.EventFilter{}), "events_by_position (tenant=? AND position>?)", "events_by_position"},
		{"events of a request", eventQuery(store.EventFilter{Request: "req_1"}),
			"events_by_request (tenant=? AND request_id=? AND position>?)", "events_by_request"},
		{"events of a grant", eventQuery(store.EventFilter{Grant: "gr_1"}),
			"events_by_grant (tenant=? AND grant_id=? AND position>?)", "events_by_grant"},
		{"newest event", newestEventQuery, "events_by_position (tenant=? AND position>?)", "events_by_position"},
		{"events without a position", func(tx store.Tx) error { _, err := tx.Events().Unsequenced("acme", 10); return err },
			"events_unsequenced (tenant=?)", "events_unsequenced"},
		{"sequence", func(tx store.Tx) error { _, err := tx.Events().Sequence("acme", 10); return err },
			"events_unsequenced (tenant=?)", "events_unsequenced"},
		{"requests", requestQuery(store.RequestFilter{}), "(tenant=? AND id<?)", ""},
		{"requests of a principal", requestQuery(store.RequestFilter{Principal: who}),
			"requests_by_principal (tenant=? AND principal_issuer=? AND principal_subject=? AND id<?)", "requests_by_principal"},
		{"requests of an asker", requestQuery(store.RequestFilter{AskedBy: who}),
			"requests_by_asker (tenant=? AND asked_by_issuer=? AND asked_by_subject=? AND id<?)", "requests_by_asker"},
		{"delegations", func(tx store.Tx) error {
			_, _, err := tx.Delegations().List("acme", store.DelegationFilter{}, store.Page{Limit: 10})
			return err
		}, "(tenant=?)", ""},
		{"delegations of somebody", func(tx store.Tx) error {
			_, _, err := tx.Delegations().List("acme", store.DelegationFilter{Absent: "p", Standing: now}, store.Page{Limit: 10})
			return err
		}, "delegations_absent (tenant=? AND absent_person=?", ""},
		{"delegations to somebody", func(tx store.Tx) error {
			_, _, err := tx.Delegations().List("acme", store.DelegationFilter{Delegate: "p", Standing: now}, store.Page{Limit: 10})
			return err
		}, "delegations_delegate (tenant=? AND delegate_person=?", ""},
		{"requests in a state", requestQuery(store.RequestFilter{State: access.RequestPending}),
			"requests_by_state (tenant=? AND state=? AND id<?)", "requests_by_state"},
		{"grants", grantQuery(store.GrantFilter{}), "(tenant=? AND id<?)", ""},
		{"grants of a principal", grantQuery(store.GrantFilter{Principal: who}),
			"grants_by_principal (tenant=? AND principal_issuer=? AND principal_subject=? AND id<?)", "grants_by_principal"},
		{"grants of a request", grantQuery(store.GrantFilter{Request: "req_1"}),
			"grants_by_request (tenant=? AND request_id=? AND id<?)", "grants_by_request"},
		{"grants of a connector", grantQuery(store.GrantFilter{Connector: "c1"}),
			"grants_by_connector (tenant=? AND connector=? AND id<?)", "grants_by_connector"},
		{"live grants of a connector", grantQuery(store.GrantFilter{Connector: "c1", Unended: true}),
			"grants_unended_by_connector (tenant=? AND connector=? AND id<?)", "grants_unended_by_connector"},
		{"live grants", grantQuery(store.GrantFilter{Unended: true}), "grants_unended (tenant=? AND id<?)", "grants_unended"},
		{"my live grants", grantQuery(store.GrantFilter{Principal: who, Unended: true}),
			"grants_open (tenant=? AND principal_issuer=? AND principal_subject=? AND id<?)", "grants_open"},
		{"holders of a right", func(tx store.Tx) error { _, err := tx.Atoms().Holders(rights, access.Atom{}); return err },
			"grant_atoms_held (tenant=? AND connector=? AND target=? AND account=? AND native_right=?)", "grant_atoms_held"},
		{"turn at a right", func(tx store.Tx) error {
			_, _, err := tx.Atoms().Lease(rights, access.Atom{}, "gr", tx.Now().Add(time.Hour))
			return err
		}, "(tenant=? AND connector=? AND target=? AND account=? AND native_right=?)", ""},
		{"rights dropped", func(tx store.Tx) error { _, err := tx.Atoms().Dropped(rights, now, 10); return err },
			"grant_atoms_dropped (tenant=? AND connector=? AND dropped_at>?)", "grant_atoms_dropped"},
		{"plans to seal again", func(tx store.Tx) error { _, err := tx.Plans().SealedBefore("acme", 2, 10); return err },
			"plans_by_key (tenant=? AND key_generation<?)", "plans_by_key"},
		{"what needs a key", func(tx store.Tx) error { _, err := tx.Keys().Uses("acme", 1, 10); return err }, "(tenant=?", ""},
		{"findings", findingQuery(store.FindingFilter{}), "(tenant=? AND id<?)", ""},
		{"open findings", findingQuery(store.FindingFilter{State: access.FindingOpen}),
			"findings_by_state (tenant=? AND state=? AND id<?)", "findings_by_state"},
		{"open findings of a connector", findingQuery(store.FindingFilter{Connector: "c1", State: access.FindingOpen}),
			"findings_by_connector (tenant=? AND connector=? AND state=? AND id<?)", "findings_by_connector"},
		{"live grants of a person", grantQuery(store.GrantFilter{Person: "p1", Unended: true}),
			"grants_unended_by_person (tenant=? AND person=? AND id<?)", "grants_unended_by_person"},
		{"what lives on somebody's word", grantQuery(store.GrantFilter{Reviewer: "p1", Unended: true}),
			"reviews_by_person (tenant=? AND person=?)", "reviews_by_person"},
		{"what lives on a word in somebody's stead", grantQuery(store.GrantFilter{InSteadOf: who, Unended: true}),
			"reviews_in_stead (tenant=? AND in_stead_issuer=? AND in_stead_subject=?)", "reviews_in_stead"},
		{"what somebody asked for in another's name", grantQuery(store.GrantFilter{AskedBy: who, Unended: true}),
			"requests_by_asker (tenant=? AND asked_by_issuer=? AND asked_by_subject=?)", "requests_by_asker"},
		{"attestations", func(tx store.Tx) error { _, err := tx.Attestations().List("acme", "gr_1"); return err },
			"(tenant=? AND grant_id=?)", ""},
		{"freezes that cover", func(tx store.Tx) error { _, err := tx.Freezes().Covering("acme", "p1", "c1"); return err },
			"(tenant=? AND scope=? AND value=?)", ""},
		{"freezes to be carried out", func(tx store.Tx) error { _, err := tx.Freezes().Unswept("acme", 10); return err },
			"freezes_unswept (tenant=?)", "freezes_unswept"},
		{"freezes", func(tx store.Tx) error {
			_, _, err := tx.Freezes().List("acme", store.Page{After: cursorAfter(freezeList, "fz_1"), Limit: 10})
			return err
		}, "(tenant=? AND id<?)", ""},
		{"a page of provisioned users", provisionedQuery(store.ProvisionedFilter{}), "provisioned_kind (tenant=? AND source=? AND kind=? AND id>?)", ""},
		{"a user of a name", provisionedQuery(store.ProvisionedFilter{Key: "k"}), "(tenant=? AND source=? AND kind=? AND name_key=?)", ""},
		{"a user of an external ID", provisionedQuery(store.ProvisionedFilter{ExternalID: "e"}), "provisioned_external_id (tenant=? AND source=? AND kind=? AND external_id=? AND id>?)", ""},
		{"how many users", func(tx store.Tx) error {
			_, err := tx.Provisioned().Count(provisionedSource, store.ProvisionedUser, store.ProvisionedFilter{})
			return err
		}, "COVERING INDEX provisioned_kind (tenant=? AND source=? AND kind=?)", ""},
		{"members", func(tx store.Tx) error {
			_, err := tx.Memberships().Members(provisionedSource, "g", "u", 10)
			return err
		}, "(tenant=? AND source=? AND group_id=? AND user_id>?)", ""},
		{"groups of users", func(tx store.Tx) error { _, err := tx.Memberships().GroupsOf(provisionedSource, "u"); return err },
			"memberships_user (tenant=? AND source=? AND user_id=?)", ""},
		{"into the queue", func(tx store.Tx) error { return tx.StaleUsers().Add(provisionedSource, true, []string{"u"}) },
			"provisioned_kind (tenant=? AND source=? AND kind=? AND id=?)", ""},
		{"next in the queue", func(tx store.Tx) error { _, err := tx.StaleUsers().Next(provisionedSource, 10); return err },
			"stale_users_next (tenant=? AND source=?)", ""},
	}
}

var provisionedSource = store.Source{Tenant: "acme", Name: "okta"}

func provisionedQuery(f store.ProvisionedFilter) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, err := tx.Provisioned().List(provisionedSource, store.ProvisionedUser, f, store.Stretch{After: "u", Limit: 10})
		return err
	}
}

// TestQueryPlans asks SQLite how it would run every query: each finds its rows through an index, down to the column that
// it is about, and none sorts a list that may be long.
func TestQueryPlans(t *testing.T) {
	s, db := openRaw(t)
	for _, q := range plannedQueries() {
		before := statements(s)
		if err := s.Update(t.Context(), "plan", q.run); err != nil {
			t.Fatalf("%s: %v", q.name, err)
		}
		for text := range statements(s) {
			if before[text] || !strings.Contains(text, "SELECT") {
				continue
			}
			plan := strings.Join(queryPlan(t, db, text), "\n")
			if !strings.Contains(plan, q.sqlite) || strings.Contains(plan, "SCAN grants") ||
				strings.Contains(plan, "TEMP B-TREE FOR ORDER BY") && !sortsLittle(text) {
				t.Errorf("%s:\n%s\nruns as\n%s\nwant a search by %s", q.name, text, plan, q.sqlite)
			}
		}
	}
}

// sortsLittle tells the queries whose lists are short: the personal data of one page of entries, and the grants of what one person
// has reviewed or asked for in others' names.
func sortsLittle(text string) bool {
	return strings.Contains(text, "event_personal") || strings.Contains(text, "request_id IN (SELECT")
}

// statements are the texts that the writer has prepared. It is idle when a test asks.
func statements(s *SQLite) map[string]bool {
	m := map[string]bool{}
	for text := range s.writer.session.statements {
		m[text] = true
	}
	return m
}

func queryPlan(t *testing.T, db *sql.DB, text string) (lines []string) {
	t.Helper()
	args := make([]any, strings.Count(text, "$"))
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func newestEventQuery(tx store.Tx) error {
	_, err := tx.Events().Newest("acme")
	if access.KindOf(err) == access.KindNotFound {
		return nil // the plan is what counts
	}
	return err
}

func eventQuery(f store.EventFilter) func(store.Tx) error {
	return func(tx store.Tx) error { _, err := tx.Events().List("acme", f, 5, 10); return err }
}

func requestQuery(f store.RequestFilter) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, _, err := tx.Requests().List("acme", f, store.Page{After: cursorAfter(requestList, "req_9"), Limit: 10})
		return err
	}
}

func grantQuery(f store.GrantFilter) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, _, err := tx.Grants().List("acme", f, store.Page{After: cursorAfter(grantList, "gr_9"), Limit: 10})
		return err
	}
}

func findingQuery(f store.FindingFilter) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, _, err := tx.Findings().List("acme", f, store.Page{After: cursorAfter(findingList, "f"), Limit: 10})
		return err
	}
}
