package scim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew/internal/scim/resource"
	"github.com/curfewhq/curfew/internal/store"
)

const (
	listSchema    = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	pageDefault   = 100
	pageMost      = 200
	scanStep      = 500
	maxShownTotal = 100_000 // members in one answer, or looked at for it
)

// query is what a search asks for.
type query struct {
	Filter             string   `json:"filter"`
	Attributes         []string `json:"attributes"`
	ExcludedAttributes []string `json:"excludedAttributes"`
	StartIndex         *int     `json:"startIndex"`
	Count              *int     `json:"count"`
}

// from is how many results come before the page, and most how many are on it.
func (q query) from() int {
	if q.StartIndex == nil {
		return 0
	}
	return max(*q.StartIndex, 1) - 1
}

func (q query) most() int {
	if q.Count == nil {
		return pageDefault
	}
	return min(max(*q.Count, 0), pageMost)
}

// query reads what is asked for, from the address or from the body of a .search.
func (c *call) query() (q query, err error) {
	if c.r.Method == http.MethodPost {
		if err := json.Unmarshal(c.body, &q); err != nil {
			return q, &resource.Error{Type: resource.InvalidSyntax, Detail: "The body is not a SearchRequest."}
		}
		return q, nil
	}
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return q, &resource.Error{Type: resource.InvalidSyntax, Detail: "The query of the address cannot be read: encode what is in the filter."}
	}
	q.Filter, q.Attributes, q.ExcludedAttributes = values.Get("filter"), listOf(values.Get("attributes")), listOf(values.Get("excludedAttributes"))
	for name, into := range map[string]**int{"startIndex": &q.StartIndex, "count": &q.Count} {
		if !values.Has(name) {
			continue
		}
		n, err := strconv.Atoi(values.Get(name))
		if err != nil {
			return q, &resource.Error{Type: resource.InvalidValue, Detail: name + " is a number."}
		}
		*into = &n
	}
	return q, nil
}

func listOf(names string) []string {
	if names == "" {
		return nil
	}
	return strings.Split(names, ",")
}

func (c *call) searchUsers() (*answer, error)  { return c.search(c.users) }
func (c *call) searchGroups() (*answer, error) { return c.search(c.groups) }

// searchAll searches among all types. What a type does not have selects none of it.
func (c *call) searchAll() (*answer, error) { return c.search(c.users, c.groups) }

// results are those of a search, of which a page is shown.
type results struct {
	query
	shown []resource.Document
	total int
	// members is how many were looked at.
	members int
}

