package mysql

import _ "embed"

//go:embed sql/mariadb.sql
var mariaDBSetUp string

// MariaDBSetUp is what root runs on a MariaDB, by the server's own client, before Curfew can work there: the schema, the
// owner of the procedures, and the procedures. It is what the connector's page says.
func MariaDBSetUp() string { return mariaDBSetUp }
