module github.com/curfewhq/curfew/testpeers/atlas

go 1.26.0

// Its folder openapi holds the description of Atlas' API, under a licence of its own (CC BY-NC-SA 3.0 US): tests read it there,
// and nothing of it is part of Curfew.
require go.mongodb.org/atlas-sdk/v20250312003 v20250312003.0.0