func (c *call) search(kinds ...*kind) (*answer, error) {
	q, err := c.query()
	if err != nil {
		return nil, err
	}
	res := results{query: q}
	err = c.Store.View(c.r.Context(), func(tx store.Tx) error {
		res = results{query: q}
		var unknown error
		known := 0
		for _, k := range kinds {
			s, err := c.searching(tx, k, q)
			if err != nil {
				unknown = err
				continue
			}
			known++
			if err := s.run(&res); err != nil {
				return err
			}
		}
		if known == 0 {
			return unknown
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if res.shown == nil {
		res.shown = []resource.Document{}
	}
	return &answer{status: http.StatusOK, body: struct {
		Schemas      []string            `json:"schemas"`
		TotalResults int                 `json:"totalResults"`
		StartIndex   int                 `json:"startIndex"`
		ItemsPerPage int                 `json:"itemsPerPage"`
		Resources    []resource.Document `json:"Resources"`
	}{[]string{listSchema}, res.total, q.from() + 1, len(res.shown), res.shown}}, nil
}

// searching is a search among the resources of one kind.
type searching struct {
	*call
	tx         store.Tx
	kind       *kind
	filter     *resource.Filter
	projection resource.Projection
	// hint is what the filter demands, by which the store finds candidates.
	hint store.ProvisionedFilter
}

func (c *call) searching(tx store.Tx, k *kind, q query) (*searching, error) {
	s := &searching{call: c, tx: tx, kind: k}
	var err error
	if s.projection, err = k.ParseProjection(q.Attributes, q.ExcludedAttributes); err != nil || q.Filter == "" {
		return s, err
	}
	if s.filter, err = k.ParseFilter(q.Filter); err != nil {
		return nil, err
	}
	s.hint.ID, _ = s.filter.Demands("id")
	s.hint.ExternalID, _ = s.filter.Demands("externalId")
	s.hint.Member, _ = s.filter.Demands(resource.Members)
	if name, ok := s.filter.Demands(k.name); ok {
		s.hint.Key = resource.Fold(name)
	}
	return s, nil
}

// run adds what it finds to the results.
func (s *searching) run(res *results) error {
	if s.filter == nil {
		return s.list(res)
	}
	for after := ""; ; {
		rows, err := s.tx.Provisioned().List(s.source.Source, s.kind.kind, s.hint, store.Stretch{After: after, Limit: scanStep})
		if err != nil {
			return err
		}
		docs, err := s.render(res, rows...)
		if err != nil {
			return err
		}
		for i, doc := range docs {
			after = rows[i].ID
			if !s.filter.Matches(doc) {
				continue
			}
			if res.total++; res.total > res.from() && len(res.shown) < res.most() {
				res.shown = append(res.shown, s.projection.Apply(doc))
			}
		}
		if len(rows) < scanStep {
			return nil
		}
	}
}

// list shows a page of all.
func (s *searching) list(res *results) error {
	n, err := s.tx.Provisioned().Count(s.source.Source, s.kind.kind, s.hint)
	if err != nil {
		return err
	}
	skip, room := max(res.from()-res.total, 0), res.most()-len(res.shown)
	res.total += n
	if skip >= n || room == 0 {
		return nil
	}
	rows, err := s.tx.Provisioned().List(s.source.Source, s.kind.kind, s.hint, store.Stretch{Skip: skip, Limit: room})
	if err != nil {
		return err
	}
	docs, err := s.render(res, rows...)
	for _, doc := range docs {
		res.shown = append(res.shown, s.projection.Apply(doc))
	}
	return err
}

// render makes whole documents of rows, with the members or groups that are asked for.
func (s *searching) render(res *results, rows ...store.ProvisionedResource) ([]resource.Document, error) {
	ids := make([]string, len(rows))
	for i, v := range rows {
		ids[i] = v.ID
	}
	var in map[string][]store.GroupName
	var err error
	if s.kind == s.users {
		if in, err = s.tx.Memberships().GroupsOf(s.source.Source, ids...); err != nil {
			return nil, err
		}
	}
	docs := make([]resource.Document, len(rows))
	for i, v := range rows {
		if docs[i], err = s.document(s.kind, v, in[v.ID]); err != nil {
			return nil, err
		}
		if s.kind == s.groups && s.wants(resource.Members) {
			members, err := s.tx.Memberships().Members(s.source.Source, v.ID, "", store.MaxMembers)
			if err != nil {
				return nil, err
			}
			if res.members += len(members); res.members > maxShownTotal {
				return nil, &resource.Error{Type: resource.TooMany, Detail: "These groups have too many members for one answer: ask with excludedAttributes=members, or for fewer groups."}
			}
			s.addMembers(docs[i], members)
		}
	}
	return docs, nil
}

func (s *searching) wants(attribute string) bool {
	return s.projection.Wants(attribute) || s.filter != nil && s.filter.Mentions(attribute)
}

// document is a row as clients see it.
func (c *call) document(k *kind, v store.ProvisionedResource, in []store.GroupName) (resource.Document, error) {
	doc, err := resource.Stored(v.Document)
	if err != nil {
		return nil, err
	}
	schemas := []any{k.Schema.ID}
	for _, s := range k.Extensions {
		if doc.Sub(s.ID) != nil {
			schemas = append(schemas, s.ID)
		}
	}
	doc["schemas"], doc["id"] = schemas, v.ID
	doc["meta"] = resource.Document{
		"resourceType": k.Name, "created": v.CreatedAt.Format(time.RFC3339Nano), "lastModified": v.ChangedAt.Format(time.RFC3339Nano),
		"location": c.address(k, v.ID), "version": etag(v, in),
	}
	groups := make([]any, len(in))
	for i, g := range in {
		groups[i] = resource.Document{"value": g.ID, "$ref": c.address(c.groups, g.ID), "display": g.Name, "type": "direct"}
	}
	if len(groups) > 0 {
		doc["groups"] = groups
	}
	return doc, nil
}

func (c *call) addMembers(doc resource.Document, members []string) {
	list := make([]any, len(members))
	for i, id := range members {
		list[i] = resource.Document{"value": id, "$ref": c.address(c.users, id), "type": "User"}
	}
	if len(list) > 0 {
		doc[resource.Members] = list
	}
}

// address is where a resource is.
func (c *call) address(k *kind, id string) string {
	return c.URL + Prefix + k.Endpoint + "/" + url.PathEscape(id)
}

// get answers with one resource.
func (c *call) get(k *kind) (a *answer, err error) {
	err = c.Store.View(c.r.Context(), func(tx store.Tx) error {
		v, err := tx.Provisioned().Get(c.source.Source, k.kind, c.r.PathValue("id"))
		if err != nil {
			return err
		}
		if a, err = c.showIn(tx, k, v); err != nil {
			return err
		}
		return c.ifNoneMatch(a.etag)
	})
	return a, err
}

// show answers a write with what was written.
func (w *writing) show(k *kind, v store.ProvisionedResource) (*answer, error) {
	return w.showIn(w.tx, k, v)
}

func (c *call) showIn(tx store.Tx, k *kind, v store.ProvisionedResource) (*answer, error) {
	values := c.r.URL.Query()
	s, err := c.searching(tx, k, query{Attributes: listOf(values.Get("attributes")), ExcludedAttributes: listOf(values.Get("excludedAttributes"))})
	if err != nil {
		return nil, err
	}
	docs, err := s.render(&results{}, v)
	if err != nil {
		return nil, err
	}
	return &answer{status: http.StatusOK, body: s.projection.Apply(docs[0]), etag: docs[0].Sub("meta").Text("version")}, nil
}
